package call

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v4"
	"golang.org/x/time/rate"

	"github.com/porch-call/porch/backend/call/asked"
	"github.com/porch-call/porch/backend/call/description"
	"github.com/porch-call/porch/backend/call/outside"
	"github.com/porch-call/porch/backend/call/sections"
	"github.com/porch-call/porch/backend/call/stack"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/forward"
	"github.com/porch-call/porch/backend/media/path"
	"github.com/porch-call/porch/backend/media/share"
	"github.com/porch-call/porch/backend/signalling"
)

// peer is one peer connection of a member. Its goroutine (run) does everything
// that takes pion some time. It makes one negotiation at a time, and merges
// requests that arrive meanwhile into the next. The call's goroutine owns the
// assignment of slots. Pion's goroutines deliver packets.
type peer struct {
	member *member
	call   *Call
	inbox  chan func() // work for run; full means that requests come too fast
	done   chan struct{}

	pc *webrtc.PeerConnection

	// Owned by run.
	negotiation  uint32 // number of the last offer
	outstanding  bool   // the last offer is not answered yet
	restart      bool   // the next offer restarts ICE
	restarting   bool   // the outstanding offer restarts ICE
	offer        string // the last one's description
	sections     *sections.Sections
	ufrag        string                    // of the last offer
	own          []string                  // our candidates for the last offer
	early        []webrtc.ICECandidateInit // candidates that came before the answer
	remote       int                       // candidates of the other side since the last offer
	taken        []string                  // those of them that are tried
	takes        *rate.Limiter
	retry        *time.Timer // tries again if no path comes up; see awaitPath
	forcedRounds int         // by forceCheckRound, so far

	// outside is what is known beyond this machine's addresses. It is nil
	// for a peer that must not use it: the host's own window.
	outside   *outside.Outside
	relayOnly bool

	roundForced atomic.Bool                // forceCheckRound is queued
	preference  description.Preference     // see answeredBy
	path        atomic.Pointer[path.Route] // of the selected pair
	secrets     path.Secrets
	direct      atomic.Pointer[path.SRTPPath] // nil until there are keys, and always without a mux, when pion carries the media
	relayed     atomic.Bool                   // the other side is reached by its TURN server
	connected   atomic.Bool
	takesRED    atomic.Bool // takes redundant sound

	in  *forward.Inbound
	out *forward.Outbound

	// What is known of the line to the receiver; see lines.go.
	route   *path.Route // owned by the call's reporter
	stalls  uint32      // of route, seen so far; likewise
	excused uint32      // cuts of the estimate that were taken back, seen so far; likewise
	way     atomic.Uint32

	mender  *time.Timer // calls mendGaps
	mending atomic.Bool // mender is set
}

// slotPair is a pair of slots and what it carries. The call's goroutine owns it.
type slotPair struct {
	audio, video *forward.Slot
	screen       bool         // it carries a member's screen, and the sound of that
	member       *member      // whose media it carries; nil for a free pair
	reason       share.Reason // of the last decision
	permitted    bool         // the receiver's line has room for the picture
	taken        bool         // the receiver looks at the picture; see member.takes
	shown        bool         // both: video is among the receivers of member's picture, and not paused
}

func newSlotPair(p *sections.Pair) *slotPair {
	return &slotPair{audio: p.Audio, video: p.Video, screen: p.Screen}
}

// media returns what the pair carries. It is not free.
func (pr *slotPair) media() (audio, video *forward.Track) {
	if pr.screen {
		return pr.member.screenSound, pr.member.screen
	}
	return pr.member.audio, pr.member.video
}

// pathPatience is how long a path may take to come up. By then every pair of
// candidates has been tried without success (package stack). Pion would only wait
// for another 20 s before it reports that.
const pathPatience = 8 * time.Second

const peerInbox = 256

func newPeer(m *member) (*peer, error) {
	p := &peer{
		member: m,
		call:   m.call,
		inbox:  make(chan func(), peerInbox),
		done:   make(chan struct{}),
		takes:  rate.NewLimiter(rate.Every(takenEvery), takenBurst),
	}
	p.preference.Wait, p.preference.Limit = stack.RelayWait, maxTaken
	if !m.profile.Host {
		p.outside = m.call.outside
		p.relayOnly = m.call.iceConfig.RelayOnly
	}
	sent := m.sent()
	p.in = forward.NewInbound(sent[:], p, &m.admitted, &m.call.counters)
	p.out = forward.NewOutbound(&m.admitted, &m.call.counters, m.call.wakePacer)
	p.mender = time.AfterFunc(time.Hour, p.mendGaps)
	p.mender.Stop()
	var err error
	p.pc, err = m.call.engine.newConnection(p, []webrtc.Certificate{m.call.certificate})
	if err != nil {
		return nil, fmt.Errorf("peer connection: %w", err)
	}
	p.pc.OnICECandidate(p.onCandidate)
	p.pc.OnConnectionStateChange(p.onState)
	if p.sections, err = sections.New(p.pc, p.out); err != nil {
		return nil, errors.Join(err, p.pc.Close())
	}
	return p, nil
}

// run is the peer's goroutine. It ends after close.
func (p *peer) run() {
	for {
		select {
		case f := <-p.inbox:
			if !p.call.engine.panics.Run(f) {
				p.failed(errPanic)
			}
		case <-p.done:
			if p.retry != nil {
				p.retry.Stop()
			}
			p.mender.Stop()
			if err := p.pc.GracefulClose(); err != nil {
				p.call.engine.logger.Debug("closing a peer connection", "err", err)
			}
			return
		}
	}
}

// errPanic ends a connection whose guest has caused a panic.
var errPanic = errors.New("a panic")

// enqueue runs f on the peer's goroutine. It reports false if the inbox is full.
func (p *peer) enqueue(f func()) bool {
	select {
	case p.inbox <- f:
		return true
	default:
		return false
	}
}

// close ends the peer. The call's goroutine calls it once.
func (p *peer) close() {
	close(p.done)
	p.call.engine.lines.Leave(p.out)
}

// failed reports that the peer can't go on, so the call takes its member out.
func (p *peer) failed(err error) {
	p.call.post(func() { p.call.peerFailed(p, err) })
}

// ensureSlots makes an offer if the description has less than n pairs of slots.
func (p *peer) ensureSlots(n int) {
	p.sections.Want(n)
	p.negotiate()
}

// ensureScreen makes an offer if the description has no sections for a shared screen in that direction.
func (p *peer) ensureScreen(up bool) {
	p.sections.WantScreen(up)
	p.negotiate()
}

// restartICE makes a new offer with new ICE credentials. It makes none if a
// restart is offered already and not answered, unless anew is set.
func (p *peer) restartICE(anew bool) {
	if p.outstanding && p.restarting && !anew {
		return
	}
	p.restart = true
	p.negotiate()
}

// negotiate makes an offer if one is needed and none is outstanding.
func (p *peer) negotiate() {
	if p.outstanding || p.negotiation > 0 && !p.restart && !p.sections.Lacking() {
		return
	}
	if p.relayOnly && p.turnSocket() == nil {
		return // turnChanged tries again
	}
	if err := p.sections.Grow(); err != nil {
		p.failed(err)
		return
	}
	restart := p.restart && p.negotiation > 0
	offer, err := p.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: restart})
	if err != nil {
		p.failed(fmt.Errorf("offer: %w", err))
		return
	}
	gathered := webrtc.GatheringCompletePromise(p.pc)
	if err := p.pc.SetLocalDescription(offer); err != nil {
		p.failed(fmt.Errorf("own description: %w", err))
		return
	}
	p.restart, p.restarting = false, restart
	p.outstanding = true
	p.remote, p.taken = 0, nil
	if restart {
		p.preference.Reset()
	}
	p.negotiation++
	mids, added := p.sections.Name()
	p.in.SetMids(mids...)
	if up, down, news := p.sections.Screen(); news {
		p.call.post(func() { p.call.screenOffered(p, up, down) })
	}
	p.offer = offer.SDP
	if p.member.profile.Layers {
		p.offer = description.AskLayers(p.offer, mids[1], asked.RIDs)
	}
	p.describe(offer.SDP, gathered)
	p.sendOffer(p.offer, added)
}

// sendOffer sends an offer with the candidates that are known.
func (p *peer) sendOffer(sdp string, added []*sections.Pair) {
	sdp, _ = description.SplitCandidates(description.WithRED(sdp, codec.RedundantPayloadType))
	message := signalling.Offer{Negotiation: p.negotiation, SDP: description.JoinCandidates(sdp, p.own)}
	p.call.post(func() { p.call.offered(p, message, added) })
}

// repeat sends again what may have been lost with the participant's path: an
// unanswered offer, or else candidates.
func (p *peer) repeat() {
	if p.outstanding {
		p.sendOffer(p.offer, nil)
		return
	}
	for _, text := range p.own {
		p.sendCandidate(text)
	}
}

// answer takes the answer to the last offer. It ignores answers to earlier
// offers.
func (p *peer) answer(a signalling.Answer) {
	if !p.outstanding || a.Negotiation != p.negotiation {
		return
	}
	_, candidates := description.SplitCandidates(a.SDP)
	read, err := description.Read(p.offer, a.SDP)
	if err == nil {
		for mid, s := range p.sections.Slots() {
			s.SetWanted(read.Takes[mid])
			s.SetRED(read.RED[mid])
		}
		p.takesRED.Store(len(read.RED) > 0)
		err = p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: read.SDP})
	}
	if err != nil {
		p.failed(fault.New(fault.SDPInvalid, err))
		return
	}
	p.outstanding = false
	p.layered(read.Layers[p.sections.Camera()])
	if p.connected.Load() {
		p.openSlots() // slots that the guest did not want before
	}
	early := p.early
	p.early = nil
	for _, c := range early {
		p.addCandidate(c)
	}
	for _, c := range candidates[:min(len(candidates), maxCandidates)] {
		p.addCandidate(webrtc.ICECandidateInit{Candidate: c})
	}
	p.negotiate()
	p.awaitPath()
}

// layered notes in which layers the guest sends its picture; nil is one without a RID.
func (p *peer) layered(rids []string) {
	p.in.SetLayers(1, rids)
	p.call.post(func() {
		if m := p.member; m.peer == p && m.asked.Layered(rids) {
			p.call.plan()
		}
	})
}

// awaitPath restarts ICE if no path has come up within pathPatience.
func (p *peer) awaitPath() {
	if p.retry != nil {
		p.retry.Stop()
	}
	if p.outside == nil || p.outstanding || p.alive(webrtc.PeerConnectionStateConnected) {
		return
	}
	number := p.negotiation
	p.retry = time.AfterFunc(pathPatience, func() {
		p.enqueue(func() {
			if p.negotiation == number && !p.outstanding && p.alive(
				webrtc.PeerConnectionStateNew, webrtc.PeerConnectionStateConnecting) {
				p.restartICE(false)
			}
		})
	})
}

// onCandidate runs on pion's goroutine. The inbox keeps the candidates behind the
// offer to which they belong.
func (p *peer) onCandidate(c *webrtc.ICECandidate) {
	p.enqueue(func() { p.ownCandidate(c) })
}

// onState runs on its own goroutine.
func (p *peer) onState(webrtc.PeerConnectionState) {
	state := p.pc.ConnectionState()
	switch state {
	case webrtc.PeerConnectionStateConnected:
		p.onConnected()
	case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
		if d := p.direct.Load(); d != nil {
			d.SetRoute(nil) // the other side's consent has ended (RFC 7675)
		}
	}
	p.call.post(func() { p.call.peerState(p, state) })
}

// onConnected runs after the handshake. It may run again.
func (p *peer) onConnected() {
	if p.connected.Load() {
		return
	}
	if p.call.engine.mux != nil {
		d, err := path.NewSRTPPath(&p.secrets, &p.call.counters.Dropped)
		if err != nil {
			p.failed(err) // pion's own path does not bound the streams that a stranger sends
			return
		}
		d.SetTraffic(&p.member.traffic)
		p.direct.CompareAndSwap(nil, d)
		ice := p.ice()
		ice.OnSelectedCandidatePairChange(p.reroute)
		if pair, err := ice.GetSelectedCandidatePair(); err == nil && pair != nil {
			p.reroute(pair)
		}
	}
	p.measurePath()
	if !p.connected.Swap(true) {
		p.openSlots()
	}
}

func (p *peer) ice() *webrtc.ICETransport {
	return p.pc.GetTransceivers()[0].Receiver().Transport().ICETransport()
}

// reroute sends media along another pair of candidates.
func (p *peer) reroute(pair *webrtc.ICECandidatePair) {
	if pair == nil {
		return
	}
	local, err1 := netip.ParseAddr(pair.Local.Address)
	remote, err2 := netip.ParseAddr(pair.Remote.Address)
	if err := errors.Join(err1, err2); err != nil {
		p.call.engine.logger.Debug("selected pair", "err", err)
		return
	}
	l := p.sockets().Route(netip.AddrPortFrom(local.Unmap(), pair.Local.Port), netip.AddrPortFrom(remote.Unmap(), pair.Remote.Port))
	if l == nil {
		return // can't be, because the agent has only our sockets
	}
	p.relayed.Store(pair.Remote.Typ == webrtc.ICECandidateTypeRelay)
	p.path.Store(l)
	if d := p.direct.Load(); d != nil {
		d.SetRoute(l)
	}
}

// sockets are the sockets that the peer may use.
func (p *peer) sockets() path.PeerMux {
	return path.PeerMux{
		Mux: p.call.engine.mux, Take: p.takeContained, AnsweredBy: p.answeredBy, Answered: p.answered,
		TURN: p.turnSocket, RelayOnly: p.relayOnly,
		Elsewhere: p.member.profile.Elsewhere, Streams: p.member.profile.Direct && !p.relayOnly,
	}
}

// turnSocket returns the address at a TURN server, or nil.
func (p *peer) turnSocket() *path.TURNSocket {
	if p.outside == nil {
		return nil
	}
	return p.outside.TURN()
}

// bound gives a slot its writer. It runs while an answer is taken.
func (p *peer) bound(ssrc uint32, w interceptor.RTPWriter) {
	s := p.out.Slot(ssrc)
	if s == nil {
		return
	}
	s.SetWriter(w)
	if p.connected.Load() {
		p.openSlot(s)
	}
}

func (p *peer) openSlots() {
	p.call.engine.cork()
	defer p.call.engine.uncork()
	for _, s := range p.out.All() {
		p.openSlot(s)
	}
}

func (p *peer) openSlot(s *forward.Slot) {
	if d := p.direct.Load(); d != nil {
		s.SetWriter(d.Writer(s.Kind))
	}
	s.Open()
}
