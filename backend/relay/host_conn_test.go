package relay

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/household"
	"github.com/porch-call/porch/backend/relay/hosts"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

func TestAHostDialsIn(t *testing.T) {
	s := openToHosts(t, func(o *Options) { o.STUN = []string{"stun:relay.example:3478"} })
	h := openHost(t, s)
	offer := h.registered(hostKey(t))
	if offer.Links != hosts.DefaultQuotas.Links || offer.Bytes != hosts.DefaultQuotas.Bytes || offer.Turn || len(offer.STUN) != 1 {
		t.Errorf("offer %+v", offer)
	}
	keys := newLinkKeys(t)
	h.announces(keys)
	ws, channel := mustOpen(t, s, h, keys.ID())

	write(t, ws, websocket.MessageBinary, []byte("from the guest"))
	if _, b := h.next(); !bytes.Equal(b, append(binary.BigEndian.AppendUint32(nil, channel), "from the guest"...)) {
		t.Errorf("the host got %q", b)
	}
	h.frame(channel, []byte("from the host"))
	if _, b, err := ws.Read(contextFor(t)); err != nil || string(b) != "from the host" {
		t.Errorf("the guest got %q, %v", b, err)
	}

	// The limit, as the host raises it.
	h.say(signalling.Limit{Channel: channel, Bytes: signalling.MaxFrame})
	h.frame(channel, []byte("admitted"))
	if _, _, err := ws.Read(contextFor(t)); err != nil {
		t.Fatal(err)
	}
	large := bytes.Repeat([]byte("x"), signalling.MaxFrame)
	write(t, ws, websocket.MessageBinary, large)
	if _, b := h.next(); len(b) != signalling.ChannelSize+len(large) {
		t.Errorf("%d bytes", len(b))
	}

	// The host ends it, with last words.
	h.frame(channel, []byte("bye"))
	h.say(signalling.Closed{Channel: channel, Code: signalling.CloseDone})
	if _, b, err := ws.Read(contextFor(t)); err != nil || string(b) != "bye" {
		t.Errorf("%q, %v", b, err)
	}
	if code, _ := closedWith(t, ws); code != signalling.CloseDone {
		t.Errorf("closed with %d", code)
	}
	h.frame(channel, []byte("nobody there")) // ignored: the channel has ended

	// The guest ends it.
	ws, channel = mustOpen(t, s, h, keys.ID())
	write(t, ws, websocket.MessageBinary, []byte("last"))
	_ = ws.Close(websocket.StatusNormalClosure, "")
	if _, b := h.next(); !bytes.HasSuffix(b, []byte("last")) {
		t.Errorf("%q", b)
	}
	if m := told[signalling.Closed](h); m != (signalling.Closed{Channel: channel, Code: signalling.CloseDone}) {
		t.Errorf("%+v", m)
	}

	// A guest who sends too much at once.
	ws, channel = mustOpen(t, s, h, keys.ID())
	write(t, ws, websocket.MessageBinary, make([]byte, signalling.MaxFrameBefore+switchboard.SealRoom+1))
	if m := told[signalling.Closed](h); m != (signalling.Closed{Channel: channel, Code: signalling.CloseTooLarge}) {
		t.Errorf("%+v", m)
	}

	// The connection ends.
	ws, _ = mustOpen(t, s, h, keys.ID())
	_ = h.ws.CloseNow()
	if code, reason := closedWith(t, ws); code != signalling.CloseHostGone || reason != string(fault.HostGone) {
		t.Errorf("closed with %d %q", code, reason)
	}
	if _, m := opens(t, s, keys.ID()); m.Type() != "unavailable" {
		t.Errorf("%+v", m)
	}
}

// TestAnUnloadedPage: hosts of before don't know the code, and no host may say it.
func TestAnUnloadedPage(t *testing.T) {
	s := openToHosts(t, nil)
	for gone, code := range map[bool]signalling.CloseCode{true: signalling.CloseGone, false: signalling.CloseDone} {
		h := openHost(t, s)
		h.tries(hostKey(t), "", func(r *signalling.Register) { r.Gone = gone })
		keys := newLinkKeys(t)
		h.announces(keys)
		ws, channel := mustOpen(t, s, h, keys.ID())
		write(t, ws, websocket.MessageBinary, []byte("last"))
		_ = ws.Close(websocket.StatusGoingAway, "")
		if _, b := h.next(); !bytes.HasSuffix(b, []byte("last")) {
			t.Errorf("%q", b)
		}
		if m := told[signalling.Closed](h); m != (signalling.Closed{Channel: channel, Code: code}) {
			t.Errorf("gone %v: %+v", gone, m)
		}
		_, channel = mustOpen(t, s, h, keys.ID())
		h.say(signalling.Closed{Channel: channel, Code: signalling.CloseGone})
		h.refused(fault.MessageInvalid)
	}
}

func TestHostsAreRefused(t *testing.T) {
	listed := hostKey(t)
	invited := hosts.Policy{
		Invitations: []hosts.Invitation{hosts.NewInvitation("friends", "let me in"), {
			Name: "office", Digest: hosts.NewInvitation("", "work").Digest, Quotas: &hosts.Quotas{Links: 7},
		}},
		Keys: []hosts.Key{{Name: "me", Key: listed.Public().(ed25519.PublicKey)}},
	}
	byKey := hosts.Policy{Keys: invited.Keys}
	open := hosts.Policy{Open: true}
	for _, c := range []struct {
		name   string
		policy *hosts.Policy
		key    ed25519.PrivateKey
		token  string
		change func(*signalling.Register)
		code   fault.Code // "" if the relay takes it
		links  int
	}{
		{"open to all", &open, hostKey(t), "", nil, "", 64},
		{"open to all, a token nobody asked for", &open, hostKey(t), "x", nil, "", 64},
		{"an invitation", &invited, hostKey(t), "let me in", nil, "", 64},
		{"an invitation with quotas of its own", &invited, hostKey(t), "work", nil, "", 7},
		{"a listed key", &invited, listed, "", nil, "", 64},
		{"no invitation", &invited, hostKey(t), "", nil, fault.InvitationWanted, 0},
		{"another invitation", &invited, hostKey(t), "let me", nil, fault.InvitationRefused, 0},
		{"a key that is not listed", &byKey, hostKey(t), "let me in", nil, fault.HostNotAllowed, 0},
		{"a probe", &open, hostKey(t), "", func(r *signalling.Register) { r.Probe = true }, "", 64},
		{"another's key", &open, hostKey(t), "", func(r *signalling.Register) {
			r.Key = b64.EncodeToString(listed.Public().(ed25519.PublicKey))
		}, fault.RelayRefused, 0},
		{"a signature for another relay", &open, hostKey(t), "", func(r *signalling.Register) {
			r.Signature = b64.EncodeToString(ed25519.Sign(listed, []byte("another")))
		}, fault.RelayRefused, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := openRelay(t, func(o *Options) { o.Hosts = c.policy })
			h := openHost(t, s)
			m := h.tries(c.key, c.token, c.change)
			if c.code != "" {
				if m != (signalling.Refused{Code: string(c.code)}) {
					t.Fatalf("%+v", m)
				}
				if code, reason := closedWith(t, h.ws); code != signalling.CloseRefused || reason != string(c.code) {
					t.Errorf("closed with %d %q", code, reason)
				}
				return
			}
			if r, ok := m.(signalling.Registered); !ok || r.Links != c.links {
				t.Fatalf("%+v", m)
			}
		})
	}

	t.Run("another version", func(t *testing.T) {
		s := openToHosts(t, nil)
		h := openHost(t, s)
		told[signalling.ChallengeHost](h)
		write(t, h.ws, websocket.MessageText, []byte(`{"type":"register","payload":{"version":2}}`))
		h.refused(fault.RelayVersion)
	})
	t.Run("a page", func(t *testing.T) {
		s := openToHosts(t, nil)
		_, r, _ := dialAt(t, "ws://"+s.hostPort()+switchboard.HostPath, client(t, s), func(o *websocket.DialOptions) {
			o.Subprotocols = []string{signalling.HostSubprotocol}
			o.HTTPHeader = http.Header{"Origin": {"http://" + s.hostPort()}}
		})
		if r.status != http.StatusForbidden {
			t.Errorf("status %d", r.status)
		}
	})
	t.Run("no hosts here", func(t *testing.T) {
		s := openRelay(t, nil)
		_, r, _ := dialAt(t, "ws://"+s.hostPort()+switchboard.HostPath, client(t, s), func(o *websocket.DialOptions) {
			o.Subprotocols = []string{signalling.HostSubprotocol}
		})
		if r.status != http.StatusNotFound {
			t.Errorf("status %d", r.status)
		}
	})
	t.Run("too many hosts", func(t *testing.T) {
		s := openToHosts(t, func(o *Options) { o.Capacity.Hosts = 1 })
		openHost(t, s)
		_, r, _ := dialAt(t, "ws://"+s.hostPort()+switchboard.HostPath, client(t, s), func(o *websocket.DialOptions) {
			o.Subprotocols = []string{signalling.HostSubprotocol}
		})
		if r.status != http.StatusServiceUnavailable {
			t.Errorf("status %d", r.status)
		}
	})
	t.Run("silence", func(t *testing.T) {
		quick := defaultTimes
		quick.open = 50 * time.Millisecond
		s := openToHosts(t, func(o *Options) { o.times = &quick })
		h := openHost(t, s)
		told[signalling.ChallengeHost](h)
		if _, _, err := h.ws.Read(contextFor(t)); err != nil && errors.Is(err, context.DeadlineExceeded) {
			t.Error("a silent host stays")
		}
	})
}

// TestHostBreaksTheProtocol ends connections that can't be understood, each with
// its code.
func TestHostBreaksTheProtocol(t *testing.T) {
	s := openToHosts(t, nil)
	for _, c := range []struct {
		name string
		kind websocket.MessageType
		text string
		code fault.Code
	}{
		{"no JSON", websocket.MessageText, "hello", fault.MessageMalformed},
		{"an unknown message", websocket.MessageText, `{"type":"registered"}`, fault.MessageUnknown},
		{"another register", websocket.MessageText, `{"type":"register","payload":{"version":1,"key":"` + strings.Repeat("A", 43) + `","signature":"` + strings.Repeat("A", 86) + `"}}`, fault.MessageUnexpected},
		{"a large message", websocket.MessageText, `{"type":"` + strings.Repeat("a", 2000) + `"}`, fault.FrameTooLarge},
		{"a short frame", websocket.MessageBinary, "abc", fault.FrameTruncated},
		{"no link", websocket.MessageText, `{"type":"withdraw","payload":{"link":"x"}}`, fault.LinkMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := openHost(t, s)
			h.registered(hostKey(t))
			write(t, h.ws, c.kind, []byte(c.text))
			h.refused(c.code)
		})
	}
	t.Run("a frame larger than any", func(t *testing.T) {
		h := openHost(t, s)
		h.registered(hostKey(t))
		_ = h.ws.Write(contextFor(t), websocket.MessageBinary, make([]byte, signalling.ChannelSize+sealed.MaxFrame+1))
		if _, _, err := h.ws.Read(contextFor(t)); err == nil {
			t.Error("the line stays")
		}
	})
	t.Run("a key that is none", func(t *testing.T) {
		h := openHost(t, s)
		h.registered(hostKey(t))
		h.say(signalling.Announce{Key: "B" + strings.Repeat("A", 86)})
		if m := told[signalling.Unannounced](h); m.Code != string(fault.KeyMismatch) {
			t.Errorf("%+v", m)
		}
	})
	t.Run("a wrong proof", func(t *testing.T) {
		h := openHost(t, s)
		h.registered(hostKey(t))
		keys := newLinkKeys(t)
		h.say(signalling.Announce{Key: b64.EncodeToString(keys.Public())})
		told[signalling.Prove](h)
		h.say(signalling.Proof{Link: string(keys.ID()), Answer: strings.Repeat("A", 43)})
		if m := told[signalling.Unannounced](h); m.Code != string(fault.SealBroken) {
			t.Errorf("%+v", m)
		}
		// Its challenge is used up, so the right answer comes too late.
		h.say(signalling.Proof{Link: string(keys.ID()), Answer: strings.Repeat("A", 43)})
		if _, m := opens(t, s, keys.ID()); m.Type() != "unavailable" {
			t.Errorf("%+v", m)
		}
	})
}

func TestQuotas(t *testing.T) {
	s := openRelay(t, func(o *Options) {
		o.Hosts = &hosts.Policy{
			Open: true, Quotas: hosts.Quotas{Links: 2, PerLink: 2, Guests: 3, Bytes: 1000},
			PerAddress: hosts.AddressQuotas{Hosts: 2, Links: 3, Guests: 4},
		}
	})
	key := hostKey(t)
	h := openHost(t, s)
	h.registered(key)
	if n := s.policy.Allowance(hosts.OwnerOf(key.Public().(ed25519.PublicKey))); n != 1000 {
		t.Errorf("allowance %d", n)
	}
	a, b, c := newLinkKeys(t), newLinkKeys(t), newLinkKeys(t)
	h.announces(a)
	h.announces(a) // the same link again does not count
	h.announces(b)
	h.say(signalling.Announce{Key: b64.EncodeToString(c.Public())})
	if m := told[signalling.Unannounced](h); m != (signalling.Unannounced{Link: string(c.ID()), Code: string(fault.TooManyLinks)}) {
		t.Errorf("%+v", m)
	}

	// Guests: two at a link, three in all, four of one address.
	full := func(id sealed.LinkID) {
		t.Helper()
		ws, m := opens(t, s, id)
		if _, ok := m.(signalling.Opened); !ok {
			t.Fatalf("%+v", m)
		}
		if code, _ := closedWith(t, ws); code != signalling.CloseTooFast {
			t.Errorf("closed with %d", code)
		}
	}
	first, _ := mustOpen(t, s, h, a.ID())
	mustOpen(t, s, h, a.ID())
	full(a.ID())
	mustOpen(t, s, h, b.ID())
	full(b.ID())
	_ = first.Close(websocket.StatusNormalClosure, "")
	told[signalling.Closed](h)
	mustOpen(t, s, h, b.ID()) // a place is free again

	// Another host of the same address: one more link, one more guest.
	other := openHost(t, s)
	other.registered(hostKey(t))
	d, e := newLinkKeys(t), newLinkKeys(t)
	other.announces(d)
	other.say(signalling.Announce{Key: b64.EncodeToString(e.Public())})
	other.proves(e)
	if m := told[signalling.Unannounced](other); m.Code != string(fault.TooManyLinks) {
		t.Errorf("%+v", m)
	}
	mustOpen(t, s, other, d.ID())
	full(d.ID())
	third := openHost(t, s)
	if m := third.tries(hostKey(t), "", nil); m != (signalling.Refused{Code: string(fault.RelayFull)}) {
		t.Errorf("%+v", m)
	}
	// Its own key may come back, though: then the earlier connection ends.
	again := openHost(t, s)
	again.registered(key)
	for {
		if m, _ := h.next(); m == (signalling.Refused{Code: string(fault.LineReplaced)}) {
			break
		}
	}
	again.announces(a)
	again.announces(b)
	if n, links, _ := s.hosts.InUse(household.Of(s.bound.Addr())); n != 2 || links != 3 {
		t.Errorf("%d hosts and %d links in use", n, links)
	}
}

// TestALineTakesOver makes two hosts announce one link.
func TestALineTakesOver(t *testing.T) {
	s := openToHosts(t, nil)
	keys := newLinkKeys(t)
	first := openHost(t, s)
	first.registered(hostKey(t))
	first.announces(keys)
	ws, _ := mustOpen(t, s, first, keys.ID())
	second := openHost(t, s)
	second.registered(hostKey(t))
	second.announces(keys)
	if code, _ := closedWith(t, ws); code != signalling.CloseHostGone {
		t.Errorf("closed with %d", code)
	}
	var got []signalling.Type
	for range 2 {
		m, _ := first.next()
		got = append(got, m.Type())
	}
	slices.Sort(got)
	if !slices.Equal(got, []signalling.Type{"closed", "unannounced"}) {
		t.Errorf("the first was told %v", got)
	}
	first.say(signalling.Withdraw{Link: string(keys.ID())}) // no longer its own
	mustOpen(t, s, second, keys.ID())

	// The embedded host takes over as well, and the other way round.
	if _, err := s.Announce(contextFor(t), keys, func(switchboard.Frames) {}); err != nil {
		t.Fatal(err)
	}
}

// TestNotes leaves notes in both ways, and tries hosts that may not leave them.
func TestNotes(t *testing.T) {
	book := NewNotebook(10)
	s := openToHosts(t, func(o *Options) { o.Notes, o.OnNote = book.Get, book.Put })
	h := openHost(t, s)
	h.registered(hostKey(t))
	keys := newLinkKeys(t)
	note := [sealed.NoteSize]byte{1, 2, 3}
	text := b64.EncodeToString(note[:])
	says := func(id sealed.LinkID) string {
		t.Helper()
		_, m := opens(t, s, id)
		u, ok := m.(signalling.Unavailable)
		if !ok {
			t.Fatalf("%+v", m)
		}
		return u.Note
	}

	h.announces(keys)
	ws, _ := mustOpen(t, s, h, keys.ID())
	h.say(signalling.Withdraw{Link: string(keys.ID()), Note: text})
	if code, _ := closedWith(t, ws); code != signalling.CloseHostGone {
		t.Errorf("closed with %d", code)
	}
	if got := says(keys.ID()); got != text {
		t.Error("the note of a withdrawn link is another")
	}
	told[signalling.Closed](h)

	ended := newLinkKeys(t)
	before := says(ended.ID())
	h.say(signalling.Withdraw{Link: string(ended.ID()), Note: text}) // not announced
	h.say(signalling.Note{Key: b64.EncodeToString(ended.Public()), Note: text})
	told[signalling.Prove](h)
	h.say(signalling.Proof{Link: string(ended.ID()), Answer: strings.Repeat("A", 43)})
	told[signalling.Unannounced](h)
	if got := says(ended.ID()); got != before {
		t.Error("a note without a proof was taken")
	}
	h.say(signalling.Note{Key: b64.EncodeToString(ended.Public()), Note: text})
	h.proves(ended)
	told[signalling.Noted](h)
	if got := says(ended.ID()); got != text {
		t.Error("the note of an ended link is another")
	}
}

// TestSlowHost has a host that reads nothing. Its guests' channels end, then its
// connection, and another host notices nothing.
func TestSlowHost(t *testing.T) {
	quick := defaultTimes
	quick.write = 300 * time.Millisecond
	quick.ping, quick.pong = 200*time.Millisecond, 2*time.Second
	s := openToHosts(t, func(o *Options) { o.times = &quick })
	h := openHost(t, s)
	h.registered(hostKey(t))
	keys := newLinkKeys(t)
	h.announces(keys)
	other, guests, _ := host(t, s)
	ws, _ := mustOpen(t, s, h, keys.ID())
	ws2, f := connect(t, s, other, guests)
	ws2.CloseRead(t.Context()) // answers pings
	done := make(chan signalling.CloseCode)
	go func() {
		code, _ := closedWith(t, ws)
		done <- code
	}()
	if code := <-done; code != signalling.CloseHostGone && code != signalling.CloseTooSlow {
		t.Errorf("closed with %d", code)
	}
	write(t, ws2, websocket.MessageBinary, []byte("still here"))
	if b := recv(t, f); string(b) != "still here" {
		t.Errorf("%q", b)
	}
}

// TestSlowGuestOfALine has a guest that reads nothing. The host's connection and
// another guest go on.
func TestSlowGuestOfALine(t *testing.T) {
	quick := defaultTimes
	quick.write = 300 * time.Millisecond
	quick.open = 2 * patience // the other guest says nothing
	s := openToHosts(t, func(o *Options) { o.times = &quick })
	h := openHost(t, s)
	h.registered(hostKey(t))
	keys := newLinkKeys(t)
	h.announces(keys)
	_, slow := mustOpen(t, s, h, keys.ID())
	ws, good := mustOpen(t, s, h, keys.ID())
	frame := make([]byte, 200<<10)
	for range 60 {
		h.frame(slow, frame)
	}
	h.frame(good, []byte("still here"))
	if _, b, err := ws.Read(contextFor(t)); err != nil || string(b) != "still here" {
		t.Errorf("%q, %v", b, err)
	}
	if m := told[signalling.Closed](h); m != (signalling.Closed{Channel: slow, Code: signalling.CloseTooSlow}) {
		t.Errorf("%+v", m)
	}
}

// turnOf is a Turn for tests.
type turnOf struct {
	mu      sync.Mutex
	err     error
	owner   string
	revoked []string
}

func (f *turnOf) Credentials(owner string) ([]signalling.ICEServer, time.Time, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.owner = owner
	return []signalling.ICEServer{{URLs: []string{"turn:relay.example"}, Username: "u", Credential: "c"}}, time.UnixMilli(5000), f.err
}

func (f *turnOf) Revoke(owner, username string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.revoked = append(f.revoked, owner+" "+username)
}

func (*turnOf) ServeStream(c net.Conn) { c.Close() }

func TestCredentials(t *testing.T) {
	turn := new(turnOf)
	s := openToHosts(t, func(o *Options) { o.Turn = turn })
	key := hostKey(t)
	owner := hosts.OwnerOf(key.Public().(ed25519.PublicKey))
	h := openHost(t, s)
	if r := h.registered(key); !r.Turn {
		t.Error("no turn is offered")
	}
	h.say(signalling.WantCredentials{Request: 7})
	if m := told[signalling.Credentials](h); m.Request != 7 || len(m.Servers) != 1 || m.Expires != 5000 || m.Code != "" {
		t.Errorf("%+v", m)
	}
	turn.mu.Lock()
	turn.err = fault.New(fault.TurnUsedUp, nil)
	turn.mu.Unlock()
	h.say(signalling.WantCredentials{Request: 8})
	if m := told[signalling.Credentials](h); m.Code != string(fault.TurnUsedUp) || len(m.Servers) != 0 {
		t.Errorf("%+v", m)
	}
	h.say(signalling.Revoke{Username: "u"})
	h.say(signalling.WantCredentials{Request: 9})
	told[signalling.Credentials](h)
	turn.mu.Lock()
	defer turn.mu.Unlock()
	host, address := hosts.SplitOwner(turn.owner)
	if host != owner || address == "" || !slices.Equal(turn.revoked, []string{owner + " u"}) {
		t.Errorf("%q, %q", turn.owner, turn.revoked)
	}
}
