package call

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/call/description"
	"github.com/porch-call/porch/backend/media/mediatest"
	"github.com/porch-call/porch/backend/media/path"
	"github.com/porch-call/porch/backend/signalling"
)

// recorder keeps every message that passes through it.
type recorder struct {
	Outbox
	mu       sync.Mutex
	messages []signalling.Message
}

func (r *recorder) Send(m signalling.Message) error {
	r.mu.Lock()
	r.messages = append(r.messages, m)
	r.mu.Unlock()
	return r.Outbox.Send(m)
}

// text returns all that was sent.
func (r *recorder) text(tb testing.TB) string {
	tb.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	b, err := json.Marshal(r.messages)
	must(tb, err)
	return string(b)
}

// candidates returns the texts of the candidates that were sent.
func (r *recorder) candidates() (texts []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.messages {
		switch m := m.(type) {
		case signalling.Candidate:
			if m.Candidate != "" {
				texts = append(texts, m.Candidate)
			}
		case signalling.Offer:
			_, offered := description.SplitCandidates(m.SDP)
			texts = append(texts, offered...)
		}
	}
	return texts
}

// recorded returns options whose messages a recorder keeps.
func recorded(o guestOptions) (guestOptions, *recorder) {
	r := new(recorder)
	o.wrap = func(out Outbox) Outbox {
		r.Outbox = out
		return r
	}
	return o, r
}

// newReachedCall returns a call of an engine. prepare may change the engine first.
func newReachedCall(tb testing.TB, o Options, r ICEConfig, prepare func(*Engine)) *Call {
	tb.Helper()
	e, err := NewEngine(o)
	must(tb, err)
	if prepare != nil {
		prepare(e)
	}
	c, err := e.NewCall(Hooks{}, r)
	must(tb, err)
	tb.Cleanup(func() {
		must(tb, e.Close())
		if s := c.Stats(); s.UnadmittedMedia != 0 {
			tb.Errorf("media for somebody unadmitted: %+v", s)
		}
	})
	return c
}

func TestReflexiveCandidatesAreOffered(t *testing.T) {
	s := mediatest.NewSTUNServer(t, mediatest.Always("203.0.113.7:4242"))
	c := newReachedCall(t, Options{}, ICEConfig{STUN: []string{s.URL(), "nonsense", "stuns:example.org:1"}}, nil)
	o, sent := recorded(as("a"))
	a := join(t, c, o)
	var text string
	mediatest.Eventually(t, "a reflexive candidate", func() bool {
		for _, text = range sent.candidates() {
			if strings.Contains(text, " 203.0.113.7 4242 typ srflx ") {
				return true
			}
		}
		return false
	})
	a.send()
	a.until("an offer", func() bool { return a.offers > 0 })
	ufrag := description.Ufrag(a.pc.RemoteDescription().SDP)
	if ufrag == "" || !strings.HasSuffix(text, " ufrag "+ufrag) {
		t.Errorf("%s is not of %s", text, ufrag)
	}
	// The host's own window is on this machine, so it is told of no other address.
	w := as("host")
	w.profile.Host = true
	w, told := recorded(w)
	window := join(t, c, w)
	window.send()
	a.untilSees("host")
	for _, text := range told.candidates() {
		if strings.Contains(text, "srflx") {
			t.Errorf("the window is told of %s", text)
		}
	}
	if d := c.member("a").connection.Load().direct.Load(); d == nil {
		t.Error("media does not go the direct way")
	}
}

func TestARebindingRestartsWhoIsBehindTheNAT(t *testing.T) {
	s := mediatest.NewSTUNServer(t, mediatest.Always("203.0.113.7:4242"))
	c := newReachedCall(t, Options{}, ICEConfig{STUN: []string{s.URL()}}, func(e *Engine) {
		e.stun.Refresh = 30 * time.Millisecond
	})
	o, sent := recorded(as("a"))
	a := join(t, c, o)
	a.send()
	p := c.member("a").connection.Load()
	mediatest.Eventually(t, "a path", func() bool { return p.path.Load() != nil && p.alive(webrtc.PeerConnectionStateConnected) })
	asker := s.LastAsker()
	far := p.sockets().Route(asker, netip.MustParseAddrPort("198.51.100.1:9"))
	near := p.sockets().Route(asker, netip.MustParseAddrPort("192.168.1.1:9"))
	if p.sockets().Stranded(far) || p.sockets().Stranded(near) {
		t.Error("stranded before anything has happened")
	}
	s.Set(mediatest.Always("203.0.113.8:4343"))
	mediatest.Eventually(t, "the new address", func() bool {
		return strings.Contains(sent.text(t), "203.0.113.8 4343 typ srflx")
	})
	if !p.strandedOn(far) {
		t.Error("a guest beyond the NAT is not stranded by a rebinding")
	}
	mediatest.Eventually(t, "a guest on this network is not", func() bool { return !p.strandedOn(near) }) // while a itself is not restarted
}

// strandedOn reports whether p would be stranded if l were its path.
func (p *peer) strandedOn(l *path.Route) bool {
	return p.ask(func() bool {
		old := p.path.Swap(l)
		defer p.path.Store(old)
		return p.stranded()
	})
}

// ask returns what f does on the peer's goroutine.
func (p *peer) ask(f func() bool) bool {
	answer := make(chan bool, 1)
	p.enqueue(func() { answer <- f() })
	return <-answer
}

func TestPrepareAsksBeforeTheCall(t *testing.T) {
	s := mediatest.NewSTUNServer(t, mediatest.Always("203.0.113.7:4242"))
	e, err := NewEngine(Options{})
	must(t, err)
	defer func() { must(t, e.Close()) }()
	stop := e.Prepare([]string{s.URL()}, nil)
	defer stop()
	w, unwatch := e.stun.Watch([]string{s.URL()}, nil, nil)
	defer unwatch()
	mediatest.Eventually(t, "an answer", func() bool { return len(e.stun.Reflexives(w)) == 1 })
	unwatch()
	c, err := e.NewCall(Hooks{}, ICEConfig{STUN: []string{s.URL()}})
	must(t, err)
	stop()
	stop()
	options, record := recorded(as("a"))
	join(t, c, options)
	mediatest.Eventually(t, "an offer with the answer", func() bool {
		return slices.ContainsFunc(record.candidates(), func(text string) bool { return strings.Contains(text, "203.0.113.7 4242 typ srflx") })
	})
	c.Close(signalling.EndEnded)
	if e.stun.Asks(s.Address()) {
		t.Error("the server is still asked")
	}
}

func FuzzSplitCandidates(f *testing.F) {
	f.Add("v=0\r\na=candidate:1 1 udp 1 192.0.2.1 5 typ host\r\na=end-of-candidates\r\nm=audio\n")
	f.Fuzz(func(t *testing.T, sdp string) {
		rest, all := description.SplitCandidates(sdp)
		for line := range strings.Lines(rest) {
			if strings.HasPrefix(line, "a=candidate:") {
				t.Errorf("%q is left", line)
			}
		}
		if len(rest) > len(sdp) || len(all) > len(sdp)/len("a=candidate:") {
			t.Errorf("%d bytes, %d candidates of %d bytes", len(rest), len(all), len(sdp))
		}
		description.Ufrag(sdp)
	})
}

func TestRelayOnlyTellsNoAddressOfThisMachine(t *testing.T) {
	for _, way := range []string{"udp", "tcp", "tls"} {
		t.Run(way, func(t *testing.T) {
			s := mediatest.NewTURNServer(t)
			leak := mediatest.NewSTUNServer(t, mediatest.Always("203.0.113.7:4242"))
			c := newReachedCall(t, Options{TLS: s.TLS}, ICEConfig{
				STUN: []string{leak.URL()}, Servers: s.Servers(way), RelayOnly: true,
			}, nil)
			c.engine.stun.SetMapped([]path.Reflexive{{
				Base: netip.MustParseAddrPort("127.0.0.1:4242"), Mapped: netip.MustParseAddrPort("203.0.113.7:4243"),
			}})
			oa, sentA := recorded(as("a"))
			ob, sentB := recorded(as("b"))
			a, b := join(t, c, oa), join(t, c, ob)
			a.send()
			b.send()
			a.untilSees("b")
			b.untilSees("a")
			must(t, a.p.Handle(signalling.Restart{}))
			a.until("a restart", func() bool { return a.offers >= 2 })
			a.forget()
			a.untilSees("b")
			for _, sent := range []*recorder{sentA, sentB} {
				text := sent.text(t)
				for _, forbidden := range []string{"typ host", "typ srflx", "typ prflx", "203.0.113.7", "127.0.0.1 "} {
					if strings.Contains(text, forbidden) {
						t.Errorf("%q was sent: %s", forbidden, text)
					}
				}
				for _, p := range c.engine.mux.Lister() {
					if !p.Addr().IsLoopback() && strings.Contains(text, p.Addr().String()) {
						t.Errorf("%s was sent", p.Addr())
					}
				}
				for _, a := range listening(c.engine) {
					if strings.Contains(text, fmt.Sprintf(" %d typ", a.Port())) {
						t.Errorf("port %d was sent", a.Port())
					}
				}
				if !strings.Contains(text, " "+mediatest.RelayedAt+" ") || !strings.Contains(text, "typ relay raddr 0.0.0.0 rport 0") {
					t.Error("nothing relayed was sent")
				}
			}
			if leak.Asked.Load() != 0 {
				t.Error("a STUN server was asked")
			}
			p := c.member("a").connection.Load()
			if l := p.path.Load(); l == nil || l.TURN() == nil {
				t.Errorf("path %+v", l)
			}
			if p.direct.Load() == nil {
				t.Error("media is not encrypted on our way")
			}
			if n := s.Asked.Load(); n != 1 {
				t.Errorf("credentials were asked for %d times", n)
			}
		})
	}
}

// onlyRelayed makes a guest that can't reach others, or be reached, but through the
// TURN server.
func onlyRelayed(o guestOptions) guestOptions {
	o.setting = func(s *webrtc.SettingEngine) {
		s.SetRemoteIPFilter(func(ip net.IP) bool { return ip.String() == mediatest.RelayedAt })
	}
	return o
}

func TestBlockedUDPBringsInTURN(t *testing.T) {
	s := mediatest.NewTURNServer(t)
	blocked := mediatest.NewSTUNServer(t, mediatest.Silent)
	c := newReachedCall(t, Options{TLS: s.TLS}, ICEConfig{STUN: []string{blocked.URL()}, Servers: s.Servers("tcp", "tls")}, nil)
	a := join(t, c, onlyRelayed(as("a")))
	b := join(t, c, as("b")) // on this network; must not be disturbed
	a.send()
	b.send()
	a.untilSees("b")
	b.untilSees("a")
	if l := c.member("a").connection.Load().path.Load(); l == nil || l.TURN() == nil {
		t.Errorf("path of a: %+v", l)
	}
	if l := c.member("b").connection.Load().path.Load(); l == nil || l.TURN() != nil {
		t.Errorf("path of b: %+v", l)
	}
}

// TestUDPThatIsBlockedLater loses the only path of a guest, and the STUN server
// with it, on a network whose addresses stay.
func TestUDPThatIsBlockedLater(t *testing.T) {
	s := mediatest.NewTURNServer(t)
	open := mediatest.NewSTUNServer(t, mediatest.Always("203.0.113.7:4242"))
	c := newReachedCall(t, Options{}, ICEConfig{STUN: []string{open.URL()}, Servers: s.Servers("tcp")}, nil)
	mediatest.Eventually(t, "an answer", func() bool { return len(c.outside.Reflexives()) > 0 })
	open.Set(mediatest.Silent)
	c.outside.Recheck()
	c.outside.Recheck() // has no effect, because once is enough
	a := join(t, c, onlyRelayed(as("a")))
	b := join(t, c, as("b"))
	a.send()
	b.send()
	a.untilSees("b")
	b.untilSees("a")
	open.Set(mediatest.Always("203.0.113.7:4242"))
	if !c.outside.NeedsTURN() {
		t.Error("UDP is not taken to be blocked")
	}
}

func TestOpenUDPNeedsNoTURN(t *testing.T) {
	s := mediatest.NewTURNServer(t)
	open := mediatest.NewSTUNServer(t, func(from netip.AddrPort) netip.AddrPort { return from })
	c := newReachedCall(t, Options{}, ICEConfig{STUN: []string{open.URL()}, Servers: s.Servers("udp")}, nil)
	a, b := join(t, c, as("a")), join(t, c, as("b"))
	a.send()
	b.untilSees("a")
	timer := time.NewTimer(time.Second + time.Second/2)
	defer timer.Stop()
	<-timer.C
	if s.Asked.Load() != 0 {
		t.Error("credentials were asked for")
	}
}

func TestALostAllocationIsReplaced(t *testing.T) {
	s := mediatest.NewTURNServer(t)
	c := newReachedCall(t, Options{}, ICEConfig{Servers: s.Servers("tcp"), RelayOnly: true}, nil)
	a, b := join(t, c, as("a")), join(t, c, as("b"))
	a.send()
	b.untilSees("a")
	first := c.outside.TURN()
	s.Cut()
	mediatest.Eventually(t, "another address", func() bool {
		next := c.outside.TURN()
		return next != nil && next != first
	})
	b.until("a restart", func() bool { return b.offers >= 2 })
	b.forget()
	b.untilSees("a")
	// The call notices a server that has forgotten us, or no longer takes our
	// credentials.
	second := c.outside.TURN()
	s.Refuse.Store(true)
	second.Recheck()
	mediatest.Eventually(t, "the loss", second.Over)
	s.Refuse.Store(false)
	mediatest.Eventually(t, "a third address", func() bool {
		next := c.outside.TURN()
		return next != nil && next != second
	})
	b.until("another restart", func() bool { return b.offers >= 3 })
	b.forget()
	b.untilSees("a")
}

func TestServersThatFailAreTriedAgain(t *testing.T) {
	s := mediatest.NewTURNServer(t)
	var tries atomic.Int32
	good := s.Servers("udp")
	c := newReachedCall(t, Options{}, ICEConfig{RelayOnly: true, Servers: func(ctx context.Context) ([]signalling.ICEServer, error) {
		switch tries.Add(1) {
		case 1:
			return nil, errors.New("the relay is away")
		default:
			return good(ctx)
		}
	}}, nil)
	o, sent := recorded(as("a"))
	a, b := join(t, c, o), join(t, c, as("b"))
	a.send()
	b.untilSees("a")
	if strings.Contains(sent.text(t), "typ host") {
		t.Error("an address was told while there was no server")
	}
}

// listening returns the addresses of the engine's sockets.
func listening(e *Engine) (all []netip.AddrPort) {
	for _, a := range (path.PeerMux{Mux: e.mux}).GetListenAddresses() {
		all = append(all, a.(*net.UDPAddr).AddrPort())
	}
	return all
}

// movable gives an engine addresses of the test's choice.
type movable struct {
	addresses atomic.Pointer[[]netip.Prefix]
}

func (m *movable) set(texts ...string) {
	all := make([]netip.Prefix, len(texts))
	for i, s := range texts {
		all[i] = netip.MustParsePrefix(s)
	}
	m.addresses.Store(&all)
}

func (m *movable) use(e *Engine) {
	e.mux.Lister = func() []netip.Prefix { return *m.addresses.Load() }
}

// has reports whether the path begins at an address.
func (p *peer) has(a string) bool {
	pair, err := p.ice().GetSelectedCandidatePair()
	return err == nil && pair != nil && pair.Local.Address == a
}

func TestAnotherNetworkRestartsICE(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs more than one loopback address, which Linux alone has without being asked")
	}
	network := new(movable)
	network.set("127.0.0.1/8")
	c := newReachedCall(t, Options{}, ICEConfig{}, network.use)
	a, b := join(t, c, as("a")), join(t, c, as("b"))
	a.send()
	b.untilSees("a")
	old := listening(c.engine)[0]

	network.set("127.0.0.3/8") // b's restart request does not come, because b has noticed nothing
	begin := time.Now()
	b.until("a restart", func() bool { return b.offers >= 2 })
	t.Logf("another offer after %v", time.Since(begin).Round(time.Millisecond))
	p := c.member("b").connection.Load()
	mediatest.Eventually(t, "a path from the new address", func() bool {
		return p.has("127.0.0.3") && p.alive(webrtc.PeerConnectionStateConnected)
	})
	t.Logf("connected again after %v", time.Since(begin).Round(time.Millisecond))
	b.forget()
	b.untilSees("a")
	mediatest.Eventually(t, "the old socket to be closed", func() bool {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(old))
		if err == nil {
			must(t, conn.Close())
		}
		return err == nil
	})

	// An additional address disturbs no guest.
	network.set("127.0.0.3/8", "127.0.0.4/8")
	mediatest.Eventually(t, "another socket", func() bool { return len(listening(c.engine)) == 2 })
	b.forget()
	b.untilSees("a")
	if !p.has("127.0.0.3") {
		t.Error("another path")
	}
}

func TestAnotherNetworkWhileThePathIsLost(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs more than one loopback address, which Linux alone has without being asked")
	}
	net := new(movable)
	net.set("127.0.0.1/8")
	c := newReachedCall(t, Options{}, ICEConfig{}, net.use)
	o, sent := recorded(as("b"))
	a, b := join(t, c, as("a")), join(t, c, o)
	a.send()
	b.untilSees("a")
	if !b.p.Alive() {
		t.Error("not alive in a call that stands")
	}
	b.cancel()
	b.wgReader.Wait()
	b.p.Detach(sent)

	net.set("127.0.0.3/8")
	p := c.member("b").connection.Load()
	mediatest.Eventually(t, "an offer that nobody gets", func() bool { return !p.alive(webrtc.PeerConnectionStateConnected) })
	if b.p.Alive() {
		t.Error("alive without a path")
	}
	if p.ask(func() bool { p.restartIfStranded(false); return p.restart }) {
		t.Error("another restart follows the one that is not answered yet")
	}
	b.reopen()
	resumed, err := b.p.Attach(b.out, true)
	must(t, err)
	if !resumed {
		t.Fatal("another connection")
	}
	b.start()
	mediatest.Eventually(t, "a path from the new address", func() bool {
		return p.has("127.0.0.3") && b.p.Alive()
	})
	b.forget()
	b.untilSees("a")
	b.p.Leave("")
	if b.p.Alive() {
		t.Error("alive after leaving")
	}
}
