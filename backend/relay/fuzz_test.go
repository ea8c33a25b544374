package relay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/relay/hosts"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// FuzzConnection sends any bytes to the port: TLS, HTTP or neither.
func FuzzConnection(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	f.Add([]byte("GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: porch.v1\r\n\r\n\x81\x80"))
	f.Add([]byte("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"))
	f.Add([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
	f.Add([]byte{0})
	s := openForFuzzing(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := net.Dial("tcp", s.hostPort())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write(b) // the relay may have cut it off
		_ = c.(*net.TCPConn).CloseWrite()
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("the connection stays")
		}
	})
}

// FuzzSocket sends any bytes over an upgraded socket, after Open.
func FuzzSocket(f *testing.F) {
	f.Add([]byte("\x82\x81\x00\x00\x00\x00x\x88\x80\x00\x00\x00\x00"))
	f.Add([]byte("\x89\x80\x00\x00\x00\x00\x8a\x80\x00\x00\x00\x00"))
	f.Add([]byte("\x02\x81\x00\x00\x00\x00x\x80\x81\x00\x00\x00\x00y"))
	f.Add([]byte("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"))
	f.Add([]byte("\x88\x82\x00\x00\x00\x00\x03\xe8"))
	s := openForFuzzing(f)
	keys, err := sealed.NewLinkKeys()
	if err != nil {
		f.Fatal(err)
	}
	guests := make(chan switchboard.Frames, 1)
	if _, err := s.Announce(context.Background(), keys, func(fr switchboard.Frames) { guests <- fr }); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		w := rawSocket(t, s)
		w.open(t, keys.ID())
		fr := <-guests
		_, _ = w.c.Write(b) // the relay may have cut it off
		_ = w.c.(*net.TCPConn).CloseWrite()
		ctx := contextFor(t)
		for {
			frame, err := fr.Recv(ctx)
			if ctx.Err() != nil {
				t.Fatal("the channel stays")
			}
			if err != nil {
				break
			}
			if len(frame) > fr.Limit() {
				t.Errorf("a frame of %d bytes", len(frame))
			}
		}
		if _, err := io.Copy(io.Discard, w.r); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("the connection stays")
		}
	})
}

// FuzzHostLine sends any text and then any frame over a connection that has
// registered and has a guest. The connection goes on or ends with a code, and the
// guest of another host is not disturbed.
func FuzzHostLine(f *testing.F) {
	f.Add([]byte(`{"type":"announce","payload":{"key":"B"}}`), []byte("\x00\x00\x00\x01x"))
	f.Add([]byte(`{"type":"limit","payload":{"channel":1,"bytes":262144}}`), []byte("\x00\x00\x00\x01"))
	f.Add([]byte(`{"type":"closed","payload":{"channel":1,"code":1000}}`), []byte("\x00\x00\x00\x02xyz"))
	f.Add([]byte(`{"type":"wantCredentials","payload":{"request":1}}`), []byte("\x00"))
	f.Add([]byte(`{"type":"withdraw","payload":{"link":"AAAAAAAAAAAAAAAAAAAAAA"}}`), []byte(""))
	s := openForFuzzing(f)
	keys, err := sealed.NewLinkKeys()
	if err != nil {
		f.Fatal(err)
	}
	guests := make(chan switchboard.Frames, 1)
	if _, err := s.Announce(context.Background(), keys, func(fr switchboard.Frames) { guests <- fr }); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text, frame []byte) {
		w := rawSocket(t, s)
		w.open(t, keys.ID())
		bystander := <-guests
		h := openHost(t, s)
		h.registered(hostKey(t))
		own := newLinkKeys(t)
		h.announces(own)
		mustOpen(t, s, h, own.ID())
		// Whatever the text does, the connection or the relay must end here in
		// time.
		_ = h.ws.Write(contextFor(t), websocket.MessageText, text)
		_ = h.ws.Write(contextFor(t), websocket.MessageBinary, frame)
		_ = h.ws.Close(websocket.StatusNormalClosure, "")
		if err := bystander.Send([]byte("still here")); err != nil {
			t.Errorf("the bystander: %v", err)
		}
		bystander.Close(signalling.CloseDone)
	})
}

func openForFuzzing(f *testing.F) *Server {
	f.Helper()
	l := defaultLimits
	l.requests, l.requestBurst, l.opens, l.openBurst = 1e9, 1e9, 1e9, 1e9
	quick := defaultTimes
	quick.close = 100 * time.Millisecond
	s, err := Open(context.Background(), Options{Dir: f.TempDir(), Listen: "127.0.0.1:0", Pages: testPages, Hosts: &hosts.Policy{Open: true, PerAddress: hosts.AddressQuotas{Hosts: 1e6, Links: 1e6, Guests: 1e6}}, Logger: slog.New(slog.DiscardHandler), limits: &l, times: &quick})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	return s
}

// FuzzHost checks that no Host header can pass for this relay, or break out of
// the content policy.
func FuzzHost(f *testing.F) {
	for _, s := range []string{"localhost", "localhost:7674", "[::1]:7674", "127.0.0.1", "evil.example", "localhost.evil:80", "localhost:80; script-src *", "[::1", "::1", "[fe80::1%25x]:80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if !hostAllowed(host, []string{"localhost", "porch.local"}) {
			return
		}
		if strings.ContainsAny(host, "; ,'\"\r\n\t*%/") {
			t.Errorf("%q is allowed", host)
		}
		if n := strings.Count(contentPolicy(host, true), ";"); n != strings.Count(contentPolicy("localhost", true), ";") {
			t.Errorf("%q changes the policy", host)
		}
	})
}

// FuzzFirstMessage checks what a socket takes for an Open.
func FuzzFirstMessage(f *testing.F) {
	f.Add([]byte(`{"type":"open","payload":{"version":1,"link":"AAAAAAAAAAAAAAAAAAAAAA"}}`))
	f.Add([]byte(`{"type":"open","payload":{"version":1,"link":"AAAAAAAAAAAAAAAAAAAAAB"}}`))
	f.Add([]byte(`{"type":"open"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := signalling.DecodeToRelay(b)
		if err != nil {
			return
		}
		open := m.(signalling.Open)
		id, err := sealed.ParseLinkID(open.Link)
		if err != nil {
			t.Fatalf("a valid Open with a link that is none: %v", err)
		}
		if string(id) != open.Link {
			t.Errorf("%q became %q", open.Link, id)
		}
		again, err := signalling.Encode(open)
		if err != nil {
			t.Fatal(err)
		}
		if m2, err := signalling.DecodeToRelay(again); err != nil || m2 != m {
			t.Errorf("%+v, %v", m2, err)
		}
	})
}

// FuzzOrigin checks that only this relay's own origin passes.
func FuzzOrigin(f *testing.F) {
	for _, s := range []string{"http://localhost:7674", "https://localhost:7674", "null", "http://evil@localhost:7674", "http://localhost:7674.evil", "", "http://localhost:7674/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, origin string) {
		r := &http.Request{Host: "localhost:7674", Header: http.Header{"Origin": {origin}}}
		if originAllowed(r, nil) && !bytes.EqualFold([]byte(origin), []byte("http://localhost:7674")) {
			t.Errorf("%q is allowed", origin)
		}
	})
}
