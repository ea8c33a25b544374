package windowsocket

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// patience is how long tests wait for what should happen at once.
const patience = 20 * time.Second

func contextFor(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// listen starts a server and returns a channel of its windows. A window stays until its socket ends, or the test
// closes it.
func listen(t testing.TB) (*Server, chan *Conn) {
	t.Helper()
	conns := make(chan *Conn, 10)
	s, err := Listen(contextFor(t), Options{
		Origins: func(o string) bool { return o == origin },
		Handler: func(c *Conn) {
			conns <- c
			<-c.done
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, conns
}

// dial opens a socket. It returns the HTTP status of the answer, 0 for none.
func dial(t testing.TB, url string, change func(*websocket.DialOptions)) (ws *websocket.Conn, status int, err error) {
	t.Helper()
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	o := &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: tr}, Subprotocols: []string{Subprotocol}, HTTPHeader: http.Header{"Origin": {origin}},
	}
	if change != nil {
		change(o)
	}
	ws, resp, err := websocket.Dial(contextFor(t), url, o) //nolint:bodyclose // the library's to close
	if err == nil {
		ws.SetReadLimit(-1)
		t.Cleanup(func() { _ = ws.CloseNow() })
	}
	if resp != nil {
		status = resp.StatusCode
	}
	return ws, status, err
}

func mustDial(t testing.TB, url string) *websocket.Conn {
	t.Helper()
	ws, _, err := dial(t, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ws
}

func say(t testing.TB, ws *websocket.Conn, kind string, payload any) {
	t.Helper()
	b, err := json.Marshal(map[string]any{"type": kind, "payload": payload})
	if err != nil {
		t.Fatal(err)
	}
	if err := ws.Write(contextFor(t), websocket.MessageText, b); err != nil {
		t.Fatal(err)
	}
}

// window opens a socket and enters.
func window(t testing.TB, s *Server, conns chan *Conn, claims any) (*websocket.Conn, *Conn) {
	t.Helper()
	ticket := s.Grant(claims)
	ws := mustDial(t, ticket.URL)
	say(t, ws, "enter", map[string]string{"token": ticket.Token})
	select {
	case c := <-conns:
		return ws, c
	case <-contextFor(t).Done():
		t.Fatal("the window did not enter")
		return nil, nil
	}
}

func closedWith(t testing.TB, ws *websocket.Conn) (websocket.StatusCode, string) {
	t.Helper()
	for {
		_, _, err := ws.Read(contextFor(t))
		if err == nil {
			continue
		}
		var c websocket.CloseError
		if !errors.As(err, &c) {
			t.Fatalf("the socket ended with %v", err)
		}
		return c.Code, c.Reason
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
