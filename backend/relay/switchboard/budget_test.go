package switchboard

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/signalling"
)

// TestBudgetHoldsWhatIsBeingRead checks that a frame counts until its reader asks
// for the next one, and that nothing is left after all is given back.
func TestBudgetHoldsWhatIsBeingRead(t *testing.T) {
	all := NewBudget(1000)
	part := all.Part(600)
	host, guest := Pipe(RemoteInfo{}, nil)
	if err := guest.Send(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	Charge(host, part)
	holds := func(what string, want int64) {
		t.Helper()
		if part.held.Load() != want || all.held.Load() != want {
			t.Errorf("%s: %d and %d are held, want %d", what, part.held.Load(), all.held.Load(), want)
		}
	}
	const one = 100 + Overhead
	holds("waiting before it was counted", one)
	if err := guest.Send(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	holds("two are waiting", 2*one)
	if _, err := host.Recv(t.Context()); err != nil {
		t.Fatal(err)
	}
	holds("one is being read", 2*one)
	if _, err := host.Recv(t.Context()); err != nil {
		t.Fatal(err)
	}
	holds("the other is being read", one)
	host.Close(signalling.CloseDone)
	holds("the reader has closed", 0)
	host, guest = Pipe(RemoteInfo{}, part)
	if err := guest.Send(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	guest.Close(signalling.CloseDone)
	holds("closed, and not read yet", one)
	runtime.KeepAlive(host)
	for end := time.Now().Add(20 * time.Second); part.held.Load() != 0 || all.held.Load() != 0; runtime.GC() {
		if time.Now().After(end) {
			t.Fatal("not in time")
		}
	}
	if part.take(601) || all.held.Load() != 0 {
		t.Error("a part has more than its own")
	}
	if !all.take(500) || part.take(501) || part.held.Load() != 0 {
		t.Error("a part has more than there is")
	}
}

func TestDefaultQueued(t *testing.T) {
	before := debug.SetMemoryLimit(math.MaxInt64)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	if n := DefaultQueued(); n != 128<<20 {
		t.Errorf("%d without a limit", n)
	}
	debug.SetMemoryLimit(400 << 20)
	if n := DefaultQueued(); n != 100<<20 {
		t.Errorf("%d of 400 MiB", n)
	}
}
