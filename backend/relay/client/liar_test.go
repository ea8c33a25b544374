package client_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/signalling"
)

// message is one WebSocket message on its way through a liar.
type message struct {
	kind websocket.MessageType
	b    []byte
}

// way is where a message goes.
type way string

const (
	toHost    way = "to host"    // on the host's connection
	fromHost  way = "from host"  // on the host's connection
	toGuest   way = "to guest"   // on a guest's socket
	fromGuest way = "from guest" // on a guest's socket
)

// liar is a relay that lies. It stands in front of a true one, sees all that TLS
// protects, and passes on what a test's lie makes of it.
type liar struct {
	t      *testing.T
	base   string
	true   *publicRelay
	server *http.Server
	wg     sync.WaitGroup
	ctx    context.Context

	mu   sync.Mutex
	seen bytes.Buffer // every byte that passed, or was meant to
	// lie returns what to pass on in place of a message; nil passes all
	// unchanged. It is called for one message at a time.
	lie func(w way, socket int, m message) []message
	// sockets are what lies can write to, by number: the host's connections and
	// the guests' sockets in the order in which they came.
	sockets []*liarSocket
}

// liarSocket has both ends of what passes through a liar.
type liarSocket struct {
	l        *liar
	ctx      context.Context
	down, up *websocket.Conn // towards the side that dialled, and towards the true relay
}

func newLiar(t *testing.T, a authority) *liar {
	t.Helper()
	l := &liar{t: t, true: openPublic(t, a, "127.0.0.1:0", nil)}
	ctx, cancel := context.WithCancel(context.Background())
	l.ctx = ctx
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	l.base = "https://localhost:" + port
	l.server = &http.Server{
		Handler:   http.HandlerFunc(l.serve),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{a.certificate}, NextProtos: []string{"http/1.1"}},
	}
	l.wg.Go(func() { _ = l.server.ServeTLS(listener, "", "") })
	t.Cleanup(func() {
		cancel()
		_ = l.server.Close()
		l.wg.Wait()
	})
	return l
}

// serve passes a WebSocket through.
func (l *liar) serve(w http.ResponseWriter, r *http.Request) {
	in, out, protocol := fromGuest, toGuest, signalling.Subprotocol
	if r.URL.Path == "/host" {
		in, out, protocol = fromHost, toHost, signalling.HostSubprotocol
	}
	l.wg.Add(1)
	defer l.wg.Done()
	ctx, cancel := context.WithCancel(l.ctx)
	defer cancel()
	transport := &http.Transport{TLSClientConfig: l.true.authority.client}
	defer transport.CloseIdleConnections()
	up, _, err := websocket.Dial(ctx, l.true.base()+r.URL.Path, &websocket.DialOptions{ //nolint:bodyclose // the library's
		Subprotocols: []string{protocol}, HTTPClient: &http.Client{Transport: transport},
	})
	if err != nil {
		http.Error(w, "", http.StatusBadGateway)
		return
	}
	defer func() { _ = up.CloseNow() }()
	down, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{protocol}})
	if err != nil {
		return
	}
	defer func() { _ = down.CloseNow() }()
	up.SetReadLimit(-1)
	down.SetReadLimit(-1)
	l.mu.Lock()
	number := len(l.sockets)
	l.sockets = append(l.sockets, &liarSocket{l: l, ctx: ctx, down: down, up: up})
	l.mu.Unlock()
	var back sync.WaitGroup
	back.Go(func() { l.carry(ctx, number, out, up, down) })
	l.carry(ctx, number, in, down, up)
	back.Wait()
}

// carry passes on what comes from one side, and its end.
func (l *liar) carry(ctx context.Context, number int, w way, from, to *websocket.Conn) {
	for {
		kind, b, err := from.Read(ctx)
		if err != nil {
			code := websocket.CloseStatus(err)
			if code < 1000 || code == websocket.StatusNoStatusRcvd {
				_ = to.CloseNow()
				return
			}
			_ = to.Close(code, "")
			return
		}
		m := message{kind, b}
		l.mu.Lock()
		l.seen.Write(b)
		l.seen.WriteByte('\n')
		said := []message{m}
		if l.lie != nil {
			said = l.lie(w, number, m)
		}
		for _, m := range said {
			_ = to.Write(ctx, m.kind, m.b) // the receiver may be gone
		}
		l.mu.Unlock()
	}
}

// tell sets the lie.
func (l *liar) tell(lie func(w way, socket int, m message) []message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lie = lie
}

// say sends a message of the liar's own to the side that dialled. Lies call it,
// with mu held.
func (s *liarSocket) say(m message) { _ = s.down.Write(s.ctx, m.kind, m.b) }

// text returns a message as it is sent in the clear.
func text(t testing.TB, m signalling.Message) message {
	t.Helper()
	b, err := signalling.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	return message{websocket.MessageText, b}
}

// typeOf returns the type of a message in the clear, "" for frames.
func typeOf(m message) signalling.Type {
	var e struct {
		Type signalling.Type `json:"type"`
	}
	if m.kind != websocket.MessageText || json.Unmarshal(m.b, &e) != nil {
		return ""
	}
	return e.Type
}

// frameOf returns the channel and the frame of a binary message of the host's
// connection.
func frameOf(m message) (channel uint32, frame []byte) {
	return binary.BigEndian.Uint32(m.b), m.b[signalling.ChannelSize:]
}

func framed(channel uint32, frame []byte) message {
	return message{websocket.MessageBinary, append(binary.BigEndian.AppendUint32(nil, channel), frame...)}
}

// readsNothing fails if the liar saw any of these words, as they are or in
// base64.
func (l *liar) readsNothing(words ...string) {
	l.t.Helper()
	l.mu.Lock()
	seen := bytes.Clone(l.seen.Bytes())
	l.mu.Unlock()
	if len(seen) < 1000 {
		l.t.Fatalf("the liar saw only %d bytes", len(seen))
	}
	always := []string{"v=0\r\n", "a=candidate", "candidate:", "a=ice-ufrag", "fingerprint", `"knock"`, `"welcome"`, `"hello"`}
	for _, w := range append(always, words...) {
		encoded := []byte(base64.RawURLEncoding.EncodeToString([]byte(w)))
		if bytes.Contains(seen, []byte(w)) || bytes.Contains(seen, encoded[:len(encoded)-1]) {
			l.t.Errorf("the relay saw %q", w)
		}
	}
}
