package call

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

// peer is one peer connection of a member. Its goroutine (run) does everything
// that takes pion a while: one negotiation at a time, wishes that arrive
// meanwhile are merged into the next. The call's goroutine owns the assignment
// of slots; pion's goroutines deliver packets.
type peer struct {
	member *member
	call   *Call
	inbox  chan func() // work for run; full means that the peer is too fast
	done   chan struct{}

	pc *webrtc.PeerConnection

	// Owned by run.
	negotiation uint32 // number of the last offer
	offer       string // its SDP, with the first candidates
	outstanding bool   // it is not answered yet
	restart     bool   // the next offer restarts ICE
	pairs       int    // slots the description has, in pairs
	wanted      int    // and should have
	early       []webrtc.ICECandidateInit
	remote      int // candidates taken since the last offer

	secrets   secrets
	direct    atomic.Pointer[secure] // nil: media goes pion's way
	connected atomic.Bool
	rtt       atomic.Int64 // nanoseconds
	estimate  atomic.Uint64

	slotsMu sync.Mutex
	slots   map[uint32]*slot // by SSRC, once negotiated

	inMu sync.Mutex
	in   packet // scratch of receiveRTP

	arrivalsMu sync.Mutex
	arrivals   *twcc.Recorder
	unreported bool // something has arrived since the last feedback
	began      time.Time
}

// pair is two slots that carry one participant: audio and video in one media
// stream, so that the receiver keeps them in step.
type pair struct {
	audio, video *slot
	member       *member // whose media it carries, nil for a free pair
}

const (
	peerInbox     = 256
	maxCandidates = 128 // from one side, per offer
	reporterSSRC  = 1   // sender SSRC of our feedback

	// gatherPatience is how long an offer waits at most for candidates to take
	// along. Those of the engine's sockets take a millisecond, more on a machine
	// that is busy; what servers have to be asked for may come later.
	gatherPatience = 30 * time.Millisecond
)

func newPeer(m *member) (*peer, error) {
	p := &peer{
		member:   m,
		call:     m.call,
		inbox:    make(chan func(), peerInbox),
		done:     make(chan struct{}),
		slots:    make(map[uint32]*slot),
		arrivals: twcc.NewRecorder(reporterSSRC),
		began:    time.Now(),
	}
	var err error
	p.pc, err = m.call.engine.newConnection(p, []webrtc.Certificate{m.call.certificate})
	if err != nil {
		return nil, fmt.Errorf("peer connection: %w", err)
	}
	p.pc.OnICECandidate(p.onCandidate)
	p.pc.OnConnectionStateChange(p.onState)
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
		_, err := p.pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{
			Direction: webrtc.RTPTransceiverDirectionRecvonly,
		})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("section for what is sent: %w", err), p.pc.Close())
		}
	}
	return p, nil
}

// run is the peer's goroutine. It ends after close.
func (p *peer) run() {
	for {
		select {
		case f := <-p.inbox:
			f()
		case <-p.done:
			if err := p.pc.GracefulClose(); err != nil {
				p.call.engine.logger.Debug("closing a peer connection", "err", err)
			}
			return
		}
	}
}

// do has run do f. It returns false when the inbox is full.
func (p *peer) do(f func()) bool {
	select {
	case p.inbox <- f:
		return true
	default:
		return false
	}
}

// close ends the peer; the call's goroutine calls it once.
func (p *peer) close() { close(p.done) }

// failed says that the peer can't go on: its member needs a new one.
func (p *peer) failed(err error) {
	p.call.post(func() { p.call.peerFailed(p, err) })
}

// want sees to it that the description has at least n pairs of slots.
func (p *peer) want(n int) {
	p.wanted = max(p.wanted, n)
	p.negotiate()
}

// restartICE makes a new offer with new ICE credentials.
func (p *peer) restartICE() {
	p.restart = true
	p.negotiate()
}

// negotiate makes an offer if one is needed and none is outstanding.
func (p *peer) negotiate() {
	if p.outstanding || p.negotiation > 0 && !p.restart && p.wanted <= p.pairs {
		return
	}
	added, err := p.grow()
	if err != nil {
		p.failed(err)
		return
	}
	offer, err := p.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: p.restart && p.negotiation > 0})
	if err != nil {
		p.failed(fmt.Errorf("offer: %w", err))
		return
	}
	gathered := webrtc.GatheringCompletePromise(p.pc)
	if err := p.pc.SetLocalDescription(offer); err != nil {
		p.failed(fmt.Errorf("own description: %w", err))
		return
	}
	p.offer = withCandidates(p.pc, gathered)
	p.restart = false
	p.outstanding = true
	p.remote = 0
	p.negotiation++
	// Only now do the new sections have mids.
	pairs := make([]*pair, 0, len(added))
	for _, a := range added {
		a.pair.audio.mid, a.pair.video.mid = a.audio.Mid(), a.video.Mid()
		pairs = append(pairs, a.pair)
	}
	message := signalling.Offer{Negotiation: p.negotiation, SDP: p.offer}
	p.call.post(func() { p.call.offered(p, message, pairs) })
}

// withCandidates returns the own description with the candidates that are there
// at once: those of the engine's sockets. The other side need not wait for
// messages of their own then; what is found later trickles (RFC 8838).
func withCandidates(pc *webrtc.PeerConnection, gathered <-chan struct{}) string {
	late := time.NewTimer(gatherPatience)
	defer late.Stop()
	select {
	case <-gathered:
	case <-late.C:
	}
	return unended(pc.LocalDescription().SDP)
}

// unended takes the end of candidates out of a description (RFC 8840 section
// 8.2): more may trickle behind it, and the end does.
func unended(sdp string) string { return strings.ReplaceAll(sdp, "a=end-of-candidates\r\n", "") }

// section is a pair with its transceivers.
type section struct {
	pair         *pair
	audio, video *webrtc.RTPTransceiver
}

// grow adds the wanted pairs.
func (p *peer) grow() (added []section, err error) {
	for ; p.pairs < p.wanted; p.pairs++ {
		stream := "porch-" + strconv.Itoa(p.pairs+1)
		s := section{pair: &pair{
			audio: newSlot(signalling.KindAudio, &p.member.admitted, &p.call.counters),
			video: newSlot(signalling.KindVideo, &p.member.admitted, &p.call.counters),
		}}
		init := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly}
		if s.audio, err = p.pc.AddTransceiverFromTrack(&slotTrack{p, s.pair.audio, stream}, init); err != nil {
			return nil, fmt.Errorf("audio slot: %w", err)
		}
		if s.video, err = p.pc.AddTransceiverFromTrack(&slotTrack{p, s.pair.video, stream}, init); err != nil {
			return nil, fmt.Errorf("video slot: %w", err)
		}
		added = append(added, s)
	}
	return added, nil
}

// repeat offers again what is not answered, for a participant whose path was
// lost meanwhile.
func (p *peer) repeat() {
	if d := p.pc.PendingLocalDescription(); p.outstanding && d != nil {
		p.offer = unended(d.SDP)
		message := signalling.Offer{Negotiation: p.negotiation, SDP: p.offer}
		p.call.post(func() { p.call.offered(p, message, nil) })
	}
}

// answer takes the answer to an offer. One to an earlier offer is ignored.
func (p *peer) answer(a signalling.Answer) {
	if !p.outstanding || a.Negotiation != p.negotiation {
		return
	}
	err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: a.SDP})
	if err != nil {
		p.failed(fault.New(fault.SDPInvalid, err))
		return
	}
	p.outstanding = false
	early := p.early
	p.early = nil
	for _, c := range early {
		p.addCandidate(c)
	}
	p.negotiate()
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
	if p.pc.RemoteDescription() == nil {
		p.early = append(p.early, init)
		return
	}
	p.addCandidate(init)
}

func (p *peer) addCandidate(init webrtc.ICECandidateInit) {
	if err := p.pc.AddICECandidate(init); err != nil {
		// One that can't be used (mDNS names, TCP) leaves the others.
		p.call.engine.logger.Debug("candidate of a participant", "err", err)
	}
}

// onCandidate runs on pion's goroutine. Passing through the inbox keeps the
// candidates behind the offer that they belong to.
func (p *peer) onCandidate(c *webrtc.ICECandidate) {
	message := signalling.Candidate{}
	if c != nil {
		init := c.ToJSON()
		message = signalling.Candidate{
			Candidate: init.Candidate, SDPMid: init.SDPMid, SDPMLineIndex: init.SDPMLineIndex,
			UsernameFragment: init.UsernameFragment,
		}
	}
	p.do(func() {
		if message.Candidate != "" && strings.Contains(p.offer, "a="+message.Candidate+"\r\n") {
			return
		}
		p.call.post(func() { p.call.toPeer(p, message) })
	})
}

// onState runs on a goroutine of its own.
func (p *peer) onState(webrtc.PeerConnectionState) {
	state := p.pc.ConnectionState()
	switch state {
	case webrtc.PeerConnectionStateConnected:
		p.onConnected()
	case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
		if d := p.direct.Load(); d != nil {
			d.link.Store(nil) // nobody has agreed to receive any longer (RFC 7675)
		}
	}
	p.call.post(func() { p.call.peerState(p, state) })
}

// onConnected runs when the handshake is over, and may run again.
func (p *peer) onConnected() {
	if p.connected.Load() {
		return
	}
	if p.call.engine.mux != nil {
		if d, err := newSecure(&p.secrets); err != nil {
			p.call.engine.logger.Debug("media goes pion's way", "err", err)
		} else if p.direct.CompareAndSwap(nil, d) {
			ice := p.ice()
			ice.OnSelectedCandidatePairChange(p.relink)
			if pair, err := ice.GetSelectedCandidatePair(); err == nil && pair != nil {
				p.relink(pair)
			}
		}
	}
	if !p.connected.Swap(true) {
		p.openSlots()
	}
}

func (p *peer) ice() *webrtc.ICETransport {
	return p.pc.GetTransceivers()[0].Receiver().Transport().ICETransport()
}

// relink sends media along another pair of candidates.
func (p *peer) relink(pair *webrtc.ICECandidatePair) {
	d := p.direct.Load()
	if d == nil || pair == nil {
		return
	}
	local, err1 := netip.ParseAddr(pair.Local.Address)
	remote, err2 := netip.ParseAddr(pair.Remote.Address)
	if err := errors.Join(err1, err2); err != nil {
		p.call.engine.logger.Debug("selected pair", "err", err)
		return
	}
	socket := p.call.engine.mux.socket(netip.AddrPortFrom(local.Unmap(), pair.Local.Port))
	if socket == nil {
		return // the agent has only our sockets
	}
	d.link.Store(&link{socket, netip.AddrPortFrom(remote.Unmap(), pair.Remote.Port)})
}

// bound runs while an answer is taken: a slot has got its way out.
func (p *peer) bound(ssrc uint32, w interceptor.RTPWriter) {
	p.slotsMu.Lock()
	s := p.slots[ssrc]
	p.slotsMu.Unlock()
	if s == nil {
		return
	}
	s.setWriter(w)
	if p.connected.Load() {
		p.openSlot(s)
	}
}

func (p *peer) openSlots() {
	p.slotsMu.Lock()
	slots := make([]*slot, 0, len(p.slots))
	for _, s := range p.slots {
		slots = append(slots, s)
	}
	p.slotsMu.Unlock()
	p.call.engine.cork()
	defer p.call.engine.uncork()
	for _, s := range slots {
		p.openSlot(s)
	}
}

func (p *peer) openSlot(s *slot) {
	if d := p.direct.Load(); d != nil {
		s.setWriter(d)
	}
	s.open()
}
