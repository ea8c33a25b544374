package guest

import (
	"fmt"
	"sync"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

// peer is one peer connection to the host. The guest's goroutine calls its methods, and Pion's goroutines deliver
// media.
type peer struct {
	pc       *webrtc.PeerConnection
	tracks   []webrtc.TrackLocal
	sections *sections
	wg       sync.WaitGroup
	trickle  trickle

	sending    map[webrtc.TrackLocal]bool
	early      []webrtc.ICECandidateInit // received before the first description
	onKeyframe func()                    // may be nil
}

// peerEvents are the events of a peer connection. Pion's goroutines call them.
type peerEvents struct {
	candidate func(signalling.Candidate)
	connected func()
	failed    func()
}

func newPeer(o *Options, certificate webrtc.Certificate, servers []signalling.ICEServer, events peerEvents) (*peer, error) {
	c := webrtc.Configuration{
		Certificates: []webrtc.Certificate{certificate},
		BundlePolicy: webrtc.BundlePolicyMaxBundle,
		ICEServers:   iceServers(servers),
	}
	pc, err := o.API.NewPeerConnection(c)
	if err != nil {
		return nil, fault.Newf(fault.ConnectFailed, "guest: peer connection: %w", err)
	}
	p := &peer{
		pc: pc, tracks: o.Tracks, sections: newSections(o.OnTrack),
		sending: make(map[webrtc.TrackLocal]bool), onKeyframe: o.OnKeyframeRequest,
	}
	p.trickle.send = events.candidate
	pc.OnICECandidate(func(c *webrtc.ICECandidate) {
		if c == nil {
			p.trickle.found(signalling.Candidate{})
			return
		}
		i := c.ToJSON()
		p.trickle.found(signalling.Candidate{
			Candidate: i.Candidate, SDPMid: i.SDPMid, SDPMLineIndex: i.SDPMLineIndex, UsernameFragment: i.UsernameFragment,
		})
	})
	pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		switch s {
		case webrtc.PeerConnectionStateConnected:
			events.connected()
		case webrtc.PeerConnectionStateFailed:
			events.failed()
		}
	})
	pc.OnTrack(func(remote *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
		if mid, ok := p.midOf(receiver); ok {
			p.sections.read(pc, mid, remote) // on Pion's goroutine for this track
		}
	})
	return p, nil
}

func iceServers(from []signalling.ICEServer) []webrtc.ICEServer {
	servers := make([]webrtc.ICEServer, 0, len(from))
	for _, s := range from {
		servers = append(servers, webrtc.ICEServer{URLs: s.URLs, Username: s.Username, Credential: s.Credential})
	}
	return servers
}

// use sets the servers for the next ICE restart. They replace the earlier ones.
func (p *peer) use(servers []signalling.ICEServer) error {
	c := p.pc.GetConfiguration()
	c.ICEServers = iceServers(servers)
	if err := p.pc.SetConfiguration(c); err != nil {
		return fault.Newf(fault.ConnectFailed, "guest: ICE servers: %w", err)
	}
	return nil
}

func (p *peer) midOf(r *webrtc.RTPReceiver) (string, bool) {
	for _, t := range p.pc.GetTransceivers() {
		if t.Receiver() == r {
			return t.Mid(), true
		}
	}
	return "", false
}

// alive reports whether the connection can still be used, perhaps after an ICE restart.
func (p *peer) alive() bool { return p.pc.ConnectionState() != webrtc.PeerConnectionStateClosed }

// answer answers an offer. Candidates that are found meanwhile are sent after the answer.
func (p *peer) answer(o signalling.Offer, send func(signalling.Message) error) error {
	p.trickle.hold()
	defer p.trickle.release()
	a, err := p.negotiate(o)
	if err != nil {
		return err
	}
	if err := send(a); err != nil {
		return err
	}
	early := p.early
	p.early = nil
	for _, c := range early {
		p.addCandidate(c)
	}
	return nil
}

func (p *peer) negotiate(o signalling.Offer) (signalling.Answer, error) {
	err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: o.SDP})
	if err != nil {
		return signalling.Answer{}, fault.New(fault.SDPInvalid, err)
	}
	if err := p.attach(); err != nil {
		return signalling.Answer{}, err
	}
	answer, err := p.pc.CreateAnswer(nil)
	if err != nil {
		return signalling.Answer{}, fault.New(fault.SDPInvalid, err)
	}
	if err := p.pc.SetLocalDescription(answer); err != nil {
		return signalling.Answer{}, fault.New(fault.SDPInvalid, err)
	}
	return signalling.Answer{Negotiation: o.Negotiation, SDP: answer.SDP}, nil
}

// attach puts our tracks into the first two media sections, once.
func (p *peer) attach() error {
	for _, track := range p.tracks {
		if p.sending[track] {
			continue
		}
		// AddTrack uses the first section of the track's kind that sends nothing yet. The sections of the host's
		// slots come later.
		sender, err := p.pc.AddTrack(track)
		if err != nil {
			return fault.Newf(fault.ConnectFailed, "guest: add %s track: %w", track.Kind(), err)
		}
		p.sending[track] = true
		p.wg.Go(func() { p.feedback(sender) })
	}
	return nil
}

// feedback reads what receivers report until the connection closes. Reading it also makes Pion retransmit lost
// packets.
func (p *peer) feedback(sender *webrtc.RTPSender) {
	b := make([]byte, 1500)
	for {
		n, _, err := sender.Read(b)
		if err != nil {
			return
		}
		packets, err := rtcp.Unmarshal(b[:n])
		if err != nil || p.onKeyframe == nil {
			continue // this report is malformed, or not needed
		}
		for _, packet := range packets {
			switch packet.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				p.onKeyframe()
			}
		}
	}
}

// candidate takes a candidate from the host.
func (p *peer) candidate(c signalling.Candidate) {
	if c.Candidate == "" {
		return
	}
	init := webrtc.ICECandidateInit{
		Candidate: c.Candidate, SDPMid: c.SDPMid, SDPMLineIndex: c.SDPMLineIndex, UsernameFragment: c.UsernameFragment,
	}
	if p.pc.RemoteDescription() == nil {
		p.early = append(p.early, init)
		return
	}
	p.addCandidate(init)
}

func (p *peer) addCandidate(init webrtc.ICECandidateInit) {
	_ = p.pc.AddICECandidate(init) // without it, the other candidates remain
}

// close ends the connection and waits for its goroutines.
func (p *peer) close() error {
	err := p.pc.GracefulClose()
	p.sections.close()
	p.wg.Wait()
	if err != nil {
		return fmt.Errorf("guest: close peer connection: %w", err)
	}
	return nil
}

// trickle sends the candidates that we find, but not before the answer that they belong to. Pion reports candidates
// on its own goroutines and also from within SetLocalDescription, so no lock may be held during that call.
type trickle struct {
	send func(signalling.Candidate)

	mu      sync.Mutex
	holding bool // an answer is being made
	held    []signalling.Candidate
}

func (t *trickle) found(c signalling.Candidate) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.holding {
		t.held = append(t.held, c)
		return
	}
	t.send(c)
}

func (t *trickle) hold() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.holding = true
}

func (t *trickle) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.holding = false
	for _, c := range t.held {
		t.send(c)
	}
	t.held = nil
}
