package relay

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/netaddr"
	"github.com/porch-call/porch/backend/relay/internal/testlog"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// patience is the deadline of everything that should happen at once.
const patience = 20 * time.Second

func contextFor(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

var testPages = fstest.MapFS{
	"index.html":                {Data: []byte("<!doctype html><title>Porch</title>" + strings.Repeat("<p>porch</p>", 100))},
	"favicon.svg":               {Data: []byte("<svg/>")},
	"assets/app-Ab12_-9z.js":    {Data: []byte(strings.Repeat("lamp();", 200))},
	"assets/app-Ab12_-9z.js.br": {Data: []byte("brotli of app")},
	"assets/app-Ab12_-9z.js.gz": {Data: []byte("gzip of app")},
	".gitkeep":                  {},
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

// dial opens a guest's socket. The reply has no body, and the status 0 when
// there was none.
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

// guestAddresses counts the addresses that guests of tests have come from.
var guestAddresses atomic.Uint32

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

func TestGuestAndHostSpeakThroughTheRelay(t *testing.T) {
	s := openRelay(t, nil)
	keys, guests, _ := host(t, s)
	ws := mustDial(t, s)
	ask(t, ws, keys.ID())
	opened, ok := answer(t, ws).(signalling.Opened)
	if !ok {
		t.Fatal("not opened")
	}
	public, err := base64.RawURLEncoding.DecodeString(opened.PublicKey)
	if err != nil || sealed.IDOf(public) != keys.ID() {
		t.Fatalf("public key %q: %v", opened.PublicKey, err)
	}
	f := <-guests
	opening, guest, err := sealed.OpenGuest(public, keys.ID())
	if err != nil {
		t.Fatal(err)
	}
	first, err := guest.Seal([]byte("knock knock"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, ws, websocket.MessageBinary, opening)
	write(t, ws, websocket.MessageBinary, first)
	hostEnd, err := sealed.OpenHost(keys, recv(t, f))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := hostEnd.Open(recv(t, f)); err != nil || string(plain) != "knock knock" {
		t.Fatalf("%q, %v", plain, err)
	}
	back, err := hostEnd.Seal([]byte("come in"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Send(back); err != nil {
		t.Fatal(err)
	}
	kind, b, err := ws.Read(contextFor(t))
	if err != nil || kind != websocket.MessageBinary {
		t.Fatal(kind, err)
	}
	if plain, err := guest.Open(b); err != nil || string(plain) != "come in" {
		t.Fatalf("%q, %v", plain, err)
	}
	if r := f.Remote(); !r.Loopback || r.Key == "" {
		t.Errorf("remote %+v", r)
	}

	// The last words arrive before the end.
	if err := f.Send([]byte("bye")); err != nil {
		t.Fatal(err)
	}
	f.Close(signalling.CloseDone)
	if _, b, err := ws.Read(contextFor(t)); err != nil || string(b) != "bye" {
		t.Fatalf("%q, %v", b, err)
	}
	if code, reason := closedWith(t, ws); code != signalling.CloseDone || reason != "" {
		t.Errorf("closed with %d %q", code, reason)
	}
}

func TestGuestLeaves(t *testing.T) {
	s := openRelay(t, nil)
	keys, guests, _ := host(t, s)
	ws, f := connect(t, s, keys, guests)
	write(t, ws, websocket.MessageBinary, []byte("last"))
	if err := ws.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	if b := recv(t, f); string(b) != "last" {
		t.Fatalf("%q", b)
	}
	if _, err := f.Recv(contextFor(t)); !errors.Is(err, io.EOF) {
		t.Errorf("Recv = %v", err)
	}
	if err := f.Send([]byte("x")); !errors.Is(err, io.EOF) {
		t.Errorf("Send = %v", err)
	}
}

// A network that goes deaf without closing the socket is noticed in time.
func TestDeafSocketsAreNoticed(t *testing.T) {
	if d := defaultTimes; d.ping+d.pong > 20*time.Second {
		t.Errorf("a deaf socket is noticed after %v", d.ping+d.pong)
	}
}

func TestWithdrawEndsItsGuests(t *testing.T) {
	s := openRelay(t, nil)
	keys, guests, withdraw := host(t, s)
	ws, f := connect(t, s, keys, guests)
	other, otherGuests, _ := host(t, s)
	ws2, f2 := connect(t, s, other, otherGuests)
	withdraw()
	withdraw()
	if code, reason := closedWith(t, ws); code != signalling.CloseHostGone || reason != string(fault.HostGone) {
		t.Errorf("closed with %d %q", code, reason)
	}
	if _, err := f.Recv(contextFor(t)); fault.CodeOf(err) != fault.HostGone {
		t.Errorf("Recv = %v", err)
	}
	ws3 := mustDial(t, s)
	ask(t, ws3, keys.ID())
	if _, ok := answer(t, ws3).(signalling.Unavailable); !ok {
		t.Error("a withdrawn link answers")
	}
	write(t, ws2, websocket.MessageBinary, []byte("still here"))
	if b := recv(t, f2); string(b) != "still here" {
		t.Errorf("the other link got %q", b)
	}
}

func TestCloseTellsGuestsAndEnds(t *testing.T) {
	s := openRelay(t, nil)
	keys, guests, withdraw := host(t, s)
	ws, f := connect(t, s, keys, guests)
	if err := f.Send([]byte("closing")); err != nil {
		t.Fatal(err)
	}
	silent, err := net.Dial("tcp", s.hostPort())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	waiting := mustDial(t, s) // has asked nothing yet
	go func() { _, _, _ = waiting.Read(context.Background()) }()

	closed := make(chan error)
	go func() { closed <- s.Close() }()
	if _, b, err := ws.Read(contextFor(t)); err != nil || string(b) != "closing" {
		t.Errorf("%q, %v", b, err)
	}
	if code, _ := closedWith(t, ws); code != signalling.CloseHostGone {
		t.Errorf("closed with %d", code)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	withdraw()
	if _, err := net.DialTimeout("tcp", s.hostPort(), patience); err == nil {
		t.Error("the port still answers")
	}
	keys, err = sealed.NewLinkKeys()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Announce(contextFor(t), keys, func(switchboard.Frames) {}); fault.CodeOf(err) != fault.ShuttingDown {
		t.Errorf("Announce = %v", err)
	}
}

func TestHostMustProveItsID(t *testing.T) {
	s := openRelay(t, nil)
	keys, err := sealed.NewLinkKeys()
	if err != nil {
		t.Fatal(err)
	}
	other, err := sealed.NewLinkKeys()
	if err != nil {
		t.Fatal(err)
	}
	for name, answer := range map[string]func([]byte) ([]byte, error){
		"zeros":      func([]byte) ([]byte, error) { return make([]byte, 32), nil },
		"nothing":    func([]byte) ([]byte, error) { return nil, nil },
		"an echo":    func(c []byte) ([]byte, error) { return c, nil },
		"other keys": func(c []byte) ([]byte, error) { return sealed.AnswerChallenge(other, c) },
	} {
		if _, err := s.admitHost(contextFor(t), keys.Public(), func(switchboard.Frames) {}, answer); err == nil {
			t.Errorf("%s took the id", name)
		}
	}
	if _, err := s.admitHost(contextFor(t), []byte("no key"), func(switchboard.Frames) {}, nil); err == nil {
		t.Error("something that is no key was attached")
	}
	ws := mustDial(t, s)
	ask(t, ws, keys.ID())
	if _, ok := answer(t, ws).(signalling.Unavailable); !ok {
		t.Error("the id answers")
	}
}

func TestOneAnswerForEveryLinkThatDoesNotAnswer(t *testing.T) {
	spent, err := sealed.NewLinkKeys()
	if err != nil {
		t.Fatal(err)
	}
	secret := sealed.NewSecret()
	real, err := sealed.SealNote(secret, spent.ID(), sealed.NoteSpent)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	options := func(o *Options) {
		o.Dir = dir
		o.Notes = func(id sealed.LinkID) ([sealed.NoteSize]byte, bool) { return real, id == spent.ID() }
	}
	s := openRelay(t, options)
	keys, _, withdraw := host(t, s)
	withdraw()
	unknown, err := sealed.NewLinkKeys()
	if err != nil {
		t.Fatal(err)
	}
	question := func(s *Server, id sealed.LinkID) []byte {
		ws := mustDial(t, s)
		before := time.Now()
		ask(t, ws, id)
		m, ok := answer(t, ws).(signalling.Unavailable)
		if !ok {
			t.Fatalf("%v answers", id)
		}
		if took := time.Since(before); took < s.times.unavailable {
			t.Errorf("the answer came after %v", took)
		}
		note, err := base64.RawURLEncoding.DecodeString(m.Note)
		if err != nil || len(note) != sealed.NoteSize {
			t.Fatalf("note %q: %v", m.Note, err)
		}
		if code, reason := closedWith(t, ws); code != signalling.CloseUnavailable || reason != string(fault.LinkUnavailable) {
			t.Errorf("closed with %d %q", code, reason)
		}
		return note
	}
	seen := map[string]bool{}
	for _, id := range []sealed.LinkID{spent.ID(), keys.ID(), unknown.ID()} {
		note := question(s, id)
		if !bytes.Equal(note, question(s, id)) {
			t.Error("a note changes when asked twice")
		}
		seen[string(note)] = true
		reason, err := sealed.OpenNote(secret, id, note)
		if id == spent.ID() && (err != nil || reason != sealed.NoteSpent) {
			t.Errorf("the real note: %q, %v", reason, err)
		}
		if id != spent.ID() && err == nil {
			t.Error("noise opens")
		}
	}
	if len(seen) != 3 {
		t.Error("two links have the same note")
	}
	noise := question(s, unknown.ID())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if again := question(openRelay(t, options), unknown.ID()); !bytes.Equal(noise, again) {
		t.Error("noise changes with a restart, unlike a real note")
	}
}

func TestRefusedSockets(t *testing.T) {
	s := openRelay(t, nil)
	for _, tc := range []struct {
		name   string
		change func(*websocket.DialOptions)
		status int
	}{
		{"foreign origin", func(o *websocket.DialOptions) { o.HTTPHeader = http.Header{"Origin": {"https://evil.example"}} }, 403},
		{"origin null", func(o *websocket.DialOptions) { o.HTTPHeader = http.Header{"Origin": {"null"}} }, 403},
		{"other scheme", func(o *websocket.DialOptions) {
			o.HTTPHeader = http.Header{"Origin": {"https://" + s.hostPort()}}
		}, 403},
		{"two origins", func(o *websocket.DialOptions) {
			o.HTTPHeader = http.Header{"Origin": {"http://" + s.hostPort(), "https://evil.example"}}
		}, 403},
		{"rebound name", func(o *websocket.DialOptions) {
			o.Host = "evil.example"
			o.HTTPHeader = http.Header{"Origin": {"http://evil.example"}}
		}, 421},
		{"no subprotocol", func(o *websocket.DialOptions) { o.Subprotocols = nil }, 400},
		{"other subprotocol", func(o *websocket.DialOptions) { o.Subprotocols = []string{"porch.v0"} }, 400},
		{"own origin", func(o *websocket.DialOptions) {
			o.HTTPHeader = http.Header{"Origin": {"http://" + s.hostPort()}}
		}, 101},
		{"no origin", nil, 101},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, got, _ := dial(t, s, tc.change); got.status != tc.status {
				t.Errorf("got %d, want %d", got.status, tc.status)
			}
		})
	}
}

func TestBadFirstMessages(t *testing.T) {
	s := openRelay(t, nil)
	for _, tc := range []struct {
		name   string
		kind   websocket.MessageType
		b      string
		code   signalling.CloseCode
		reason fault.Code
	}{
		{"garbage", websocket.MessageText, "garbage", signalling.CloseRefused, fault.MessageMalformed},
		{"nothing", websocket.MessageText, "", signalling.CloseRefused, fault.MessageMalformed},
		{"binary", websocket.MessageBinary, "\x00\x01", signalling.CloseRefused, fault.MessageUnexpected},
		{"hello", websocket.MessageText, `{"type":"hello","payload":{}}`, signalling.CloseRefused, fault.MessageUnknown},
		{"no id", websocket.MessageText, `{"type":"open","payload":{"version":1,"link":"x"}}`, signalling.CloseRefused, fault.LinkMalformed},
		{"other version", websocket.MessageText, `{"type":"open","payload":{"version":999,"link":"AAAAAAAAAAAAAAAAAAAAAA"}}`, signalling.CloseRefused, fault.VersionUnsupported},
		{"oversize", websocket.MessageText, strings.Repeat(" ", 5000), signalling.CloseTooLarge, fault.FrameTooLarge},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ws := mustDial(t, s)
			write(t, ws, tc.kind, []byte(tc.b))
			if code, reason := closedWith(t, ws); code != tc.code || reason != string(tc.reason) {
				t.Errorf("closed with %d %q", code, reason)
			}
		})
	}
}

func TestBadFramesEndTheirChannelOnly(t *testing.T) {
	flood := func(size int) func(*testing.T, *websocket.Conn, switchboard.Frames) {
		return func(t *testing.T, ws *websocket.Conn, f switchboard.Frames) {
			for ws.Write(contextFor(t), websocket.MessageBinary, make([]byte, size)) == nil {
			}
		}
	}
	for _, tc := range []struct {
		name   string
		limits func(*limits)
		do     func(t *testing.T, ws *websocket.Conn, f switchboard.Frames)
		code   signalling.CloseCode
	}{
		{"text after Opened", nil, func(t *testing.T, ws *websocket.Conn, f switchboard.Frames) {
			write(t, ws, websocket.MessageText, []byte("{}"))
		}, signalling.CloseRefused},
		{"oversize", nil, func(t *testing.T, ws *websocket.Conn, f switchboard.Frames) {
			write(t, ws, websocket.MessageBinary, make([]byte, f.Limit()+1))
		}, signalling.CloseTooLarge},
		{"frames in a flood", nil, flood(1), signalling.CloseTooFast},
		{"bytes in a flood", func(l *limits) { l.fill = time.Hour }, flood(1000), signalling.CloseTooFast},
		{"a host that does not read", func(l *limits) { l.fill = time.Microsecond }, flood(16 << 10), signalling.CloseTooSlow},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := defaultLimits
			if tc.limits != nil {
				tc.limits(&l)
			}
			s := openRelay(t, func(o *Options) { o.limits = &l })
			keys, guests, _ := host(t, s)
			good, goodEnd := connect(t, s, keys, guests)
			ws, f := connect(t, s, keys, guests)
			// Reading must go on while the guest writes, as in a browser.
			code := make(chan signalling.CloseCode, 1)
			go func() {
				_, _, err := ws.Read(context.Background())
				code <- signalling.CloseCode(websocket.CloseStatus(err))
			}()
			tc.do(t, ws, f)
			if got := <-code; got != tc.code {
				t.Errorf("closed with %d, want %d", got, tc.code)
			}
			select {
			case <-f.Done():
			case <-contextFor(t).Done():
				t.Error("the host's end is open")
			}
			write(t, good, websocket.MessageBinary, []byte("fine"))
			if b := recv(t, goodEnd); string(b) != "fine" {
				t.Errorf("the other guest: %q", b)
			}
		})
	}
}

func TestLargerFramesAfterAdmission(t *testing.T) {
	s := openRelay(t, nil)
	keys, guests, _ := host(t, s)
	ws, f := connect(t, s, keys, guests)
	f.SetLimit(signalling.MaxFrame)
	large := bytes.Repeat([]byte("sdp"), signalling.MaxFrame/3)
	write(t, ws, websocket.MessageBinary, large)
	if b := recv(t, f); !bytes.Equal(b, large) {
		t.Errorf("%d bytes of %d", len(b), len(large))
	}
}

func TestSlowGuestIsCutAlone(t *testing.T) {
	quick := defaultTimes
	quick.write, quick.close = 50*time.Millisecond, 50*time.Millisecond
	s := openRelay(t, func(o *Options) { o.times = &quick })
	keys, guests, _ := host(t, s)
	good, goodEnd := connect(t, s, keys, guests)

	raw := rawSocket(t, s)
	raw.open(t, keys.ID())
	f := <-guests
	// The guest reads nothing: the system's buffers fill, then the queue.
	frame := make([]byte, 200<<10)
	deadline := contextFor(t)
	for {
		if err := f.Send(frame); err != nil {
			if fault.CodeOf(err) != fault.TooSlow {
				t.Errorf("Send = %v", err)
			}
			break
		}
		if deadline.Err() != nil {
			t.Fatal("the queue never fills")
		}
	}
	if _, err := f.Recv(deadline); fault.CodeOf(err) != fault.TooSlow {
		t.Errorf("Recv = %v", err)
	}
	if err := goodEnd.Send([]byte("fine")); err != nil {
		t.Fatal(err)
	}
	if _, b, err := good.Read(deadline); err != nil || string(b) != "fine" {
		t.Errorf("the other guest: %q, %v", b, err)
	}
}

func TestSilentSocketsAreClosed(t *testing.T) {
	quick := defaultTimes
	quick.open, quick.firstByte, quick.header = 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
	s := openRelay(t, func(o *Options) { o.times = &quick })
	t.Run("no Open", func(t *testing.T) {
		if code, reason := closedWith(t, mustDial(t, s)); code != signalling.CloseTooSlow {
			t.Errorf("closed with %d %q", code, reason)
		}
	})
	t.Run("no first frame", func(t *testing.T) {
		keys, guests, _ := host(t, s)
		ws, _ := connect(t, s, keys, guests)
		if code, _ := closedWith(t, ws); code != signalling.CloseTooSlow {
			t.Errorf("closed with %d", code)
		}
	})
	for name, sent := range map[string]string{
		"no byte": "", "half a request line": "GET /j/", "headers without end": "GET / HTTP/1.1\r\nHost: localhost\r\nX: ",
		"half a TLS record": "\x16\x03\x01\x02\x00\x01", "neither": "\x00\x01\x02",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", s.hostPort())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, sent); err != nil {
				t.Fatal(err)
			}
			if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection stays")
			}
		})
	}
}

func TestGuestThatDoesNotAnswerPings(t *testing.T) {
	quick := defaultTimes
	quick.ping, quick.pong, quick.close = 20*time.Millisecond, 20*time.Millisecond, 20*time.Millisecond
	s := openRelay(t, func(o *Options) { o.times = &quick })
	keys, guests, _ := host(t, s)
	raw := rawSocket(t, s)
	raw.open(t, keys.ID())
	f := <-guests
	if _, err := f.Recv(contextFor(t)); fault.CodeOf(err) != fault.TooSlow {
		t.Errorf("Recv = %v", err)
	}
	if _, err := io.Copy(io.Discard, raw.r); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection stays")
	}
}

func TestMessageThatNeverEnds(t *testing.T) {
	quick := defaultTimes
	quick.frame, quick.close = 50*time.Millisecond, 50*time.Millisecond
	s := openRelay(t, func(o *Options) { o.times = &quick })
	keys, guests, _ := host(t, s)
	for name, head := range map[string][]byte{
		"a terabyte":          {0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4, 'x'},
		"fragments":           {0x02, 0x81, 1, 2, 3, 4, 'x'},
		"a negative length":   {0x82, 0xff, 0xff, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4, 'x'},
		"without a mask":      {0x82, 0x05, 'x'},
		"a control too large": {0x89, 0xfe, 0x01, 0x00, 1, 2, 3, 4},
		"reserved bits":       {0xf2, 0x81, 1, 2, 3, 4, 'x'},
	} {
		t.Run(name, func(t *testing.T) {
			raw := rawSocket(t, s)
			raw.open(t, keys.ID())
			f := <-guests
			if _, err := raw.c.Write(head); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Recv(contextFor(t)); err == nil {
				t.Error("a frame came through")
			}
			if _, err := io.Copy(io.Discard, raw.r); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection stays")
			}
		})
	}
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
	defer resp.Body.Close() // there is none: what follows are frames
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

func TestTooManyGuestsOfOneLink(t *testing.T) {
	few := defaultLimits
	few.perLink = 2
	s := openRelay(t, func(o *Options) { o.limits = &few })
	keys, guests, _ := host(t, s)
	first, _ := connectOver(t, mustDialApart(t, s), keys, guests)
	connectOver(t, mustDialApart(t, s), keys, guests)
	third := mustDialApart(t, s)
	ask(t, third, keys.ID())
	if code, reason := closedWith(t, third); code != signalling.CloseTooFast || reason != string(fault.TooFast) {
		t.Errorf("closed with %d %q", code, reason)
	}
	other, otherGuests, _ := host(t, s)
	connect(t, s, other, otherGuests)
	_ = first.Close(websocket.StatusNormalClosure, "")
	// The place is free once the relay has seen the guest leave.
	for ctx := contextFor(t); ; {
		ws := mustDial(t, s)
		ask(t, ws, keys.ID())
		_, b, err := ws.Read(ctx)
		if err == nil && strings.Contains(string(b), "opened") {
			break
		}
		if ctx.Err() != nil {
			t.Fatal("the place is never free")
		}
	}
}

func TestTooManySocketsOfOneAddress(t *testing.T) {
	few := defaultLimits
	few.socketsPerAddress = 2
	s := openRelay(t, func(o *Options) { o.limits = &few })
	mustDial(t, s)
	mustDial(t, s)
	if _, got, _ := dial(t, s, nil); got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" {
		t.Errorf("got %+v", got)
	}
}

func TestFloodOfRequests(t *testing.T) {
	few := defaultLimits
	few.requests, few.requestBurst = 0.001, 20
	few.opens, few.openBurst = 0.001, 3
	s := openRelay(t, func(o *Options) { o.limits = &few })
	for range 3 {
		mustDial(t, s)
	}
	if _, got, _ := dial(t, s, nil); got.status != http.StatusTooManyRequests {
		t.Errorf("fourth socket: %d", got.status)
	}
	c := client(t, s)
	for range 16 {
		if got := get(t, c, "http://"+s.hostPort()+"/", nil); got.status != http.StatusOK {
			t.Fatal(got.status)
		}
	}
	if got := get(t, c, "http://"+s.hostPort()+"/", nil); got.status != http.StatusTooManyRequests {
		t.Error(got.status)
	}
}

func TestFloodOfConnections(t *testing.T) {
	few := defaultLimits
	few.connectionsPerAddress = 3
	s := openRelay(t, func(o *Options) { o.limits = &few })
	for range 3 {
		c, err := net.Dial("tcp", s.hostPort())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		// Half a request each, so that the relay has them all before the next.
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	c, err := net.Dial("tcp", s.hostPort())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the fourth connection stays")
	}
}

func TestManyUnknownIDs(t *testing.T) {
	s := openRelay(t, nil)
	keys, guests, _ := host(t, s)
	good, goodEnd := connect(t, s, keys, guests)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			ws, _, err := dial(t, s, nil)
			if err != nil {
				return // refused for being too many: fine
			}
			other, err := sealed.NewLinkKeys()
			if err != nil {
				t.Error(err)
				return
			}
			ask(t, ws, other.ID())
			if _, ok := answer(t, ws).(signalling.Unavailable); !ok {
				t.Error("an unknown link answers")
			}
		})
	}
	wg.Wait()
	write(t, good, websocket.MessageBinary, []byte("fine"))
	if b := recv(t, goodEnd); string(b) != "fine" {
		t.Errorf("%q", b)
	}
}

func TestNothingOfALinkIsLogged(t *testing.T) {
	var l testlog.Log
	s := openRelay(t, func(o *Options) { o.Logger = l.Logger() })
	keys, guests, withdraw := host(t, s)
	const secret = "c2VjcmV0LXNlY3JldC1zZQ"
	c := client(t, s)
	get(t, c, "http://"+s.hostPort()+"/j/"+string(keys.ID())+"?"+secret, nil)
	get(t, c, "http://"+s.hostPort()+"/nowhere/"+secret, nil)
	get(t, c, "https://"+s.hostPort()+"/j/"+string(keys.ID()), nil)
	// What is made of an address on its way may hold the secret in its path.
	for _, between := range []string{"%23", "%2523", "/%23", "/", "%3Futm_source=x%23", "&%2335;", "*"} {
		for _, scheme := range []string{"http://", "https://"} {
			get(t, c, scheme+s.hostPort()+"/j/"+string(keys.ID())+between+secret, nil)
		}
	}
	ws, _ := connect(t, s, keys, guests)
	write(t, ws, websocket.MessageBinary, []byte(secret))
	write(t, ws, websocket.MessageText, []byte(secret))
	closedWith(t, ws)
	ws = mustDial(t, s)
	write(t, ws, websocket.MessageText, []byte(`{"type":"`+secret+`"}`))
	closedWith(t, ws)
	withdraw()
	// Broken TLS, and requests that net/http itself refuses.
	for _, sent := range []string{"\x16\x03\x01" + secret, "GET /j/" + secret + " HTTP/1.1\r\nHost: a b\r\n\r\n", "GET /" + secret + "\r\n\r\n"} {
		raw, err := net.Dial("tcp", s.hostPort())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(raw, sent)
		_ = raw.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, raw)
		raw.Close()
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	out := l.String()
	if !strings.Contains(out, "relay: open") {
		t.Fatal("nothing is logged at all")
	}
	for _, never := range []string{string(keys.ID()), secret, "/j/", "127.0.0.1", base64.RawURLEncoding.EncodeToString(keys.Public())} {
		if strings.Contains(out, never) {
			t.Errorf("the log holds %q:\n%s", never, out)
		}
	}
}

func TestPortIsRemembered(t *testing.T) {
	dir := t.TempDir()
	open := func() *Server { return openRelay(t, func(o *Options) { o.Dir = dir }) }
	s := open()
	port := s.bound.Port()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open()
	if s.bound.Port() != port || s.PortChanged() {
		t.Errorf("port %d, then %d", port, s.bound.Port())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	thief, err := net.Listen("tcp", s.hostPort())
	if err != nil {
		t.Fatal(err)
	}
	s = open()
	if s.bound.Port() == port || !s.PortChanged() {
		t.Errorf("port %d, changed %v", s.bound.Port(), s.PortChanged())
	}
	_, err = Open(contextFor(t), Options{Dir: dir, Listen: thief.Addr().String()})
	if fault.CodeOf(err) != fault.PortTaken {
		t.Errorf("a port that was asked for: %v", err)
	}
	s.Close()
	thief.Close()
	if s = open(); s.bound.Port() != port || s.PortChanged() {
		t.Errorf("the port is free again, but %d", s.bound.Port())
	}
}

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "relay")
	s := openRelay(t, func(o *Options) { o.Dir = dir })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v, %v", info.Mode(), err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 4 {
		t.Errorf("%d files", len(files))
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f.Name(), info.Mode(), err)
		}
	}
}

func TestAddressesFollowTheNetwork(t *testing.T) {
	var mu sync.Mutex
	home := []netaddr.Interface{{Up: true, Addresses: []netip.Addr{netip.MustParseAddr("192.168.1.5")}}}
	away := []netaddr.Interface{{Up: true, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.7")}}}
	now := home
	quick := defaultTimes
	quick.watch = 5 * time.Millisecond
	told := make(chan []Address, 1)
	s := openRelay(t, func(o *Options) {
		o.Listen = "0.0.0.0:0"
		o.times = &quick
		o.interfaces = func() ([]netaddr.Interface, netip.Addr) {
			mu.Lock()
			defer mu.Unlock()
			return now, netip.Addr{}
		}
		o.OnAddresses = func(a []Address) { told <- a }
	})
	if a := s.Addresses(); len(a) != 2 || !strings.HasPrefix(a[0].Base, "http://localhost:") || !strings.HasPrefix(a[1].Base, "https://192.168.1.5:") {
		t.Errorf("at home: %v", a)
	}
	mu.Lock()
	now = away
	mu.Unlock()
	select {
	case a := <-told:
		if len(a) != 2 || !strings.HasPrefix(a[1].Base, "https://10.0.0.7:") || a[1].Reach != ReachNetwork {
			t.Errorf("away: %v", a)
		}
	case <-contextFor(t).Done():
		t.Fatal("nobody noticed")
	}
	cert, _ := s.certificates.get(nil)
	for _, ip := range []string{"192.168.1.5", "10.0.0.7", "127.0.0.1", "::1"} {
		if err := cert.Leaf.VerifyHostname(ip); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Options{
		"no folder":    {Dir: filepath.Join(file, "x"), Listen: "127.0.0.1:0"},
		"bad endpoint": {Dir: t.TempDir(), Listen: "127.0.0.1:http!"},
		"no page":      {Dir: t.TempDir(), Listen: "127.0.0.1:0", Pages: fstest.MapFS{"x.js": {}}},
	} {
		if s, err := Open(contextFor(t), o); err == nil {
			s.Close()
			t.Errorf("%s: opened", name)
		}
	}
}

func TestPingsInAFloodAreNotAnswered(t *testing.T) {
	s := openRelay(t, nil)
	keys, guests, _ := host(t, s)
	w := rawSocket(t, s)
	w.open(t, keys.ID())
	f := <-guests
	const pings = 500
	for range pings {
		if _, err := w.c.Write([]byte{0x89, 0x80, 0, 0, 0, 0}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.c.Write([]byte{0x82, 0x81, 0, 0, 0, 0, 'x'}); err != nil {
		t.Fatal(err)
	}
	if b := recv(t, f); string(b) != "x" {
		t.Fatalf("%q", b)
	}
	f.Close(signalling.CloseDone)
	pongs := 0
	for {
		head := make([]byte, 2)
		if _, err := io.ReadFull(w.r, head); err != nil || head[0] != 0x8a {
			break
		}
		pongs++
	}
	if pongs == 0 || pongs > pings/2 {
		t.Errorf("%d pongs", pongs)
	}
}

func TestPanicInAcceptEndsThatGuestOnly(t *testing.T) {
	var l testlog.Log
	s := openRelay(t, func(o *Options) { o.Logger = l.Logger() })
	keys, guests, _ := host(t, s)
	good, goodEnd := connect(t, s, keys, guests)
	broken, err := sealed.NewLinkKeys()
	if err != nil {
		t.Fatal(err)
	}
	const words = "what a guest said"
	taken := make(chan switchboard.Frames, 1)
	if _, err := s.Announce(contextFor(t), broken, func(f switchboard.Frames) { taken <- f; panic(words) }); err != nil {
		t.Fatal(err)
	}
	ws := mustDial(t, s)
	ask(t, ws, broken.ID())
	if _, _, err := ws.Read(contextFor(t)); err == nil {
		t.Error("the socket goes on")
	}
	<-(<-taken).Done()
	write(t, good, websocket.MessageBinary, []byte("fine"))
	if b := recv(t, goodEnd); string(b) != "fine" {
		t.Errorf("%q", b)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if out := l.String(); !strings.Contains(out, "relay: panic") || strings.Contains(out, words) {
		t.Errorf("log:\n%s", out)
	}
}

// TestClusterAnswersAlike checks that relays with one secret have one noise for
// an id and one key for an address, and that others have their own.
func TestClusterAnswersAlike(t *testing.T) {
	secret := bytes.Repeat([]byte{7}, minSecret)
	with := func(secret []byte) *Server {
		return openRelay(t, func(o *Options) { o.Secret = secret })
	}
	a, b, other, alone := with(secret), with(secret), with(bytes.Repeat([]byte{8}, minSecret)), with(nil)
	id := sealed.LinkID("AAAAAAAAAAAAAAAAAAAAAA")
	from := netip.MustParseAddr("192.0.2.1")
	if a.noise(id) != b.noise(id) || a.remoteOf(from) != b.remoteOf(from) {
		t.Error("two relays of one cluster answer differently")
	}
	for _, s := range []*Server{other, alone} {
		if s.noise(id) == a.noise(id) || s.remoteOf(from) == a.remoteOf(from) {
			t.Error("a relay of another cluster answers alike")
		}
	}
	if _, err := Open(contextFor(t), Options{Dir: t.TempDir(), Listen: "127.0.0.1:0", Secret: secret[1:]}); err == nil {
		t.Error("a short secret passes")
	}
}
