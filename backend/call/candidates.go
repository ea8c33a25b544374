package call

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/call/description"
	"github.com/porch-call/porch/backend/media/path"
	"github.com/porch-call/porch/backend/signalling"
)

// Candidates of a peer (RFC 8445), in both directions. Our own candidates are taken out of pion's descriptions, so
// that one place decides which are sent. Those that exist at once go with the offer, and others follow as they become
// known (RFC 8838). The other side's candidates are taken out as well, so that one place decides which are tried. The
// methods in this file run on the peer's goroutine.

const (
	maxCandidates = 128 // messages of the other side, for each offer
	maxTaken      = 48  // addresses of the other side that are tried, for each offer
	takenEvery    = 2 * time.Second
	takenBurst    = 96
	maxOwn        = 64

	// gatherPatience is how long an offer waits at most for candidates. Those of the engine's sockets take a
	// millisecond, or more on a busy machine. Candidates that a server must be asked for may come later.
	gatherPatience = 30 * time.Millisecond
)

// describe starts the list of own candidates of a new description. It begins with those that exist at once. They go
// with the offer, so that the other side can begin its checks before it reads further messages. In a restart, the
// candidates in pion's description may still be the old ones, so the new ones follow the offer.
func (p *peer) describe(sdp string, gathered <-chan struct{}) {
	first := p.ufrag == ""
	if u := description.Ufrag(sdp); u != p.ufrag {
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

// gather collects the candidates that pion finds at once, for the first description.
func (p *peer) gather(gathered <-chan struct{}) {
	late := time.NewTimer(gatherPatience)
	defer late.Stop()
	select {
	case <-gathered:
	case <-late.C:
	}
	_, found := description.SplitCandidates(p.pc.LocalDescription().SDP)
	for _, text := range found {
		c, err := ice.UnmarshalCandidate(text)
		if err == nil && c.Component() == ice.ComponentRTP { // pion repeats all for RTCP, which is multiplexed
			p.own = p.withOwn(p.leaving(text, c.Address(), c.Port()))
		}
	}
}

// ownCandidate takes a candidate from pion; nil means that it has no more.
func (p *peer) ownCandidate(c *webrtc.ICECandidate) {
	if c == nil {
		// If there are servers, more candidates may come at any time.
		if p.outside == nil || len(p.call.iceConfig.STUN) == 0 && p.call.iceConfig.Servers == nil {
			p.call.post(func() { p.call.toPeer(p, signalling.Candidate{}) })
		}
		return
	}
	p.announce(p.leaving(c.ToJSON().Candidate, c.Address, int(c.Port)))
}

// leaving returns a candidate of pion's as the other side is told of it, or "" if it is not told.
func (p *peer) leaving(text, address string, port int) string {
	a, err := netip.ParseAddr(address)
	if err != nil || p.call.engine.mux == nil {
		return text
	}
	local := netip.AddrPortFrom(a.Unmap(), uint16(port))
	switch {
	case p.sockets().Relayed(local): // see path.PeerMux.GetListenAddresses
		return description.Candidate(description.Relayed, local, local, true, p.ufrag)
	case p.relayOnly:
		return ""
	case local.Port() == path.StreamPort:
		taken := p.call.engine.mux.StreamsAt(local.Addr())
		if taken == 0 { // no longer
			return ""
		}
		return description.Passive(netip.AddrPortFrom(local.Addr(), taken), p.ufrag)
	}
	return text
}

// reflexives returns the candidates that STUN servers have told us.
func (p *peer) reflexives() (texts []string) {
	if p.outside == nil || p.relayOnly || p.ufrag == "" {
		return nil
	}
	for _, r := range p.outside.Reflexives() {
		if r.Base.Port() != path.StreamPort {
			texts = append(texts, description.Candidate(description.Reflexive, r.Mapped, r.Base, false, p.ufrag))
		} else if p.sockets().Streams {
			texts = append(texts, description.Passive(r.Mapped, p.ufrag))
		}
	}
	return texts
}

// offerReflexives sends the reflexive candidates that are new.
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

// withOwn returns own with the candidate, unless it is there already.
func (p *peer) withOwn(text string) []string {
	if text == "" || len(p.own) >= maxOwn || slices.Contains(p.own, text) {
		return p.own
	}
	return append(p.own, text)
}

// sendCandidate sends a candidate after the offer to which it belongs.
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
		// It may belong to the answer that is still to come. Pion would drop it now, because it does not fit the
		// description that pion has.
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
	p.preference.Learn(init.Candidate)
	if err := p.pc.AddICECandidate(init); err != nil {
		// The other candidates may still work.
		p.call.engine.logger.Debug("candidate of a participant", "err", err)
	}
}

// answeredBy reports whether the agent should hear of an answer from this address to one of our checks. It runs on a
// socket's goroutine. The agent takes the first path that it finds, and on a slow computer that is often a path
// through a TURN server. So an answer that may have come through one is dropped for up to stack.RelayWait. The agent
// asks again.
func (p *peer) answeredBy(from netip.AddrPort) bool {
	return p.call.iceConfig.Servers == nil || p.relayOnly ||
		p.pc.ICEConnectionState() != webrtc.ICEConnectionStateChecking ||
		p.preference.Good(from, time.Now())
}

// maxForcedRounds bounds the forced rounds of one peer, because a stranger can forge answers.
const maxForcedRounds = 64

// answered queues a check round when one of our checks may have been answered. It runs on a socket's goroutine.
func (p *peer) answered() {
	if p.pc.ICEConnectionState() != webrtc.ICEConnectionStateChecking || p.roundForced.Swap(true) {
		return
	}
	if !p.enqueue(p.forceCheckRound) {
		p.roundForced.Store(false)
	}
}

// forceCheckRound makes the agent nominate the pair that has just been found valid. Otherwise the agent would wait
// for the next check of the other side, which browsers send every 48 ms, or for its own next round, up to 200 ms. Any
// new candidate begins a round at once. This one leads nowhere, because it is a TCP candidate and the agent does not
// try TCP.
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

// acceptable reports whether checks may be sent to a candidate.
func (p *peer) acceptable(text string) bool {
	mux := p.call.engine.mux
	return description.Acceptable(text, p.outside == nil, func(a netip.AddrPort) bool {
		return mux != nil && (mux.Broadcasts(a.Addr()) || p.call.engine.stun.Asks(a))
	})
}

// outsideChanged acts on news of the network. moved says that paths may be dead although no side has noticed it yet.
func (p *peer) outsideChanged(moved bool) {
	p.offerReflexives()
	if moved {
		p.restartIfStranded(true)
	}
}

// turnChanged puts another address at a TURN server to use.
func (p *peer) turnChanged() {
	switch {
	case p.outside == nil:
	case p.negotiation == 0:
		p.negotiate() // it has waited for the address
	default:
		p.restartIfStranded(true)
	}
}

// restartIfStranded restarts ICE if no media can flow. anew means that an unanswered offer does not count, because it
// was made before the change.
func (p *peer) restartIfStranded(anew bool) {
	if p.negotiation > 0 && p.stranded() {
		p.restartICE(anew)
	}
}

// stranded reports whether there is no path, or only one that leads nowhere.
func (p *peer) stranded() bool {
	if !p.alive(webrtc.PeerConnectionStateConnected) {
		return true
	}
	l := p.path.Load()
	return l != nil && p.sockets().Stranded(l)
}
