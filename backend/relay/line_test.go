package relay

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
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
	"github.com/porch-call/porch/backend/relay/internal/testlog"
	"github.com/porch-call/porch/backend/relay/metering"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// b64 is base64url without padding.
var b64 = base64.RawURLEncoding

// decoded is the value of a text that is known to be base64url.
func decoded(text string) []byte {
	b, _ := b64.DecodeString(text)
	return b
}

// rawHost is a host's end of a line, message by message.
type rawHost struct {
	t  *testing.T
	ws *websocket.Conn
}

func openHost(t *testing.T, s *Server) *rawHost {
	t.Helper()
	ws, _, err := dialAt(t, "ws://"+s.hostPort()+switchboard.HostPath, client(t, s), func(o *websocket.DialOptions) {
		o.Subprotocols = []string{signalling.HostSubprotocol}
	})
	if err != nil {
		t.Fatal(err)
	}
	return &rawHost{t, ws}
}

func (h *rawHost) say(m signalling.Message) {
	h.t.Helper()
	b, err := signalling.Encode(m)
	if err != nil {
		h.t.Fatal(err)
	}
	write(h.t, h.ws, websocket.MessageText, b)
}

func (h *rawHost) frame(channel uint32, frame []byte) {
	h.t.Helper()
	write(h.t, h.ws, websocket.MessageBinary, append(binary.BigEndian.AppendUint32(nil, channel), frame...))
}

// next returns the relay's next message, or frame.
func (h *rawHost) next() (signalling.Message, []byte) {
	h.t.Helper()
	kind, b, err := h.ws.Read(contextFor(h.t))
	if err != nil {
		h.t.Fatal(err)
	}
	if kind == websocket.MessageBinary {
		return nil, b
	}
	m, err := signalling.DecodeFromRelayHost(b)
	if err != nil {
		h.t.Fatal(err)
	}
	return m, nil
}

// told is the relay's next message, which must be an M.
func told[M signalling.Message](h *rawHost) M {
	h.t.Helper()
	m, b := h.next()
	got, ok := m.(M)
	if !ok {
		var want M
		h.t.Fatalf("told %#v (%d bytes), want %s", m, len(b), want.Type())
	}
	return got
}

// tries answers the challenge and returns the relay's word.
func (h *rawHost) tries(key ed25519.PrivateKey, token string, change func(*signalling.Register)) signalling.Message {
	h.t.Helper()
	nonce := decoded(told[signalling.ChallengeHost](h).Nonce)
	r := signalling.Register{
		Version:   signalling.HostVersion,
		Key:       b64.EncodeToString(key.Public().(ed25519.PublicKey)),
		Signature: b64.EncodeToString(ed25519.Sign(key, append([]byte(signalling.RegisterContext+"127.0.0.1"), nonce...))),
		Token:     token,
	}
	if change != nil {
		change(&r)
	}
	h.say(r)
	m, _ := h.next()
	return m
}

func hostKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (h *rawHost) registered(key ed25519.PrivateKey) signalling.Registered {
	h.t.Helper()
	r, ok := h.tries(key, "", nil).(signalling.Registered)
	if !ok {
		h.t.Fatal("not registered")
	}
	return r
}

// refused expects the word and the end of a line.
func (h *rawHost) refused(code fault.Code) {
	h.t.Helper()
	if m := told[signalling.Refused](h); m.Code != string(code) {
		h.t.Errorf("refused with %s, want %s", m.Code, code)
	}
	if got, reason := closedWith(h.t, h.ws); got != signalling.CloseRefused || reason != string(code) {
		h.t.Errorf("closed with %d %q", got, reason)
	}
}

// proves answers the challenge of a link.
func (h *rawHost) proves(keys sealed.LinkKeys) {
	h.t.Helper()
	m := told[signalling.Prove](h)
	if m.Link != string(keys.ID()) {
		h.t.Fatalf("asked for %s", m.Link)
	}
	answer, err := sealed.AnswerChallenge(keys, decoded(m.Challenge))
	if err != nil {
		h.t.Fatal(err)
	}
	h.say(signalling.Proof{Link: m.Link, Answer: b64.EncodeToString(answer)})
}

func (h *rawHost) announces(keys sealed.LinkKeys) {
	h.t.Helper()
	h.say(signalling.Announce{Key: b64.EncodeToString(keys.Public())})
	h.proves(keys)
	if m := told[signalling.Announced](h); m.Link != string(keys.ID()) {
		h.t.Fatalf("announced %s", m.Link)
	}
}

func newLinkKeys(t *testing.T) sealed.LinkKeys {
	t.Helper()
	keys, err := sealed.NewLinkKeys()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func openToHosts(t *testing.T, change func(*Options)) *Server {
	t.Helper()
	return openRelay(t, func(o *Options) {
		o.Hosts = &hosts.Policy{Open: true}
		if change != nil {
			change(o)
		}
	})
}

// opens has a guest open a link, and returns the relay's answer.
func opens(t *testing.T, s *Server, id sealed.LinkID) (*websocket.Conn, signalling.Message) {
	t.Helper()
	ws := mustDialApart(t, s)
	ask(t, ws, id)
	return ws, answer(t, ws)
}

func mustOpen(t *testing.T, s *Server, h *rawHost, id sealed.LinkID) (*websocket.Conn, uint32) {
	t.Helper()
	ws, m := opens(t, s, id)
	if _, ok := m.(signalling.Opened); !ok {
		t.Fatalf("answer %+v", m)
	}
	g := told[signalling.Guest](h)
	if g.Link != string(id) {
		t.Fatalf("a guest of %s", g.Link)
	}
	return ws, g.Channel
}

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
	h.frame(channel, []byte("nobody there")) // ignored

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

	// The line ends.
	ws, _ = mustOpen(t, s, h, keys.ID())
	_ = h.ws.CloseNow()
	if code, reason := closedWith(t, ws); code != signalling.CloseHostGone || reason != string(fault.HostGone) {
		t.Errorf("closed with %d %q", code, reason)
	}
	if _, m := opens(t, s, keys.ID()); m.Type() != "unavailable" {
		t.Errorf("%+v", m)
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
		code   fault.Code // "": taken
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

// TestHostBreaksTheProtocol ends lines that can't be understood, each with its
// word.
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
		// Its challenge is used up: the right answer comes too late.
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
	h.announces(a) // again is no other
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
	mustOpen(t, s, h, b.ID()) // there is room again

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
	// Its own key may come back, though: the line of before ends.
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

// TestALineTakesOver has two hosts announce one link.
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
	first.say(signalling.Withdraw{Link: string(keys.ID())}) // not its own any more
	mustOpen(t, s, second, keys.ID())

	// The embedded way takes over as well, and the other way round.
	if _, err := s.Announce(contextFor(t), keys, func(switchboard.Frames) {}); err != nil {
		t.Fatal(err)
	}
}

// TestNotes leaves notes in both ways, and by whom they may be left.
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

// TestSlowHost has a host that reads nothing: its guests end, the line ends,
// and another host notices nothing.
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

// TestSlowGuestOfALine has a guest that reads nothing: the host's line, and the
// guest beside, go on.
func TestSlowGuestOfALine(t *testing.T) {
	quick := defaultTimes
	quick.write = 300 * time.Millisecond
	quick.open = 2 * patience // the guest beside says nothing
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

func TestDrainAndClose(t *testing.T) {
	s := openToHosts(t, nil)
	h := openHost(t, s)
	h.registered(hostKey(t))
	keys := newLinkKeys(t)
	h.announces(keys)
	ws, _ := mustOpen(t, s, h, keys.ID())
	health := func() int {
		return get(t, client(t, s), "http://"+s.hostPort()+HealthPath, nil).status
	}
	if n := health(); n != http.StatusOK {
		t.Errorf("healthz %d", n)
	}
	drained := make(chan error, 1)
	go func() { drained <- s.Drain(contextFor(t)) }()
	told[signalling.Moving](h)
	if n := health(); n != http.StatusServiceUnavailable {
		t.Errorf("healthz %d", n)
	}
	if _, r, err := dial(t, s, nil); err == nil || r.status != http.StatusServiceUnavailable {
		t.Errorf("a draining relay takes guests: %d, %v", r.status, err)
	}
	// Those who are there stay.
	write(t, ws, websocket.MessageBinary, []byte("still here"))
	if _, b := h.next(); !bytes.HasSuffix(b, []byte("still here")) {
		t.Errorf("%q", b)
	}
	select {
	case err := <-drained:
		t.Fatalf("drained with a host: %v", err)
	default:
	}
	_ = h.ws.Close(websocket.StatusNormalClosure, "")
	if err := <-drained; err != nil {
		t.Error(err)
	}

	// Close tells hosts that did not move.
	s = openToHosts(t, nil)
	h = openHost(t, s)
	h.registered(hostKey(t))
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Drain(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Drain = %v", err)
	}
	told[signalling.Moving](h)
	go s.Close()
	if code, reason := closedWith(t, h.ws); code != signalling.CloseHostGone || reason != string(fault.ShuttingDown) {
		t.Errorf("closed with %d %q", code, reason)
	}
}

// TestPublicMode checks what a relay with a domain answers, and to whom.
func TestPublicMode(t *testing.T) {
	own := openRelay(t, nil) // for its certificate, which names localhost
	s := openRelay(t, func(o *Options) {
		o.Domain = "LocalHost:8443"
		o.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return own.certificates.get(nil) }
		o.NextProtos = []string{"acme-tls/1"}
		o.Plain = "127.0.0.1:0"
		o.HTTPChallenge = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/.well-known/acme-challenge/x" {
				return false
			}
			_, _ = w.Write([]byte("challenge"))
			return true
		}
	})
	if a := s.Addresses(); !slices.Equal(a, []Address{{Base: "https://localhost:8443", Reach: ReachAnywhere}}) {
		t.Errorf("addresses %+v", a)
	}
	c := client(t, own)
	named := func(host string) func(*http.Request) { return func(r *http.Request) { r.Host = host } }
	_, port, _ := net.SplitHostPort(s.hostPort())
	secure := "https://localhost:" + port
	if r := get(t, c, secure+"/j/x", nil); r.status != http.StatusOK || r.header.Get("Strict-Transport-Security") == "" {
		t.Errorf("%d %v", r.status, r.header)
	}
	for _, host := range []string{"127.0.0.1:" + port, "other.example", "localhost.", ""} {
		if r := get(t, c, secure+"/", named(host)); r.status != http.StatusMisdirectedRequest && host != "" {
			t.Errorf("%q is answered with %d", host, r.status)
		}
	}
	if r := get(t, c, "https://localhost:"+port+HealthPath, named("203.0.113.1")); r.status != http.StatusOK {
		t.Errorf("healthz by address: %d", r.status)
	}
	plain := s.plainPort.Plain().Addr().String()
	for _, where := range []string{"http://" + s.hostPort(), "http://" + plain} {
		r := get(t, c, where+"/j/abc", named("localhost"))
		if r.status != http.StatusPermanentRedirect || r.header.Get("Location") != "https://localhost:8443/j/abc" {
			t.Errorf("%s: %d %q", where, r.status, r.header.Get("Location"))
		}
		if r := get(t, c, where+"/", named("evil.example")); r.status != http.StatusMisdirectedRequest {
			t.Errorf("%s: %d", where, r.status)
		}
	}
	if r := get(t, c, "http://"+plain+"/.well-known/acme-challenge/x", named("localhost")); string(r.body) != "challenge" {
		t.Errorf("%d %q", r.status, r.body)
	}
	if r := get(t, c, "http://"+plain+HealthPath, nil); r.status != http.StatusOK {
		t.Errorf("healthz %d", r.status)
	}
	conn, err := tls.Dial("tcp", plain, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // must fail
	if err == nil {
		conn.Close()
		t.Error("TLS at the plain port")
	}
	conn, err = tls.Dial("tcp", s.hostPort(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"acme-tls/1"}}) //nolint:gosec // a test
	if err != nil || conn.ConnectionState().NegotiatedProtocol != "acme-tls/1" {
		t.Errorf("ALPN: %v", err)
	}
	if err == nil {
		conn.Close()
	}

	for _, o := range []Options{{Domain: "x.example"}, {Plain: ":0"}, {Domain: "a b", GetCertificate: s.getCert}, {Domain: "x:0", GetCertificate: s.getCert}} {
		o.Dir, o.Listen, o.Logger = t.TempDir(), "127.0.0.1:0", s.log
		if s, err := Open(contextFor(t), o); err == nil {
			s.Close()
			t.Errorf("opened with %q", o.Domain)
		}
	}
}

// TestOneAnswer asks often about links that never were, that are spent, removed
// and offline, all mixed: one form, one size, and no telling by the time.
func TestOneAnswer(t *testing.T) {
	book := NewNotebook(100)
	l := publicLimits()
	l.opens, l.openBurst, l.requests, l.requestBurst = 1e6, 1e6, 1e6, 1e6
	s := openToHosts(t, func(o *Options) { o.Notes, o.OnNote, o.limits = book.Get, book.Put, &l })
	h := openHost(t, s)
	h.registered(hostKey(t))
	kinds := []string{"unknown", "spent", "removed", "offline"}
	ids := map[string]sealed.LinkID{"unknown": newLinkKeys(t).ID()}
	for _, kind := range kinds[1:] {
		keys := newLinkKeys(t)
		ids[kind] = keys.ID()
		h.announces(keys)
		w := signalling.Withdraw{Link: string(keys.ID())}
		if kind != "offline" {
			note, err := sealed.SealNote(sealed.NewSecret(), keys.ID(), kind)
			if err != nil {
				t.Fatal(err)
			}
			w.Note = b64.EncodeToString(note[:])
		}
		h.say(w)
	}
	h.announces(newLinkKeys(t)) // the withdrawals have been heard

	const rounds = 24
	took := map[string][]time.Duration{}
	sizes := map[int]bool{}
	first := map[string]string{}
	var mu sync.Mutex
	for range rounds {
		var wg sync.WaitGroup
		for _, kind := range kinds {
			ws := mustDial(t, s)
			wg.Go(func() {
				began := time.Now()
				ask(t, ws, ids[kind])
				_, b, err := ws.Read(contextFor(t))
				d := time.Since(began)
				if err != nil {
					t.Error(err)
					return
				}
				code, reason := closedWith(t, ws)
				mu.Lock()
				defer mu.Unlock()
				took[kind] = append(took[kind], d)
				sizes[len(b)] = true
				if code != signalling.CloseUnavailable || reason != string(fault.LinkUnavailable) {
					t.Errorf("%s: closed with %d %q", kind, code, reason)
				}
				if first[kind] == "" {
					first[kind] = string(b)
				}
				if first[kind] != string(b) {
					t.Errorf("%s: another answer the second time", kind)
				}
			})
		}
		wg.Wait()
	}
	if len(sizes) != 1 {
		t.Errorf("answers of sizes %v", sizes)
	}
	for _, kind := range kinds {
		slices.Sort(took[kind])
	}
	for _, kind := range kinds {
		least := took[kind][0]
		t.Logf("%s: least %v, quartile %v, median %v", kind, least, took[kind][rounds/4], took[kind][rounds/2])
		if least < defaultTimes.unavailable {
			t.Errorf("%s: an answer after %v", kind, least)
		}
		// What looking things up takes is thousands of times less than this. The
		// least of many is what other work of this machine disturbs least.
		if d := (least - took["unknown"][0]).Abs(); d > 5*time.Millisecond {
			t.Errorf("%s: its least is %v from the unknown's", kind, d)
		}
	}
}

func TestNotebook(t *testing.T) {
	n := NewNotebook(2)
	put := func(id sealed.LinkID, b byte) { n.Put(id, [sealed.NoteSize]byte{b}) }
	has := func(id sealed.LinkID, b byte) bool {
		note, ok := n.Get(id)
		return ok && note[0] == b
	}
	put("a", 1)
	put("b", 2)
	put("a", 3)
	put("c", 4) // b is the oldest
	if !has("a", 3) || has("b", 2) || !has("c", 4) || n.Len() != 2 {
		t.Error("not the newest two")
	}
	n.Get("a")
	put("d", 5)
	if !has("a", 3) || has("c", 4) {
		t.Error("asking does not keep a note")
	}
	none := NewNotebook(0)
	none.Put("a", [sealed.NoteSize]byte{})
	if none.Len() != 0 {
		t.Error("a notebook of none keeps one")
	}
}

// meterOf adds up.
type meterOf struct {
	mu      sync.Mutex
	open    map[metering.Kind]int
	refused map[fault.Code]int
	asked   int
	passed  map[bool]int
}

func (m *meterOf) Open(what metering.Kind, delta int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open[what] += delta
}

func (m *meterOf) Refused(_ metering.Kind, code fault.Code) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refused[code]++
}

func (m *meterOf) Unanswered() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
}

func (m *meterOf) Passed(toHost bool, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.passed[toHost] += n
}

func (m *meterOf) now(what metering.Kind) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.open[what]
}

func TestMeter(t *testing.T) {
	m := &meterOf{open: map[metering.Kind]int{}, refused: map[fault.Code]int{}, passed: map[bool]int{}}
	log := new(testlog.Log)
	s := openToHosts(t, func(o *Options) { o.Meter, o.Logger = m, log.Logger() })
	h := openHost(t, s)
	h.registered(hostKey(t))
	keys := newLinkKeys(t)
	h.announces(keys)
	ws, channel := mustOpen(t, s, h, keys.ID())
	write(t, ws, websocket.MessageBinary, []byte("123"))
	h.next()
	h.frame(channel, []byte("12345"))
	if _, _, err := ws.Read(contextFor(t)); err != nil {
		t.Fatal(err)
	}
	opens(t, s, newLinkKeys(t).ID())
	if m.now(metering.Hosts) != 1 || m.now(metering.Links) != 1 || m.now(metering.Guests) < 1 || m.now(metering.Connections) < 2 {
		t.Errorf("%+v", m.open)
	}
	s.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	for what, n := range m.open {
		if n != 0 {
			t.Errorf("%d %s after Close", n, what)
		}
	}
	if m.asked != 1 || m.passed[true] != 3 || m.passed[false] != 5 {
		t.Errorf("%+v", m)
	}
	public := base64.RawURLEncoding.EncodeToString(keys.Public())
	for _, never := range []string{string(keys.ID()), public, "127.0.0.1"} {
		if strings.Contains(log.String(), never) {
			t.Errorf("the log holds %q", never)
		}
	}
}
