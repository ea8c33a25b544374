package relay

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/signalling"
)

// turnForTest collects the connections that a relay takes for TURN's.
type turnForTest chan net.Conn

func (turnForTest) Credentials(string) ([]signalling.ICEServer, time.Time, error) {
	return nil, time.Time{}, nil
}
func (turnForTest) Revoke(string, string)    {}
func (t turnForTest) ServeStream(c net.Conn) { t <- c }

var stunHead = []byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}

func openWithTurn(t *testing.T, quick times) (*Server, turnForTest) {
	t.Helper()
	streams := make(turnForTest, 1)
	s, err := Open(context.Background(), Options{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", Pages: testPages, Logger: slog.New(slog.DiscardHandler), Turn: streams, times: &quick,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, streams
}

func dialSplit(t *testing.T, s *Server, protocols ...string) *tls.Conn {
	t.Helper()
	c, err := tls.Dial("tcp", s.hostPort(), &tls.Config{InsecureSkipVerify: true, NextProtos: protocols})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestSplitHandsOn checks that TURN gets every byte, whichever way it was
// recognised.
func TestSplitHandsOn(t *testing.T) {
	s, streams := openWithTurn(t, defaultTimes)
	for _, protocols := range [][]string{nil, {"stun.turn"}, {"stun.nat-discovery"}} {
		c := dialSplit(t, s, protocols...)
		for _, part := range [][]byte{stunHead[:1], stunHead[1:5], stunHead[5:], []byte("the rest")} {
			if _, err := c.Write(part); err != nil {
				t.Fatal(err)
			}
		}
		got := <-streams
		b := make([]byte, len(stunHead)+len("the rest"))
		if _, err := io.ReadFull(got, b); err != nil || !bytes.Equal(b, append(bytes.Clone(stunHead), "the rest"...)) {
			t.Errorf("%v: %q, %v", protocols, b, err)
		}
		if _, ok := got.RemoteAddr().(*net.TCPAddr); !ok {
			t.Errorf("from %v", got.RemoteAddr())
		}
		got.Close()
	}
}

// TestSplitSlow checks that neither a handshake nor the first bytes may take
// long.
func TestSplitSlow(t *testing.T) {
	quick := defaultTimes
	quick.header = 200 * time.Millisecond
	s, _ := openWithTurn(t, quick)
	for what, send := range map[string][]byte{
		"nothing": nil, "a byte": stunHead[:1], "seven": stunHead[:7], "no cookie": make([]byte, 8), "zeros": make([]byte, 100),
	} {
		c := dialSplit(t, s)
		if _, err := c.Write(send); err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, c); n != 0 || isTimeout(err) {
			t.Errorf("%s: %d bytes, %v", what, n, err)
		}
	}
	raw, err := net.Dial("tcp", s.hostPort())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := raw.Write([]byte("\x16\x03\x01\x02\x00\x01")); err != nil { // the beginning of a handshake
		t.Fatal(err)
	}
	if err := raw.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, raw); isTimeout(err) {
		t.Error("half a handshake stays")
	}
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// TestSplitEndsWithRelay checks that connections that have not said yet what they
// are do not hold up Close.
func TestSplitEndsWithRelay(t *testing.T) {
	s, _ := openWithTurn(t, defaultTimes)
	dialSplit(t, s)
	start := time.Now()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(start); d > defaultTimes.header {
		t.Errorf("closing took %v", d)
	}
}
