package relay

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// patience is the deadline of all that should happen at once.
const patience = 20 * time.Second

func contextFor(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// openRelay starts a relay on 127.0.0.1 that the test's end closes.
func openRelay(t *testing.T, change func(*Options)) *Server {
	t.Helper()
	o := Options{Dir: t.TempDir(), Listen: "127.0.0.1:0", Pages: testPages, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	s, err := Open(contextFor(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func (s *Server) hostPort() string { return s.bound.String() }

// client trusts the relay's own certificate, and no other.
func client(t *testing.T, s *Server) *http.Client {
	roots := x509.NewCertPool()
	cert, _ := s.certificates.get(nil)
	roots.AddCert(cert.Leaf)
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true, DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// reply is an answer whose body has been read.
type reply struct {
	status int
	proto  int // major version of HTTP
	header http.Header
	body   []byte
}

func get(t *testing.T, c *http.Client, url string, change func(*http.Request)) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(contextFor(t), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.ProtoMajor, resp.Header, b}
}

// dial opens a guest's socket. The reply has no body, and status 0 if there was
// no answer.
func dial(t *testing.T, s *Server, change func(*websocket.DialOptions)) (*websocket.Conn, reply, error) {
	t.Helper()
	return dialAt(t, "ws://"+s.hostPort()+switchboard.SocketPath, client(t, s), change)
}

func dialAt(t *testing.T, url string, c *http.Client, change func(*websocket.DialOptions)) (*websocket.Conn, reply, error) {
	t.Helper()
	o := &websocket.DialOptions{Subprotocols: []string{signalling.Subprotocol}, HTTPClient: c}
	if change != nil {
		change(o)
	}
	ws, resp, err := websocket.Dial(contextFor(t), url, o) //nolint:bodyclose // the library's to close
	if err == nil {
		ws.SetReadLimit(-1)
		t.Cleanup(func() { _ = ws.CloseNow() })
	}
	if resp == nil {
		return ws, reply{}, err
	}
	return ws, reply{resp.StatusCode, resp.ProtoMajor, resp.Header, nil}, err
}

func mustDial(t *testing.T, s *Server) *websocket.Conn {
	t.Helper()
	ws, _, err := dial(t, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ws
}

// mustDialApart is mustDial from an address that no other guest has.
func mustDialApart(t *testing.T, s *Server) *websocket.Conn {
	t.Helper()
	i := guestAddresses.Add(1)
	c := client(t, s)
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 4, byte(i/250), byte(1+i%250))}}
	c.Transport.(*http.Transport).DialContext = from.DialContext
	ws, _, err := dialAt(t, "ws://"+s.hostPort()+switchboard.SocketPath, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ws
}

func write(t *testing.T, ws *websocket.Conn, kind websocket.MessageType, b []byte) {
	t.Helper()
	if err := ws.Write(contextFor(t), kind, b); err != nil {
		t.Fatal(err)
	}
}

func ask(t *testing.T, ws *websocket.Conn, id sealed.LinkID) {
	t.Helper()
	b, err := signalling.Encode(signalling.Open{Version: signalling.ProtocolVersion, Link: string(id)})
	if err != nil {
		t.Fatal(err)
	}
	write(t, ws, websocket.MessageText, b)
}

func answer(t *testing.T, ws *websocket.Conn) signalling.Message {
	t.Helper()
	kind, b, err := ws.Read(contextFor(t))
	if err != nil {
		t.Fatal(err)
	}
	if kind != websocket.MessageText {
		t.Fatalf("answer is %v", kind)
	}
	m, err := signalling.DecodeFromRelay(b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// closedWith reads until the socket ends and returns how.
func closedWith(t *testing.T, ws *websocket.Conn) (signalling.CloseCode, string) {
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
		return signalling.CloseCode(c.Code), c.Reason
	}
}

// host announces a new link. Its guests arrive on the channel.
func host(t *testing.T, s *Server) (keys sealed.LinkKeys, guests chan switchboard.Frames, withdraw func()) {
	t.Helper()
	keys, err := sealed.NewLinkKeys()
	if err != nil {
		t.Fatal(err)
	}
	guests = make(chan switchboard.Frames, 1000)
	withdraw, err = s.Announce(contextFor(t), keys, func(f switchboard.Frames) { guests <- f })
	if err != nil {
		t.Fatal(err)
	}
	return keys, guests, withdraw
}

// connect opens a link through a socket and returns both ends.
func connect(t *testing.T, s *Server, keys sealed.LinkKeys, guests chan switchboard.Frames) (*websocket.Conn, switchboard.Frames) {
	t.Helper()
	return connectOver(t, mustDial(t, s), keys, guests)
}

// connectOver is connect through a socket that is open.
func connectOver(t *testing.T, ws *websocket.Conn, keys sealed.LinkKeys, guests chan switchboard.Frames) (*websocket.Conn, switchboard.Frames) {
	t.Helper()
	ask(t, ws, keys.ID())
	if m := answer(t, ws); m.Type() != (signalling.Opened{}).Type() {
		t.Fatalf("answer %+v", m)
	}
	select {
	case f := <-guests:
		return ws, f
	case <-contextFor(t).Done():
		t.Fatal("the host was not told")
		return nil, nil
	}
}

func recv(t *testing.T, f switchboard.Frames) []byte {
	t.Helper()
	b, err := f.Recv(contextFor(t))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// raw is a WebSocket by hand, for what a library refuses to do.
type raw struct {
	c net.Conn
	r *bufio.Reader
}

func rawSocket(t *testing.T, s *Server) raw {
	t.Helper()
	c, err := net.Dial("tcp", s.hostPort())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(c, "GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: porch.v1\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() // there is no body: frames follow
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp.Status)
	}
	return raw{c, r}
}

// open sends Open and skips the answer.
func (w raw) open(t *testing.T, id sealed.LinkID) {
	t.Helper()
	b, err := signalling.Encode(signalling.Open{Version: 1, Link: string(id)})
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > 125 {
		t.Fatal("too long for one length byte")
	}
	if _, err := w.c.Write(append([]byte{0x81, 0x80 | byte(len(b)), 0, 0, 0, 0}, b...)); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 4)
	if _, err := io.ReadFull(w.r, head); err != nil {
		t.Fatal(err)
	}
	if head[0] != 0x81 || head[1] != 126 {
		t.Fatalf("answer begins with %x", head)
	}
	if _, err := w.r.Discard(int(head[2])<<8 | int(head[3])); err != nil {
		t.Fatal(err)
	}
}
