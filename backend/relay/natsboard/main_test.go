package natsboard

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/porch-call/porch/backend/relay/natsboard/natstest"
	"github.com/porch-call/porch/backend/relay/switchboardtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is the deadline of everything that should happen soon.
const patience = 30 * time.Second

func contextFor(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

var testSecret = bytes.Repeat([]byte("secret! "), 4)

// logs is a log that tests can search.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logs) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// openNode starts a node that the test's end closes.
func openNode(t testing.TB, url string, change func(*Options)) *Board {
	t.Helper()
	o := Options{
		Servers: []string{url}, Secret: testSecret, Logger: slog.New(slog.DiscardHandler),
		PerLink: switchboardtest.PerLink, PerAddress: switchboardtest.PerAddress,
	}
	if change != nil {
		change(&o)
	}
	b, err := Open(contextFor(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// openNodes starts n nodes of one cluster.
func openNodes(t testing.TB, s *natstest.Server, n int, change func(*Options)) []*Board {
	t.Helper()
	out := make([]*Board, n)
	for i := range out {
		out[i] = openNode(t, s.URL(), change)
	}
	return out
}
