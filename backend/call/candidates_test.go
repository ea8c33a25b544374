package call

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/call/description"
	"github.com/porch-call/porch/backend/call/stack"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/mediatest"
	"github.com/porch-call/porch/backend/signalling"
)

func hostCandidate(a string, port int) string {
	return fmt.Sprintf("candidate:1 1 udp 2130706431 %s %d typ host", a, port)
}

func TestCandidatesThatAreNotTried(t *testing.T) {
	stun := mediatest.NewSTUNServer(t, mediatest.Silent)
	c := newReachedCall(t, Options{}, ICEConfig{STUN: []string{stun.URL(), "stun:203.0.113.1:3478"}}, func(e *Engine) {
		e.mux.Lister = func() []netip.Prefix {
			return []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("192.168.7.5/24")}
		}
	})
	window := as("host")
	window.profile.Host = true
	guest, host := join(t, c, as("a")), join(t, c, window)
	mediatest.Eventually(t, "a question to the STUN server", func() bool { return stun.Asked.Load() > 0 })
	mediatest.Eventually(t, "the other's address", func() bool {
		return c.engine.stun.Asks(netip.MustParseAddrPort("203.0.113.1:3478"))
	})
	p := c.member(guest.p.ID()).connection.Load()
	for text, want := range map[string]bool{
		hostCandidate("192.0.2.1", 50000):                          true,
		hostCandidate("192.168.7.9", 50000):                        true,
		hostCandidate("192.168.7.5", 50000):                        true, // a guest on this computer
		hostCandidate("2001:db8::1", 50000):                        true,
		hostCandidate("203.0.113.1", 50000):                        true, // relayed
		hostCandidate("192.0.2.1", 443):                            true,
		hostCandidate("192.168.7.9", 443):                          false,
		hostCandidate("192.0.2.1", 53):                             false,
		hostCandidate("192.0.2.1", 0):                              false,
		hostCandidate("127.0.0.1", 50000):                          false,
		hostCandidate("127.8.8.8", 50000):                          false,
		hostCandidate("::1", 50000):                                false,
		hostCandidate("::ffff:127.0.0.1", 500):                     false,
		hostCandidate("0.0.0.0", 50000):                            false,
		hostCandidate("::", 50000):                                 false,
		hostCandidate("224.0.0.251", 5353):                         false,
		hostCandidate("ff02::fb", 5353):                            false,
		hostCandidate("fe80::1", 50000):                            false,
		hostCandidate("255.255.255.255", 5000):                     false,
		hostCandidate("192.168.7.255", 50000):                      false,
		hostCandidate("192.168.7.0", 50000):                        false,
		hostCandidate("203.0.113.1", 3478):                         false, // the relay itself
		hostCandidate("printer.local", 50000):                      false,
		hostCandidate("router.example", 50000):                     false,
		"candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active":  false,
		"candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype passive": false,
		"candidate:nonsense":                                       false,
		"":                                                         false,
	} {
		if got := p.acceptable(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	// The host's own window is this machine.
	if p := c.member(host.p.ID()).connection.Load(); !p.acceptable(hostCandidate("127.0.0.1", 50000)) {
		t.Error("the window's address is refused")
	}
}

// TestCandidatesAreBounded lets an admitted guest name a service of this machine,
// and thousands of addresses.
func TestCandidatesAreBounded(t *testing.T) {
	service, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	defer func() { must(t, service.Close()) }()
	c := newTestCall(t, Options{})
	out := newOutbox()
	participant, err := c.Join(Profile{ID: "a"}, out)
	must(t, err)
	// Another guest's answer will do, because no peer answers its checks.
	other := newGuest(t, c, as("b"))
	other.p = participant
	var offer signalling.Offer
	for offer.SDP == "" {
		if m, ok := (<-out).(signalling.Offer); ok {
			offer = m
		}
	}
	const many = 100 // signalling allows at most 128 in a section
	var lines strings.Builder
	for i := range many {
		fmt.Fprintf(&lines, "a=%s\r\n", hostCandidate(fmt.Sprintf("10.9.%d.%d", i/250, i%250+1), 50000))
	}
	port := service.LocalAddr().(*net.UDPAddr).Port
	must(t, participant.Handle(signalling.Candidate{Candidate: hostCandidate("127.0.0.1", port)}))
	must(t, other.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer.SDP}))
	answer, err := other.pc.CreateAnswer(nil)
	must(t, err)
	sdp := answer.SDP + lines.String() + "a=" + hostCandidate("127.0.0.1", port) + "\r\n"
	must(t, participant.Handle(signalling.Answer{Negotiation: offer.Negotiation, SDP: sdp[:min(len(sdp), signalling.MaxSDP)]}))
	for i := range 3 * maxCandidates {
		err := participant.Handle(signalling.Candidate{Candidate: hostCandidate(fmt.Sprintf("10.8.%d.%d", i/250, i%250+1), 50000)})
		if err != nil && fault.CodeOf(err) != fault.TooFast {
			t.Fatal(err)
		}
	}
	p := c.member("a").connection.Load()
	taken := make(chan int)
	mediatest.Eventually(t, "the answer and the candidates", func() bool {
		return p.enqueue(func() { taken <- len(p.taken) }) && <-taken == maxTaken
	})
	must(t, service.SetReadDeadline(time.Now().Add(500*time.Millisecond)))
	if n, from, err := service.ReadFromUDP(make([]byte, 1600)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d bytes from %v came to a service of this machine", n, from)
	}
	refused := 0
	for range 3 * restartBurst {
		if err := participant.Handle(signalling.Restart{}); fault.CodeOf(err) == fault.TooFast {
			refused++
		}
	}
	if refused < restartBurst {
		t.Errorf("%d of %d restarts refused", refused, 3*restartBurst)
	}
}

// TestLoopbackIsForThisComputer checks that a guest elsewhere is told none of this
// computer's loopback addresses, which would lead them to their own computer.
func TestLoopbackIsForThisComputer(t *testing.T) {
	told := func(elsewhere bool) (loopback, others int) {
		c := newReachedCall(t, Options{}, ICEConfig{}, func(e *Engine) {
			all := e.mux.Lister
			e.mux.Lister = func() []netip.Prefix { return append(all(), netip.MustParsePrefix("127.0.0.2/8")) }
		})
		options, record := recorded(as("a"))
		options.profile.Elsewhere = elsewhere
		join(t, c, options)
		ended := func() bool { // the end of candidates is a message as well
			record.mu.Lock()
			defer record.mu.Unlock()
			return slices.ContainsFunc(record.messages, func(m signalling.Message) bool {
				c, ok := m.(signalling.Candidate)
				return ok && c.Candidate == ""
			})
		}
		mediatest.Eventually(t, "the end of candidates", ended)
		for _, text := range record.candidates() {
			candidate, err := ice.UnmarshalCandidate(text)
			must(t, err)
			if netip.MustParseAddr(candidate.Address()).IsLoopback() {
				loopback++
			} else {
				others++
			}
		}
		return loopback, others
	}
	near, others := told(false)
	if near == 0 {
		t.Error("a guest on this computer is not told of its loopback addresses")
	}
	far, rest := told(true)
	if far != 0 || rest != others {
		t.Errorf("a guest elsewhere is told %d loopback addresses, and %d of %d others", far, rest, others)
	}
}

// TestCandidateBeforeItsAnswer checks that a candidate is kept if it overtakes its
// answer. Pion knows only the earlier description, and would drop it.
func TestCandidateBeforeItsAnswer(t *testing.T) {
	e, err := NewEngine(Options{})
	must(t, err)
	defer func() { must(t, e.Close()) }()
	c, err := e.NewCall(Hooks{}, ICEConfig{})
	must(t, err)
	g := join(t, c, as("a"))
	p := c.member(g.p.ID()).connection.Load()
	mediatest.Eventually(t, "a connection", func() bool { return p.connected.Load() })
	early := hostCandidate("192.0.2.77", 50000)
	on := func(f func()) {
		done := make(chan struct{})
		p.enqueue(func() { f(); close(done) })
		<-done
	}
	mediatest.Eventually(t, "an offer that is answered", func() (answered bool) {
		on(func() { answered = !p.outstanding && !p.sections.Lacking() })
		return answered
	})
	on(func() {
		p.restartICE(true)
		p.candidate(signalling.Candidate{Candidate: early})
		if !p.outstanding || len(p.early) != 1 || len(p.taken) != 0 {
			t.Errorf("outstanding: %v, %d are kept, %d are tried", p.outstanding, len(p.early), len(p.taken))
		}
	})
	mediatest.Eventually(t, "the candidate to be tried", func() (tried bool) {
		on(func() { tried = slices.Contains(p.taken, early) })
		return tried
	})
}

// TestADirectWayIsWaitedFor checks that a path that may lead through a TURN server
// waits for a direct one, at most for stack.RelayWait.
func TestADirectWayIsWaitedFor(t *testing.T) {
	relayed, direct := netip.MustParseAddrPort("198.51.100.1:50000"), netip.MustParseAddrPort("198.51.100.7:4242")
	p := description.Preference{Wait: stack.RelayWait, Limit: maxTaken}
	now := time.Now()
	p.Learn("candidate:1 1 udp 1 198.51.100.1 50000 typ relay raddr 0.0.0.0 rport 0")
	if p.Good(relayed, now) || p.Good(direct, now) {
		t.Error("an unknown way is taken at once")
	}
	p.Learn("candidate:2 1 udp 2 198.51.100.7 4242 typ srflx raddr 0.0.0.0 rport 0")
	if !p.Good(direct, now.Add(stack.RelayWait/2)) {
		t.Error("a direct way is not taken at once")
	}
	if p.Good(relayed, now.Add(stack.RelayWait-1)) || !p.Good(relayed, now.Add(stack.RelayWait)) {
		t.Error("not the wait that was meant")
	}
	p.Reset()
	if p.Good(direct, now.Add(stack.RelayWait)) {
		t.Error("something is known of an earlier offer")
	}
}
