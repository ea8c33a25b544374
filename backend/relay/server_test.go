package relay

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
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

var testPages = fstest.MapFS{
	"index.html":                      {Data: []byte("<!doctype html><title>Porch</title>" + strings.Repeat("<p>porch</p>", 100))},
	"favicon.svg":                     {Data: []byte("<svg/>")},
	"assets/app-Ab12_-9z.js":          {Data: []byte(strings.Repeat("lamp();", 200))},
	"assets/app-Ab12_-9z.js.br":       {Data: []byte("brotli of app")},
	"assets/app-Ab12_-9z.js.gz":       {Data: []byte("gzip of app")},
	"assets/scene.worker-Ab12_-9z.js": {Data: []byte("draw();")},
	".gitkeep":                        {},
}

// guestAddresses counts the addresses from which guests of tests have come.
var guestAddresses atomic.Uint32

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

// TestDeafSocketsAreNoticed has a network that goes deaf without closing the
// socket, and checks that the relay notices in time.
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

func TestNothingOfALinkIsLogged(t *testing.T) {
	var l testlog.Log
	s := openRelay(t, func(o *Options) { o.Logger = l.Logger() })
	keys, guests, withdraw := host(t, s)
	const secret = "c2VjcmV0LXNlY3JldC1zZQ"
	c := client(t, s)
	get(t, c, "http://"+s.hostPort()+"/j/"+string(keys.ID())+"?"+secret, nil)
	get(t, c, "http://"+s.hostPort()+"/nowhere/"+secret, nil)
	get(t, c, "https://"+s.hostPort()+"/j/"+string(keys.ID()), nil)
	// An address that was changed on its way may hold the secret in its path.
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

// TestClusterAnswersAlike checks that relays with one secret have the same noise
// for an id and the same key for an address, and that others have their own.
func TestClusterAnswersAlike(t *testing.T) {
	secret := bytes.Repeat([]byte{7}, minSecret)
	with := func(secret []byte) *Server {
		return openRelay(t, func(o *Options) { o.Secret = secret })
	}
	a, b, other, alone := with(secret), with(secret), with(bytes.Repeat([]byte{8}, minSecret)), with(nil)
	id := sealed.LinkID("AAAAAAAAAAAAAAAAAAAAAA")
	from := netip.MustParseAddr("192.0.2.1")
	if a.noise(id) != b.noise(id) || a.remoteOf(visit{from: from}) != b.remoteOf(visit{from: from}) {
		t.Error("two relays of one cluster answer differently")
	}
	for _, s := range []*Server{other, alone} {
		if s.noise(id) == a.noise(id) || s.remoteOf(visit{from: from}) == a.remoteOf(visit{from: from}) {
			t.Error("a relay of another cluster answers alike")
		}
	}
	if _, err := Open(contextFor(t), Options{Dir: t.TempDir(), Listen: "127.0.0.1:0", Secret: secret[1:]}); err == nil {
		t.Error("a short secret passes")
	}
}
