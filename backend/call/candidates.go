package call

import (
	"fmt"
	"hash/crc32"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/signalling"
)

// Candidates of a peer (RFC 8445), in both directions. Pion's descriptions lose
// theirs, so that one place decides what leaves: own ones that are there at once
// go with the offer, and the others as they become known (RFC 8838). Those of the
// other side are taken out, so that one place decides what is tried. This file's
// methods run on the peer's goroutine.

const (
	maxCandidates = 128 // messages from one side, per offer
	maxTaken      = 48  // addresses of one side that are tried, per offer
	takenEvery    = 2 * time.Second
	takenBurst    = 96
	maxOwn        = 64

	// gatherPatience is how long an offer waits at most for candidates to take
	// along. Those of the engine's sockets take a millisecond, more on a machine
	// that is busy; what servers have to be asked for may come later.
	gatherPatience = 30 * time.Millisecond
)

// candidateLine begins a candidate in a description (RFC 8839 section 5.1).
const candidateLine = "a=candidate:"

// splitCandidates takes the candidates out of a description.
func splitCandidates(sdp string) (rest string, candidates []string) {
	var b strings.Builder
	b.Grow(len(sdp))
	for line := range strings.Lines(sdp) {
		switch bare := strings.TrimRight(line, "\r\n"); {
		case strings.HasPrefix(bare, candidateLine):
			candidates = append(candidates, strings.TrimPrefix(bare, "a="))
		case bare == "a=end-of-candidates":
		default:
			b.WriteString(line)
		}
	}
	return b.String(), candidates
}

// joinCandidates puts candidates into the first section of a description without
// any: the others are bundled with it.
func joinCandidates(sdp string, candidates []string) string {
	end := len(sdp)
	if first := strings.Index(sdp, "\r\nm="); first >= 0 {
		if second := strings.Index(sdp[first+2:], "\r\nm="); second >= 0 {
			end = first + 2 + second + 2
		}
	}
	var b strings.Builder
	b.WriteString(sdp[:end])
	for _, c := range candidates {
		b.WriteString("a=" + c + "\r\n")
	}
	b.WriteString(sdp[end:])
	return b.String()
}

// ufragOf returns the user name fragment of our description.
func ufragOf(sdp string) string {
	for line := range strings.Lines(sdp) {
		if u, ok := strings.CutPrefix(line, "a=ice-ufrag:"); ok {
			return strings.TrimRight(u, "\r\n")
		}
	}
	return ""
}

// Priorities of candidates (RFC 8445 section 5.1.2.1), of the best local
// preference and the only component.
const (
	reflexivePriority = 100<<24 | 65535<<8 | 255
	relayedPriority   = 0<<24 | 65535<<8 | 255
)

// candidateText returns a candidate whose base is one of our sockets. hide leaves
// the base out.
func candidateText(kind string, priority uint32, a, base netip.AddrPort, hide bool, ufrag string) string {
	foundation := crc32.ChecksumIEEE([]byte(kind + base.Addr().String()))
	related := base
	if hide {
		related = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	}
	return fmt.Sprintf("candidate:%d 1 udp %d %s %d typ %s raddr %s rport %d ufrag %s",
		foundation, priority, a.Addr(), a.Port(), kind, related.Addr(), related.Port(), ufrag)
}

// describe begins what belongs to a description of ours, with the candidates that
// are there at once. They go with the offer: the other side need not read messages
// of their own before it can begin its checks. In a restart those of pion's
// description may still be the old ones, so the new ones trickle.
func (p *peer) describe(sdp string, gathered <-chan struct{}) {
	first := p.ufrag == ""
	if u := ufragOf(sdp); u != p.ufrag {
		p.ufrag = u
		p.own = nil
	}
	if first {
		p.gather(gathered)
	}
	for _, text := range p.reflexives() {
		p.own = p.withOwn(text)
	}
}

// gather takes what pion finds at once, for the first description.
func (p *peer) gather(gathered <-chan struct{}) {
	late := time.NewTimer(gatherPatience)
	defer late.Stop()
	select {
	case <-gathered:
	case <-late.C:
	}
	_, found := splitCandidates(p.pc.LocalDescription().SDP)
	for _, text := range found {
		c, err := ice.UnmarshalCandidate(text)
		if err == nil && c.Component() == ice.ComponentRTP { // pion repeats all for RTCP, which is multiplexed
			p.own = p.withOwn(p.leaving(text, c.Address(), c.Port()))
		}
	}
}

// ownCandidate takes a candidate of pion's, nil for the end of them.
func (p *peer) ownCandidate(c *webrtc.ICECandidate) {
	if c == nil {
		// With servers more may come at any time.
		if p.outside == nil || len(p.call.iceConfig.STUN) == 0 && p.call.iceConfig.Servers == nil {
			p.call.post(func() { p.call.toPeer(p, signalling.Candidate{}) })
		}
		return
	}
	p.announce(p.leaving(c.ToJSON().Candidate, c.Address, int(c.Port)))
}

// leaving returns how a candidate of pion's is told to the other side, "" for one
// that is not.
func (p *peer) leaving(text, address string, port int) string {
	a, err := netip.ParseAddr(address)
	if err != nil || p.call.engine.mux == nil {
		return text
	}
	local := netip.AddrPortFrom(a.Unmap(), uint16(port))
	switch {
	case p.sockets().Relayed(local): // see path.PeerMux.GetListenAddresses
		return candidateText("relay", relayedPriority, local, local, true, p.ufrag)
	case p.relayOnly:
		return ""
	}
	return text
}

// reflexives returns what STUN servers have said of our sockets.
func (p *peer) reflexives() (texts []string) {
	if p.outside == nil || p.relayOnly || p.ufrag == "" {
		return nil
	}
	for _, r := range p.outside().reflexives {
		texts = append(texts, candidateText("srflx", reflexivePriority, r.Mapped, r.Base, false, p.ufrag))
	}
	return texts
}

// offerReflexives offers them.
func (p *peer) offerReflexives() {
	for _, text := range p.reflexives() {
		p.announce(text)
	}
}

// announce sends a candidate of ours, once.
func (p *peer) announce(text string) {
	own := p.withOwn(text)
	if len(own) > len(p.own) {
		p.own = own
		p.sendCandidate(text)
	}
}

// withOwn returns own with a candidate that is new there.
func (p *peer) withOwn(text string) []string {
	if text == "" || len(p.own) >= maxOwn || slices.Contains(p.own, text) {
		return p.own
	}
	return append(p.own, text)
}

// sendCandidate sends a candidate behind the offer that it belongs to.
func (p *peer) sendCandidate(text string) {
	mid, line, ufrag := "0", uint16(0), p.ufrag
	message := signalling.Candidate{Candidate: text, SDPMid: &mid, SDPMLineIndex: &line}
	if ufrag != "" {
		message.UsernameFragment = &ufrag
	}
	p.call.post(func() { p.call.toPeer(p, message) })
}

// candidate takes a candidate of the other side.
func (p *peer) candidate(c signalling.Candidate) {
	if p.remote++; p.remote > maxCandidates || c.Candidate == "" {
		return
	}
	init := webrtc.ICECandidateInit{
		Candidate: c.Candidate, SDPMid: c.SDPMid, SDPMLineIndex: c.SDPMLineIndex,
		UsernameFragment: c.UsernameFragment,
	}
	if p.outstanding {
		// It may belong to the answer that is to come, which alone says so: pion
		// drops what does not belong to the description that it has.
		p.early = append(p.early, init)
		return
	}
	p.addCandidate(init)
}

func (p *peer) addCandidate(init webrtc.ICECandidateInit) {
	if !p.acceptable(init.Candidate) || slices.Contains(p.taken, init.Candidate) {
		return
	}
	if len(p.taken) >= maxTaken || !p.takes.Allow() {
		return
	}
	p.taken = append(p.taken, init.Candidate)
	p.preference.learn(init.Candidate)
	if err := p.pc.AddICECandidate(init); err != nil {
		// One that can't be used leaves the others.
		p.call.engine.logger.Debug("candidate of a participant", "err", err)
	}
}

// pathPreference is what is known of the ways to the other side while none is taken.
type pathPreference struct {
	mu     sync.Mutex
	direct []netip.AddrPort // candidates of the other side that are none of a TURN server
	first  time.Time        // when another address answered first, zero before
}

func (p *pathPreference) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.direct, p.first = nil, time.Time{}
}

// learn takes a candidate of the other side.
func (p *pathPreference) learn(text string) {
	c, err := ice.UnmarshalCandidate(text)
	if err != nil || c.Type() == ice.CandidateTypeRelay {
		return
	}
	a, err := netip.ParseAddr(c.Address())
	if err != nil {
		return // an mDNS name
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.direct) >= maxTaken {
		return
	}
	p.direct = append(p.direct, netip.AddrPortFrom(a.Unmap(), uint16(c.Port())))
}

// good reports whether the way to an address is to be taken now: it is direct, or
// none of those has come up within relayWait after the first that may not be.
func (p *pathPreference) good(from netip.AddrPort, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.Contains(p.direct, from) {
		return true
	}
	if p.first.IsZero() {
		p.first = now
	}
	return now.Sub(p.first) >= relayWait
}

// answeredBy runs on a socket's goroutine when one of our checks may have been
// answered, and reports whether the agent is to know. The agent would take the first
// way that it finds, and on a slow computer that is by a TURN server as often as not:
// an answer that may have come by one is lost for a moment. The agent asks again.
func (p *peer) answeredBy(from netip.AddrPort) bool {
	return p.call.iceConfig.Servers == nil || p.relayOnly ||
		p.pc.ICEConnectionState() != webrtc.ICEConnectionStateChecking ||
		p.preference.good(from, time.Now())
}

// maxForcedRounds is for the life of a peer: a stranger can forge answers.
const maxForcedRounds = 64

// answered runs on a socket's goroutine when one of our checks may have been
// answered.
func (p *peer) answered() {
	if p.pc.ICEConnectionState() != webrtc.ICEConnectionStateChecking || p.roundForced.Swap(true) {
		return
	}
	if !p.enqueue(p.forceCheckRound) {
		p.roundForced.Store(false)
	}
}

// forceCheckRound has the agent nominate the pair that has just been found valid. By itself
// it waits for another check of the other side, which browsers send every 48 ms, or
// for its own next round, up to 200 ms. A candidate begins a round at once; this one
// is nobody's: TCP is not tried.
func (p *peer) forceCheckRound() {
	p.roundForced.Store(false)
	if p.forcedRounds == maxForcedRounds || p.pc.ICEConnectionState() != webrtc.ICEConnectionStateChecking {
		return
	}
	p.forcedRounds++
	text := fmt.Sprintf("candidate:0 1 tcp 1 0.0.0.0 %d typ host tcptype passive", p.forcedRounds)
	if err := p.pc.AddICECandidate(webrtc.ICECandidateInit{Candidate: text}); err != nil {
		p.call.engine.logger.Debug("a round of checks", "err", err)
	}
}

// acceptable reports whether checks may go to a candidate. A guest names
// addresses that we then send to: they must not lead to well-known services or to
// everybody on the network. This machine's own addresses are taken, except
// loopback: a guest on the same machine who came by a public relay has no others,
// and can't be told from one elsewhere. What goes there are checks (RFC 8445), to
// ports that nothing well known has.
func (p *peer) acceptable(text string) bool {
	c, err := ice.UnmarshalCandidate(text)
	if err != nil || !c.NetworkType().IsUDP() {
		return false
	}
	a, err := netip.ParseAddr(c.Address())
	if err != nil {
		return false // an mDNS name: such a guest is known by its checks
	}
	a = a.Unmap()
	at := netip.AddrPortFrom(a, uint16(c.Port()))
	mux := p.call.engine.mux
	switch {
	case p.outside == nil:
		return true // the host's own window
	case c.Port() <= 0 || c.Port() > 65535,
		a.IsUnspecified(), a.IsLoopback(), a.IsMulticast(),
		a.Is6() && a.IsLinkLocalUnicast(), // means nothing without a zone
		a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return false
	case c.Port() < 1024: // as browsers do
		return (c.Port() == 80 || c.Port() == 443) && !a.IsPrivate() && !a.IsLinkLocalUnicast()
	case mux != nil && (mux.Broadcasts(a) || p.call.engine.stun.Asks(at)):
		return false
	}
	return true
}

// outsideChanged takes over what is known of the network. moved says that paths
// may be dead without anybody having noticed.
func (p *peer) outsideChanged(moved bool) {
	p.offerReflexives()
	if moved {
		p.restartIfStranded(true)
	}
}

// turnChanged uses another address at a TURN server.
func (p *peer) turnChanged() {
	switch {
	case p.outside == nil:
	case p.negotiation == 0:
		p.negotiate() // has waited for it
	default:
		p.restartIfStranded(true)
	}
}

// restartIfStranded restarts ICE if media can't be flowing. anew says that an offer which
// is not answered yet won't do: it was made before something changed.
func (p *peer) restartIfStranded(anew bool) {
	if p.negotiation > 0 && p.stranded() {
		p.restartICE(anew)
	}
}

// stranded reports whether there is no path, or one that leads nowhere any longer.
func (p *peer) stranded() bool {
	if !p.alive(webrtc.PeerConnectionStateConnected) {
		return true
	}
	l := p.path.Load()
	return l != nil && p.sockets().Stranded(l)
}
