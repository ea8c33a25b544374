package client

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// scripted is a relay that a test plays: connections arrive on a channel.
type scripted struct {
	t     testing.TB
	url   string
	conns chan *scriptedConn
}

type scriptedConn struct {
	t      testing.TB
	ws     *websocket.Conn
	unread []signalling.Message
}

func newScripted(t testing.TB) *scripted {
	s := &scripted{t: t, conns: make(chan *scriptedConn, 16)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{signalling.HostSubprotocol}})
		if err != nil {
			return
		}
		ws.SetReadLimit(-1)
		s.conns <- &scriptedConn{t: t, ws: ws}
	}))
	t.Cleanup(func() {
		server.Close()
		for {
			select {
			case c := <-s.conns:
				_ = c.ws.CloseNow()
			default:
				return
			}
		}
	})
	s.url = server.URL
	return s
}

func contextFor(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// conn waits for the app to dial, and registers it unless offer is nil.
func (s *scripted) conn(offer *signalling.Registered) *scriptedConn {
	s.t.Helper()
	select {
	case c := <-s.conns:
		s.t.Cleanup(func() { _ = c.ws.CloseNow() })
		c.say(signalling.ChallengeHost{Version: 1, Nonce: b64.EncodeToString(make([]byte, 32))})
		if !heard[signalling.Register](c).Gone {
			s.t.Error("the app does not say that it takes CloseGone")
		}
		if offer != nil {
			c.say(*offer)
		}
		return c
	case <-time.After(patience):
		s.t.Fatal("the app does not dial")
		return nil
	}
}

func (c *scriptedConn) say(m signalling.Message) {
	c.t.Helper()
	b, err := signalling.Encode(m)
	if err != nil {
		c.t.Fatal(err)
	}
	_ = c.ws.Write(contextFor(c.t), websocket.MessageText, b) // the app may have gone
}

func (c *scriptedConn) frame(channel uint32, frame []byte) error {
	return c.ws.Write(contextFor(c.t), websocket.MessageBinary, append(binary.BigEndian.AppendUint32(nil, channel), frame...))
}

// heard returns the app's next message of type M, and keeps others for later.
func heard[M signalling.Message](c *scriptedConn) M {
	c.t.Helper()
	for i, m := range c.unread {
		if got, ok := m.(M); ok {
			c.unread = slices.Delete(c.unread, i, i+1)
			return got
		}
	}
	for {
		kind, b, err := c.ws.Read(contextFor(c.t))
		if err != nil {
			var want M
			c.t.Fatalf("waiting for %s: %v", want.Type(), err)
		}
		if kind != websocket.MessageText {
			continue
		}
		m, err := signalling.DecodeToRelayHost(b)
		if err != nil {
			c.t.Fatal(err)
		}
		if got, ok := m.(M); ok {
			return got
		}
		c.unread = append(c.unread, m)
	}
}

// gone waits until the app has ended the connection.
func (c *scriptedConn) gone() {
	c.t.Helper()
	for {
		if _, _, err := c.ws.Read(contextFor(c.t)); err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				c.t.Fatal("the line stays")
			}
			return
		}
	}
}

// announces plays the relay's part of an announcement.
func (c *scriptedConn) announces() sealed.LinkID {
	c.t.Helper()
	public, err := b64.DecodeString(heard[signalling.Announce](c).Key)
	if err != nil {
		c.t.Fatal(err)
	}
	id := sealed.IDOf(public)
	c.proves(id, public)
	c.say(signalling.Announced{Link: string(id)})
	return id
}

func (c *scriptedConn) proves(id sealed.LinkID, public []byte) {
	c.t.Helper()
	challenge, want, err := sealed.NewChallenge(public)
	if err != nil {
		c.t.Fatal(err)
	}
	c.say(signalling.Prove{Link: string(id), Challenge: b64.EncodeToString(challenge)})
	if p := heard[signalling.Proof](c); p.Link != string(id) || p.Answer != b64.EncodeToString(want) {
		c.t.Fatal("a wrong proof")
	}
}

var wide = signalling.Registered{Links: 64, Guests: 192, PerLink: 96, Bytes: 1 << 30, Turn: true, STUN: []string{"stun:x:3478"}}

func quickTimes() *times {
	quick := defaultTimes
	quick.firstTry, quick.lastTry, quick.refused = time.Millisecond, 10*time.Millisecond, 10*time.Millisecond
	quick.moving, quick.farewell = time.Millisecond, 300*time.Millisecond
	return &quick
}

func open(t testing.TB, s *scripted, change func(*Options)) *Client {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{URL: s.url, Key: key, Logger: slog.New(slog.DiscardHandler), times: quickTimes()}
	if change != nil {
		change(&o)
	}
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// newLink announces a link whose guests arrive on a channel.
func newLink(t testing.TB, c *Client) (keys sealed.LinkKeys, guests chan switchboard.Frames, withdraw func(*[sealed.NoteSize]byte)) {
	t.Helper()
	keys, err := sealed.NewLinkKeys()
	if err != nil {
		t.Fatal(err)
	}
	guests = make(chan switchboard.Frames, 4096)
	withdraw, err = c.Announce(t.Context(), keys, func(f switchboard.Frames) { guests <- f })
	if err != nil {
		t.Fatal(err)
	}
	return keys, guests, withdraw
}

func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for late := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("never: %s", what)
		}
	}
}

// TestReconnects loses lines in different ways. Each time the app dials anew,
// announces all links anew, and its guests' channels have closed.
func TestReconnects(t *testing.T) {
	s := newScripted(t)
	c := open(t, s, nil)
	keys, guests, withdraw := newLink(t, c)
	_, _, keep := newLink(t, c)
	defer keep(nil)
	for i, end := range []func(*scriptedConn){
		func(c *scriptedConn) { _ = c.ws.CloseNow() },
		func(c *scriptedConn) { _ = c.ws.Close(4410, "shutting-down") },
		func(c *scriptedConn) { c.say(signalling.Refused{Code: string(fault.RelayFull)}) },
		func(c *scriptedConn) { c.say(signalling.Registered{}) },                            // at the wrong moment
		func(c *scriptedConn) { _ = c.ws.Write(contextFor(t), websocket.MessageText, nil) }, // no message
		func(c *scriptedConn) { _ = c.frame(1, make([]byte, maxMessage)) },                  // larger than any
	} {
		l := s.conn(&wide)
		if id := l.announces(); id != keys.ID() {
			t.Fatalf("%d: announced another link first", i)
		}
		l.announces()
		until(t, "announced", func() bool { ok, _ := c.LinkStatus(keys.ID()); return ok })
		l.say(signalling.Guest{Channel: 1, Link: string(keys.ID()), Remote: "somewhere"})
		f := <-guests
		if f.Remote() != (switchboard.RemoteInfo{Key: "somewhere"}) {
			t.Errorf("%+v", f.Remote())
		}
		end(l)
		var closed switchboard.Closed
		if _, err := f.Recv(contextFor(t)); !errors.As(err, &closed) || closed.Code != signalling.CloseHostGone {
			t.Errorf("%d: Recv = %v", i, err)
		}
	}
	l := s.conn(&wide)
	l.announces()
	l.announces()
	until(t, "announced", func() bool { ok, _ := c.LinkStatus(keys.ID()); return ok })
	withdraw(nil)
	if m := heard[signalling.Withdraw](l); m.Link != string(keys.ID()) || m.Note != "" {
		t.Errorf("%+v", m)
	}
	l.say(signalling.Guest{Channel: 9, Link: string(keys.ID())})
	if m := heard[signalling.Closed](l); m.Channel != 9 || m.Code != signalling.CloseRefused {
		t.Errorf("%+v", m)
	}
}

// TestMoves opens another connection before it leaves one that is about to close.
func TestMoves(t *testing.T) {
	s := newScripted(t)
	c := open(t, s, nil)
	keys, guests, _ := newLink(t, c)
	before := s.conn(&wide)
	before.announces()
	before.say(signalling.Guest{Channel: 1, Link: string(keys.ID())})
	f := <-guests
	before.say(signalling.Moving{})
	refused := s.conn(nil)
	refused.say(signalling.Refused{Code: string(fault.RelayFull)})
	if err := f.Send([]byte("still here")); err != nil {
		t.Error(err)
	}
	after := s.conn(&wide)
	after.announces()
	if _, err := f.Recv(contextFor(t)); fault.CodeOf(err) != fault.HostGone {
		t.Errorf("Recv = %v", err)
	}
	before.gone()
	until(t, "announced", func() bool { ok, _ := c.LinkStatus(keys.ID()); return ok && c.Status().State == StateConnected })
	after.say(signalling.Guest{Channel: 1, Link: string(keys.ID())})
	<-guests
}

// TestStatus checks the status that a person is shown.
func TestStatus(t *testing.T) {
	s := newScripted(t)
	states := make(chan Status, 100)
	c := open(t, s, func(o *Options) { o.OnStatus = func(s Status) { states <- s } })
	next := func(state State) Status {
		t.Helper()
		for late := time.After(patience); ; {
			select {
			case got := <-states:
				if got.State == state {
					return got
				}
			case <-late:
				t.Fatalf("never %s", state)
			}
		}
	}
	s.conn(nil).say(signalling.Refused{Code: string(fault.InvitationWanted)})
	if got := next(StateRefused); got.Code != fault.InvitationWanted {
		t.Errorf("%+v", got)
	}
	l := s.conn(&wide)
	if got := next(StateConnected); got.Offer.Links != 64 || got.Code != "" || len(got.Offer.STUN) != 1 {
		t.Errorf("%+v", got)
	}
	_ = l.ws.CloseNow()
	if got := next(StateConnecting); got.Code != fault.RelayUnreachable {
		t.Errorf("%+v", got)
	}
	if c.Base() != s.url {
		t.Errorf("base %s", c.Base())
	}
	s.conn(nil).say(signalling.Refused{Code: "a-code-of-tomorrow"})
	l = s.conn(nil)
	_ = l.ws.Write(contextFor(t), websocket.MessageText, []byte(`{"type":"registered","payload":{"links":-1}}`))
	l.gone()
}

// TestQuotaOfLinks announces as many links as the relay takes, and one more when
// a place is free.
func TestQuotaOfLinks(t *testing.T) {
	s := newScripted(t)
	c := open(t, s, nil)
	first, _, withdraw := newLink(t, c)
	second, _, _ := newLink(t, c)
	few := wide
	few.Links = 1
	l := s.conn(&few)
	if id := l.announces(); id != first.ID() {
		t.Fatalf("announced %s", id)
	}
	until(t, "too many", func() bool { _, code := c.LinkStatus(second.ID()); return code == fault.TooManyLinks })
	withdraw(nil)
	if id := l.announces(); id != second.ID() {
		t.Fatalf("announced %s", id)
	}
	l.say(signalling.Unannounced{Link: string(second.ID()), Code: string(fault.IdentityTaken)})
	until(t, "taken", func() bool { ok, code := c.LinkStatus(second.ID()); return !ok && code == fault.IdentityTaken })
}

// TestNotesAreToldAgain leaves notes while the connection is open and while it is
// not, and expects them on each connection.
func TestNotesAreToldAgain(t *testing.T) {
	s := newScripted(t)
	c := open(t, s, nil)
	online, _, endOnline := newLink(t, c)
	note := &[sealed.NoteSize]byte{7}
	l := s.conn(&wide)
	l.announces()
	until(t, "announced", func() bool { ok, _ := c.LinkStatus(online.ID()); return ok })
	endOnline(note)
	if m := heard[signalling.Withdraw](l); m.Note != b64.EncodeToString(note[:]) {
		t.Errorf("%+v", m)
	}
	endOnline(nil) // only the first counts
	_ = l.ws.CloseNow()
	l = s.conn(nil)
	offline, _, endOffline := newLink(t, c)
	endOffline(note)
	l.say(wide)
	for range 2 { // and the connection after it
		for _, keys := range []sealed.LinkKeys{online, offline} {
			m := heard[signalling.Note](l)
			if m.Key != b64.EncodeToString(keys.Public()) || m.Note != b64.EncodeToString(note[:]) {
				t.Errorf("%+v", m)
			}
		}
		for _, keys := range []sealed.LinkKeys{online, offline} {
			l.proves(keys.ID(), keys.Public())
			l.say(signalling.Noted{Link: string(keys.ID())})
		}
		_ = l.ws.CloseNow()
		l = s.conn(&wide)
	}
	// Only the newest are kept.
	for range maxNotes + 5 {
		_, _, end := newLink(t, c)
		end(note)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.notes) != maxNotes {
		t.Errorf("%d notes", len(c.notes))
	}
}

func TestCredentials(t *testing.T) {
	s := newScripted(t)
	c := open(t, s, nil)
	if _, err := c.Credentials(t.Context()); fault.CodeOf(err) != fault.RelayUnreachable {
		t.Errorf("without a line: %v", err)
	}
	c.Revoke("before there is a line")
	l := s.conn(&wide)
	if m := heard[signalling.Revoke](l); m.Username != "before there is a line" {
		t.Errorf("%+v", m)
	}
	type result struct {
		servers []signalling.ICEServer
		err     error
	}
	results := make(chan result, 1)
	want := func(ctx context.Context) {
		go func() {
			servers, err := c.Credentials(ctx)
			results <- result{servers, err}
		}()
	}
	want(t.Context())
	m := heard[signalling.WantCredentials](l)
	l.say(signalling.Credentials{Request: m.Request + 5}) // there was no such request
	l.say(signalling.Credentials{Request: m.Request, Servers: []signalling.ICEServer{{URLs: []string{"turn:x"}, Username: "u"}}})
	if got := <-results; got.err != nil || len(got.servers) != 1 {
		t.Errorf("%+v", got)
	}
	want(t.Context())
	l.say(signalling.Credentials{Request: heard[signalling.WantCredentials](l).Request, Code: string(fault.TurnUsedUp)})
	if got := <-results; fault.CodeOf(got.err) != fault.TurnUsedUp {
		t.Errorf("%+v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	want(ctx)
	heard[signalling.WantCredentials](l)
	cancel()
	if got := <-results; !errors.Is(got.err, context.Canceled) {
		t.Errorf("%+v", got)
	}
	want(t.Context())
	heard[signalling.WantCredentials](l)
	_ = l.ws.CloseNow()
	if got := <-results; fault.CodeOf(got.err) != fault.RelayUnreachable {
		t.Errorf("%+v", got)
	}
}

// TestAnUnloadedPage: the host hears a guest's last frame, and how the channel
// ended.
func TestAnUnloadedPage(t *testing.T) {
	s := newScripted(t)
	c := open(t, s, nil)
	keys, guests, _ := newLink(t, c)
	l := s.conn(&wide)
	l.announces()
	l.say(signalling.Guest{Channel: 1, Link: string(keys.ID())})
	if err := l.frame(1, []byte("last")); err != nil {
		t.Fatal(err)
	}
	l.say(signalling.Closed{Channel: 1, Code: signalling.CloseGone})
	guest := <-guests
	if b, err := guest.Recv(contextFor(t)); err != nil || string(b) != "last" {
		t.Errorf("%q, %v", b, err)
	}
	var closed switchboard.Closed
	if _, err := guest.Recv(contextFor(t)); !errors.As(err, &closed) || closed.Code != signalling.CloseGone {
		t.Errorf("Recv = %v", err)
	}
}

// TestARelayFloods sends more guests than a host can have, frames for them and
// for unknown channels, and questions without end. The cost is bounded, and the
// connection still works.
func TestARelayFloods(t *testing.T) {
	s := newScripted(t)
	c := open(t, s, nil)
	keys, guests, _ := newLink(t, c)
	other, _, _ := newLink(t, c)
	l := s.conn(&wide)
	l.announces()
	l.announces()
	for i := range uint32(maxPerLink + 50) {
		l.say(signalling.Guest{Channel: i + 1, Link: string(keys.ID())})
	}
	for range 50 {
		if m := heard[signalling.Closed](l); m.Code != signalling.CloseTooFast || m.Channel <= maxPerLink {
			t.Fatalf("%+v", m)
		}
	}
	stranger, err := sealed.NewLinkKeys()
	if err != nil {
		t.Fatal(err)
	}
	l.say(signalling.Guest{Channel: 5000, Link: string(stranger.ID())})
	if m := heard[signalling.Closed](l); m != (signalling.Closed{Channel: 5000, Code: signalling.CloseRefused}) {
		t.Errorf("%+v", m)
	}

	// A challenge that was answered once is not answered again.
	challenge, _, err := sealed.NewChallenge(keys.Public())
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		l.say(signalling.Prove{Link: string(keys.ID()), Challenge: b64.EncodeToString(challenge)})
	}
	// Frames that the host does not take end their channel, and no other.
	frames := map[switchboard.Frames]bool{}
	for range maxPerLink {
		frames[<-guests] = true
	}
	for range 20 {
		if l.frame(1, make([]byte, signalling.MaxFrameBefore)) != nil {
			t.Fatal("the line ended")
		}
	}
	_ = l.frame(2, make([]byte, signalling.MaxFrameBefore+1000))
	_ = l.frame(4000, []byte("nobody"))
	codes := map[signalling.CloseCode]int{}
	for range 2 {
		codes[heard[signalling.Closed](l).Code]++
	}
	if codes[signalling.CloseTooSlow] != 1 || codes[signalling.CloseTooLarge] != 1 {
		t.Errorf("closed with %v", codes)
	}
	_ = l.frame(3, []byte("still here"))
	until(t, "a frame for another guest", func() bool {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		for f := range frames {
			if b, err := f.Recv(ended); err == nil && string(b) == "still here" {
				return true
			}
		}
		return false
	})
	if ok, _ := c.LinkStatus(other.ID()); !ok {
		t.Error("the other link is gone")
	}

	// A number that is in use is a lie that ends the connection.
	l.say(signalling.Guest{Channel: 3, Link: string(keys.ID())})
	l.gone()
	s.conn(&wide)
}

// TestARelayReadsNothing makes the host send without end. What waits is bounded;
// the guest's channel ends first, then the connection.
func TestARelayReadsNothing(t *testing.T) {
	s := newScripted(t)
	c := open(t, s, func(o *Options) {
		o.times.write, o.times.ping, o.times.pong = 500*time.Millisecond, 200*time.Millisecond, 200*time.Millisecond
	})
	keys, guests, _ := newLink(t, c)
	l := s.conn(&wide)
	l.announces()
	l.say(signalling.Guest{Channel: 1, Link: string(keys.ID())})
	f := <-guests
	began := time.Now()
	sent := 0
	for time.Since(began) < patience {
		if err := f.Send(make([]byte, 64<<10)); err != nil {
			break
		}
		sent++
	}
	if sent > 1000 { // 1 MB in the queue, some more in the network
		t.Errorf("%d frames were taken", sent)
	}
	s.conn(&wide)
}
