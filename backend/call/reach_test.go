package call

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/kit/pionlog"
	"github.com/porch-call/porch/backend/signalling"
)

// recorder keeps every message that goes through it.
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

// candidates returns the texts of those that were sent.
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
			_, offered := splitCandidates(m.SDP)
			texts = append(texts, offered...)
		}
	}
	return texts
}

// recorded returns options whose messages are kept.
func recorded(o guestOptions) (guestOptions, *recorder) {
	r := new(recorder)
	o.wrap = func(out Outbox) Outbox {
		r.Outbox = out
		return r
	}
	return o, r
}

// eventually waits until ok.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			tb.Fatal("waited in vain for: " + what)
		}
		<-tick.C
	}
}

// fakeSTUN answers binding requests with what mapped returns; nothing if
// that is not valid.
type fakeSTUN struct {
	conn   *net.UDPConn
	asked  atomic.Int32
	mu     sync.Mutex
	mapped func(from netip.AddrPort) netip.AddrPort
	asker  netip.AddrPort // who asked last
}

func newFakeSTUN(tb testing.TB, mapped func(netip.AddrPort) netip.AddrPort) *fakeSTUN {
	tb.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(tb, err)
	s := &fakeSTUN{conn: conn, mapped: mapped}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, maxDatagram)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			m := stun.Message{Raw: b[:n]}
			if m.Decode() != nil || m.Type != stun.BindingRequest {
				continue
			}
			s.asked.Add(1)
			s.mu.Lock()
			a := s.mapped(from)
			s.asker = from
			s.mu.Unlock()
			if a.IsValid() {
				_, _ = conn.WriteToUDPAddrPort(bindingAnswer(tb, m.TransactionID, a), from)
			}
		}
	}()
	tb.Cleanup(func() {
		must(tb, conn.Close())
		<-done
	})
	return s
}

func (s *fakeSTUN) url() string { return "stun:" + s.conn.LocalAddr().String() }

func (s *fakeSTUN) lastAsker() netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asker
}

func (s *fakeSTUN) set(mapped func(netip.AddrPort) netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mapped = mapped
}

func bindingAnswer(tb testing.TB, id [stun.TransactionIDSize]byte, a netip.AddrPort) []byte {
	m, err := stun.Build(stun.BindingSuccess, stun.NewTransactionIDSetter(id),
		&stun.XORMappedAddress{IP: a.Addr().AsSlice(), Port: int(a.Port())}, stun.Fingerprint)
	if err != nil {
		tb.Error(err)
		return nil
	}
	return m.Raw
}

func always(a string) func(netip.AddrPort) netip.AddrPort {
	p := netip.MustParseAddrPort(a)
	return func(netip.AddrPort) netip.AddrPort { return p }
}

func silent(netip.AddrPort) netip.AddrPort { return netip.AddrPort{} }

// newReachedCall returns a call of an engine that prepare may change first.
func newReachedCall(tb testing.TB, o Options, r Reach, prepare func(*Engine)) *Call {
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
	s := newFakeSTUN(t, always("203.0.113.7:4242"))
	c := newReachedCall(t, Options{}, Reach{STUN: []string{s.url(), "nonsense", "stuns:example.org:1"}}, nil)
	o, sent := recorded(as("a"))
	a := join(t, c, o)
	var text string
	eventually(t, "a reflexive candidate", func() bool {
		for _, text = range sent.candidates() {
			if strings.Contains(text, " 203.0.113.7 4242 typ srflx ") {
				return true
			}
		}
		return false
	})
	a.send()
	a.until("an offer", func() bool { return a.offers > 0 })
	ufrag := ufragOf(a.pc.RemoteDescription().SDP)
	if ufrag == "" || !strings.HasSuffix(text, " ufrag "+ufrag) {
		t.Errorf("%s is not of %s", text, ufrag)
	}
	// The host's own window is on this machine, and is told of no other address.
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
	s := newFakeSTUN(t, always("203.0.113.7:4242"))
	c := newReachedCall(t, Options{}, Reach{STUN: []string{s.url()}}, func(e *Engine) {
		e.network.refresh = 30 * time.Millisecond
	})
	o, sent := recorded(as("a"))
	a := join(t, c, o)
	a.send()
	p := c.member("a").connection.Load()
	eventually(t, "a path", func() bool { return p.path.Load() != nil && p.alive(webrtc.PeerConnectionStateConnected) })
	socket := p.path.Load().socket
	s.set(always("203.0.113.8:4343"))
	eventually(t, "the new address", func() bool {
		return strings.Contains(sent.text(t), "203.0.113.8 4343 typ srflx")
	})
	asker := s.lastAsker()
	for _, other := range *c.engine.mux.list.Load() {
		if other.local == asker {
			eventually(t, "a count of rebindings", func() bool { return other.rebound.Load() > 0 })
		}
	}
	if !p.strandedBy(socket.rebound.Load()+1, netip.MustParseAddrPort("198.51.100.1:9")) {
		t.Error("a guest beyond the NAT is not stranded by a rebinding")
	}
	eventually(t, "a guest on this network is not", func() bool { // while a itself is not restarted
		return !p.strandedBy(socket.rebound.Load()+1, netip.MustParseAddrPort("192.168.1.1:9"))
	})
}

func TestBeyondNAT(t *testing.T) {
	for address, want := range map[string]bool{
		"198.51.100.1": true, "2001:db8::1": true,
		"192.168.1.1": false, "10.1.2.3": false, "fd00::2": false, // of this network
		"127.0.0.1": false, "::1": false, "169.254.1.1": false, "fe80::1": false,
	} {
		if got := beyondNAT(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}

// strandedBy asks whether a path to remote, chosen at that count of rebindings,
// would be dead.
func (p *peer) strandedBy(rebound int32, remote netip.AddrPort) bool {
	l := *p.path.Load()
	l.rebound, l.remote = rebound, remote
	return p.ask(func() bool {
		old := p.path.Swap(&l)
		defer p.path.Store(old)
		return p.stranded()
	})
}

// ask returns what f does on the peer's goroutine.
func (p *peer) ask(f func() bool) bool {
	answer := make(chan bool, 1)
	p.do(func() { answer <- f() })
	return <-answer
}

func TestPrepareAsksBeforeTheCall(t *testing.T) {
	s := newFakeSTUN(t, always("203.0.113.7:4242"))
	e, err := NewEngine(Options{})
	must(t, err)
	defer func() { must(t, e.Close()) }()
	stop := e.Prepare([]string{s.url()}, nil)
	defer stop()
	w, unwatch := e.network.watch([]string{s.url()}, nil, nil)
	defer unwatch()
	eventually(t, "an answer", func() bool { return len(e.network.reflexives(w)) == 1 })
	unwatch()
	c, err := e.NewCall(Hooks{}, Reach{STUN: []string{s.url()}})
	must(t, err)
	stop()
	stop()
	options, record := recorded(as("a"))
	join(t, c, options)
	eventually(t, "an offer with the answer", func() bool {
		return slices.ContainsFunc(record.candidates(), func(text string) bool { return strings.Contains(text, "203.0.113.7 4242 typ srflx") })
	})
	c.Close(signalling.EndEnded)
	if len(e.network.servers) != 0 || len(e.network.watchers) != 0 {
		t.Errorf("%d servers are still asked", len(e.network.servers))
	}
}

func TestOnlyAnswersToQuestionsAreTaken(t *testing.T) {
	s := newFakeSTUN(t, silent)
	stranger, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	defer func() { must(t, stranger.Close()) }()
	e, err := NewEngine(Options{})
	must(t, err)
	defer func() { must(t, e.Close()) }()
	n := e.network
	w, stop := n.watch([]string{s.url()}, nil, nil)
	defer stop()
	eventually(t, "silence", func() bool { return n.blocked(w) })

	server := s.conn.LocalAddr().(*net.UDPAddr).AddrPort()
	n.mu.Lock()
	var id [stun.TransactionIDSize]byte
	var socket *udpSocket
	for key, p := range n.servers[w.servers[0]].probes {
		id, socket = p.id, key.socket
		p.next = time.Now().Add(never) // the question stays the same
		p.open = true
	}
	n.mu.Unlock()
	good := netip.MustParseAddrPort("203.0.113.7:4242")
	wrong := id
	wrong[0]++
	for what, refused := range map[string]bool{
		"another's address":  n.answer(socket, bindingAnswer(t, id, good), stranger.LocalAddr().(*net.UDPAddr).AddrPort()),
		"another's question": n.answer(socket, bindingAnswer(t, wrong, good), server),
	} {
		if refused {
			t.Errorf("an answer from %s was taken", what)
		}
	}
	if !n.blocked(w) {
		t.Error("a wrong answer ends the silence")
	}
	if !n.answer(socket, bindingAnswer(t, id, good), server) || len(n.reflexives(w)) != 1 || n.blocked(w) {
		t.Error("the right answer was not taken")
	}
	if n.answer(socket, bindingAnswer(t, id, netip.MustParseAddrPort("203.0.113.9:1")), server) {
		t.Error("a second answer was taken")
	}
	for _, bad := range []string{"224.0.0.1:5", "0.0.0.0:5", "127.0.0.1:5", "169.254.1.1:5", "[2001:db8::1]:5", "203.0.113.7:0"} {
		b := bindingAnswer(t, id, netip.MustParseAddrPort(bad))
		if got := mappedAddress(b, netip.MustParseAddr("192.168.1.5"), server.Addr()); got.IsValid() {
			t.Errorf("%s was believed", bad)
		}
	}
	for mapped, believed := range map[string]bool{"192.168.1.9:5": false, "100.64.0.1:5": false, "198.51.100.3:5": true} {
		b := bindingAnswer(t, id, netip.MustParseAddrPort(mapped))
		if got := mappedAddress(b, netip.MustParseAddr("192.168.1.5"), netip.MustParseAddr("198.51.100.2")); got.IsValid() != believed {
			t.Errorf("a server on the internet says %s: %v", mapped, got)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(bindingAnswer(f, [12]byte{1}, netip.MustParseAddrPort("203.0.113.7:4242")))
	f.Add([]byte{1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42})
	local := netip.MustParseAddr("192.168.1.5")
	f.Fuzz(func(t *testing.T, b []byte) {
		if !stun.IsMessage(b) {
			return
		}
		if a := mappedAddress(b, local, local); a.IsValid() && (!a.Addr().Is4() || a.Port() == 0 || a.Addr().IsMulticast()) {
			t.Errorf("%s", a)
		}
	})
}

func FuzzSplitCandidates(f *testing.F) {
	f.Add("v=0\r\na=candidate:1 1 udp 1 192.0.2.1 5 typ host\r\na=end-of-candidates\r\nm=audio\n")
	f.Fuzz(func(t *testing.T, sdp string) {
		rest, all := splitCandidates(sdp)
		for line := range strings.Lines(rest) {
			if strings.HasPrefix(line, candidateLine) {
				t.Errorf("%q is left", line)
			}
		}
		if len(rest) > len(sdp) || len(all) > len(sdp)/len(candidateLine) {
			t.Errorf("%d bytes, %d candidates of %d bytes", len(rest), len(all), len(sdp))
		}
		ufragOf(sdp)
	})
}

// turnServer is a real TURN server on this computer that relays at 127.0.0.2,
// an address that the engine's own candidates don't have.
type turnServer struct {
	urls   map[string]string // by way
	tls    *tls.Config       // of its clients
	server *turn.Server
	asked  atomic.Int32 // for credentials
	refuse atomic.Bool
}

const relayedAt = "127.0.0.2"

func newTURNServer(tb testing.TB) *turnServer {
	tb.Helper()
	if runtime.GOOS != "linux" {
		tb.Skip("needs a second loopback address, which Linux alone has without being asked")
	}
	certificate, pool := newTestCertificate(tb)
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	must(tb, err)
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	must(tb, err)
	secured, err := tls.Listen("tcp4", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	must(tb, err)
	relay := &turn.RelayAddressGeneratorStatic{RelayAddress: net.ParseIP(relayedAt), Address: relayedAt}
	s := &turnServer{
		tls: &tls.Config{RootCAs: pool},
		urls: map[string]string{
			"udp": fmt.Sprintf("turn:%s?transport=udp", udp.LocalAddr()),
			"tcp": fmt.Sprintf("turn:%s?transport=tcp", tcp.Addr()),
			"tls": fmt.Sprintf("turns:%s?transport=tcp", secured.Addr()),
		},
	}
	s.server, err = turn.NewServer(turn.ServerConfig{
		Realm: "porch", LoggerFactory: pionlog.New(slog.New(slog.DiscardHandler)),
		AuthHandler: func(a *turn.RequestAttributes) (string, []byte, bool) {
			return a.Username, turn.GenerateAuthKey(a.Username, "porch", "password"), !s.refuse.Load()
		},
		PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: udp, RelayAddressGenerator: relay}},
		ListenerConfigs: []turn.ListenerConfig{
			{Listener: tcp, RelayAddressGenerator: relay}, {Listener: secured, RelayAddressGenerator: relay},
		},
	})
	must(tb, err)
	tb.Cleanup(func() { _ = s.server.Close() })
	return s
}

// servers gives out the ways with these names.
func (s *turnServer) servers(ways ...string) func(context.Context) ([]signalling.ICEServer, error) {
	return func(context.Context) ([]signalling.ICEServer, error) {
		s.asked.Add(1)
		var urls []string
		for _, w := range ways {
			urls = append(urls, s.urls[w])
		}
		return []signalling.ICEServer{{URLs: urls, Username: "user", Credential: "password"}}, nil
	}
}

func newTestCertificate(tb testing.TB) (tls.Certificate, *x509.CertPool) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(tb, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(tb, err)
	leaf, err := x509.ParseCertificate(der)
	must(tb, err)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestRelayOnlyTellsNoAddressOfThisMachine(t *testing.T) {
	for _, way := range []string{"udp", "tcp", "tls"} {
		t.Run(way, func(t *testing.T) {
			s := newTURNServer(t)
			leak := newFakeSTUN(t, always("203.0.113.7:4242"))
			c := newReachedCall(t, Options{TLS: s.tls}, Reach{
				STUN: []string{leak.url()}, Servers: s.servers(way), RelayOnly: true,
			}, nil)
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
				for _, p := range localAddresses() {
					if !p.Addr().IsLoopback() && strings.Contains(text, p.Addr().String()) {
						t.Errorf("%s was sent", p.Addr())
					}
				}
				for _, socket := range *c.engine.mux.list.Load() {
					if strings.Contains(text, fmt.Sprintf(" %d typ", socket.local.Port())) {
						t.Errorf("port %d was sent", socket.local.Port())
					}
				}
				if !strings.Contains(text, " "+relayedAt+" ") || !strings.Contains(text, "typ relay raddr 0.0.0.0 rport 0") {
					t.Error("nothing relayed was sent")
				}
			}
			if leak.asked.Load() != 0 {
				t.Error("a STUN server was asked")
			}
			p := c.member("a").connection.Load()
			if l := p.path.Load(); l == nil || l.socket.relay == nil {
				t.Errorf("path %+v", l)
			}
			if p.direct.Load() == nil {
				t.Error("media is not encrypted on our way")
			}
			if n := s.asked.Load(); n != 1 {
				t.Errorf("credentials were asked for %d times", n)
			}
		})
	}
}

// onlyRelayed makes a guest that can't be reached, and reaches nobody, but through
// the TURN server.
func onlyRelayed(o guestOptions) guestOptions {
	o.setting = func(s *webrtc.SettingEngine) {
		s.SetRemoteIPFilter(func(ip net.IP) bool { return ip.String() == relayedAt })
	}
	return o
}

func TestBlockedUDPBringsInTURN(t *testing.T) {
	s := newTURNServer(t)
	blocked := newFakeSTUN(t, silent)
	c := newReachedCall(t, Options{TLS: s.tls}, Reach{STUN: []string{blocked.url()}, Servers: s.servers("tcp", "tls")}, nil)
	a := join(t, c, onlyRelayed(as("a")))
	b := join(t, c, as("b")) // on this network, and not disturbed
	a.send()
	b.send()
	a.untilSees("b")
	b.untilSees("a")
	if l := c.member("a").connection.Load().path.Load(); l == nil || l.socket.relay == nil {
		t.Errorf("path of a: %+v", l)
	}
	if l := c.member("b").connection.Load().path.Load(); l == nil || l.socket.relay != nil {
		t.Errorf("path of b: %+v", l)
	}
}

// TestUDPThatIsBlockedLater loses the only path of a guest, and the STUN server
// with it, on a network whose addresses stay.
func TestUDPThatIsBlockedLater(t *testing.T) {
	s := newTURNServer(t)
	open := newFakeSTUN(t, func(from netip.AddrPort) netip.AddrPort { return from })
	c := newReachedCall(t, Options{}, Reach{STUN: []string{open.url()}, Servers: s.servers("tcp")}, nil)
	eventually(t, "an answer", func() bool { return !c.engine.network.quiet(c.watcher) })
	open.set(silent)
	c.engine.network.doubt(c.watcher)
	c.engine.network.doubt(c.watcher) // once is enough
	a := join(t, c, onlyRelayed(as("a")))
	b := join(t, c, as("b"))
	a.send()
	b.send()
	a.untilSees("b")
	b.untilSees("a")
	open.set(func(from netip.AddrPort) netip.AddrPort { return from })
	if !c.needsRelay() {
		t.Error("UDP is not taken to be blocked")
	}
}

// quiet reports whether none of w's servers has answered.
func (n *network) quiet(w *watcher) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, name := range w.servers {
		if n.servers[name].answered {
			return false
		}
	}
	return true
}

func TestOpenUDPNeedsNoTURN(t *testing.T) {
	s := newTURNServer(t)
	open := newFakeSTUN(t, func(from netip.AddrPort) netip.AddrPort { return from })
	c := newReachedCall(t, Options{}, Reach{STUN: []string{open.url()}, Servers: s.servers("udp")}, nil)
	a, b := join(t, c, as("a")), join(t, c, as("b"))
	a.send()
	b.untilSees("a")
	timer := time.NewTimer(silence + silence/2)
	defer timer.Stop()
	<-timer.C
	if s.asked.Load() != 0 {
		t.Error("credentials were asked for")
	}
}

func TestALostAllocationIsReplaced(t *testing.T) {
	s := newTURNServer(t)
	c := newReachedCall(t, Options{}, Reach{Servers: s.servers("tcp"), RelayOnly: true}, nil)
	a, b := join(t, c, as("a")), join(t, c, as("b"))
	a.send()
	b.untilSees("a")
	first := c.relay.Load()
	must(t, first.base.Close())
	eventually(t, "another address", func() bool {
		next := c.relay.Load()
		return next != nil && next != first
	})
	b.until("a restart", func() bool { return b.offers >= 2 })
	b.forget()
	b.untilSees("a")
	// A server that has forgotten us, or takes our credentials no longer, is found out.
	second := c.relay.Load()
	s.refuse.Store(true)
	second.doubt()
	eventually(t, "the loss", second.over)
	s.refuse.Store(false)
	eventually(t, "a third address", func() bool {
		next := c.relay.Load()
		return next != nil && next != second
	})
	b.until("another restart", func() bool { return b.offers >= 3 })
	b.forget()
	b.untilSees("a")
}

func TestServersThatFailAreTriedAgain(t *testing.T) {
	s := newTURNServer(t)
	var tries atomic.Int32
	good := s.servers("udp")
	c := newReachedCall(t, Options{}, Reach{RelayOnly: true, Servers: func(ctx context.Context) ([]signalling.ICEServer, error) {
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

func TestTURNNeedsItsCertificate(t *testing.T) {
	s := newTURNServer(t)
	e, err := NewEngine(Options{}) // does not know the authority
	must(t, err)
	defer func() { must(t, e.Close()) }()
	servers, err := s.servers("tls")(t.Context())
	must(t, err)
	if _, err := e.allocate(t.Context(), servers, nil); err == nil || strings.Contains(err.Error(), "password") {
		t.Errorf("%v", err)
	}
	if _, err := e.allocate(t.Context(), []signalling.ICEServer{{URLs: []string{s.urls["udp"]}}}, nil); err == nil {
		t.Error("an allocation without credentials")
	}
}

func TestTURNWays(t *testing.T) {
	got := turnWays([]signalling.ICEServer{
		{URLs: []string{"turn:a.example", "nonsense", "stun:a.example", "turns:a.example:443?transport=tcp", "turns:a.example?transport=udp"}, Username: "u", Credential: "c"},
		{URLs: []string{"turn:b.example"}},
		{URLs: slices.Repeat([]string{"turn:c.example?transport=tcp"}, 20), Username: "u", Credential: "c"},
	})
	if len(got) != maxTURN || got[0].uri.Host != "a.example" || got[1].uri.Port != 443 || got[2].uri.Host != "c.example" {
		t.Errorf("%d ways: %+v", len(got), got)
	}
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
	e.mux.mu.Lock()
	defer e.mux.mu.Unlock()
	e.mux.lister = func() []netip.Prefix { return *m.addresses.Load() }
}

// has reports whether the path begins at an address.
func (p *peer) has(a string) bool { return p.path.Load().socket.local.Addr().String() == a }

func TestAnotherNetworkRestartsICE(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs more than one loopback address, which Linux alone has without being asked")
	}
	net := new(movable)
	net.set("127.0.0.1/8")
	c := newReachedCall(t, Options{}, Reach{}, net.use)
	a, b := join(t, c, as("a")), join(t, c, as("b"))
	a.send()
	b.untilSees("a")
	old := c.engine.mux.addresses()[0]

	net.set("127.0.0.3/8") // b's restart request does not come: b has noticed nothing
	begin := time.Now()
	b.until("a restart", func() bool { return b.offers >= 2 })
	t.Logf("another offer after %v", time.Since(begin).Round(time.Millisecond))
	p := c.member("b").connection.Load()
	eventually(t, "a path from the new address", func() bool {
		return p.has("127.0.0.3") && p.alive(webrtc.PeerConnectionStateConnected)
	})
	t.Logf("connected again after %v", time.Since(begin).Round(time.Millisecond))
	b.forget()
	b.untilSees("a")
	eventually(t, "the old socket to be closed", func() bool { return !slices.Contains(*c.engine.mux.list.Load(), old) })

	// An address more disturbs nobody.
	net.set("127.0.0.3/8", "127.0.0.4/8")
	eventually(t, "another socket", func() bool { return len(*c.engine.mux.list.Load()) == 2 })
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
	c := newReachedCall(t, Options{}, Reach{}, net.use)
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
	eventually(t, "an offer that nobody gets", func() bool { return !p.alive(webrtc.PeerConnectionStateConnected) })
	if b.p.Alive() {
		t.Error("alive without a path")
	}
	if p.ask(func() bool { p.unstrand(false); return p.restart }) {
		t.Error("another restart follows the one that is not answered yet")
	}
	b.reopen()
	resumed, err := b.p.Attach(b.out, true)
	must(t, err)
	if !resumed {
		t.Fatal("another connection")
	}
	b.start()
	eventually(t, "a path from the new address", func() bool {
		return p.has("127.0.0.3") && b.p.Alive()
	})
	b.forget()
	b.untilSees("a")
	b.p.Leave("")
	if b.p.Alive() {
		t.Error("alive after leaving")
	}
}
