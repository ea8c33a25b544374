package call

import (
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

// Participant is a participant with a peer connection. They keep their seat until Leave, however often their path is
// lost. The owner of the seats decides how long that is, and then calls Leave.
type Participant struct{ m *member }

// ID returns the id of the participant's profile.
func (p *Participant) ID() string { return p.m.profile.ID }

// Handle takes a message of the participant: Answer, Candidate, Restart, MediaState, Sharing, View, Say, Attach, Take, TakeBack, Hand, React, Spotlight, Earlier or Leave. The
// error is a fault for that participant: MessageInvalid and its kin, ChatInvalid, FileInvalid, FilesFull, TooFast, MessageUnexpected,
// NotInCall or CallEnded. The call goes on. If an Answer later proves to be unusable, the participant is taken out,
// with Fault and Ended.
func (p *Participant) Handle(message signalling.Message) error {
	return p.m.call.handle(p.m, message)
}

// handlePeer takes a message that concerns the peer connection.
func (m *member) handlePeer(message signalling.Message) error {
	p := m.peer
	if p == nil {
		return fault.Newf(fault.MessageUnexpected, "%s without a peer connection", message.Type())
	}
	var taken bool
	switch message := message.(type) {
	case signalling.Answer:
		taken = p.enqueue(func() { p.answer(message) })
	case signalling.Candidate:
		taken = p.enqueue(func() { p.candidate(message) })
	case signalling.Restart:
		taken = m.restarts.Allow() && p.enqueue(func() { p.restartICE(false) })
	default:
		return fault.Newf(fault.MessageUnexpected, "%s in a call", message.Type())
	}
	if !taken {
		return fault.New(fault.TooFast, nil)
	}
	return nil
}

// Detach says that the participant's path is lost. It does nothing if out is not the path in use. The seat is kept,
// and media goes on while the peer connection is alive. Others see Away once both are lost.
func (p *Participant) Detach(out Outbox) {
	p.m.call.post(func() {
		if p.m.outbox == out {
			p.m.outbox = nil
			p.m.call.refreshAway(p.m)
		}
	})
}

// Attach gives the participant a new path. If resume is set and the peer connection is still alive, it stays in use,
// otherwise the participant gets a new one. Admission, which is told which of the two, and Roster are sent first,
// then the rest. An earlier outbox gets no message. It returns fault.ParticipantGone after Leave, and
// fault.CallEnded.
func (p *Participant) Attach(out Outbox, resume bool) (resumed bool, err error) {
	m, c := p.m, p.m.call
	var refused error
	err = c.do(func() {
		switch {
		case m.left:
			refused = fault.New(fault.ParticipantGone, nil)
		case resume && m.peer.alive(webrtc.PeerConnectionStateNew, webrtc.PeerConnectionStateConnecting,
			webrtc.PeerConnectionStateConnected, webrtc.PeerConnectionStateDisconnected,
			webrtc.PeerConnectionStateFailed):
			resumed = true
			c.resume(m, out)
		}
	})
	if err == nil {
		err = refused
	}
	if err != nil || resumed {
		return resumed, err
	}
	peer, err := newPeer(m)
	if err != nil {
		return false, err
	}
	err = c.do(func() {
		if m.left {
			refused = fault.New(fault.ParticipantGone, nil)
			return
		}
		m.forgetView()
		c.reattach(m, out, false)
		c.connect(m, peer)
		c.refreshAway(m)
		c.steer()
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return false, discard(peer, err)
	}
	return false, nil
}

// reattach gives m a new path, and a snapshot of the call on it.
func (c *Call) reattach(m *member, out Outbox, resumed bool) {
	m.outbox = out
	if m.profile.Admission != nil {
		m.send(m.profile.Admission(resumed))
	}
	c.greet(m)
}

// resume gives m a new path for messages, beside the connection that it still has.
func (c *Call) resume(m *member, out Outbox) {
	c.reattach(m, out, true)
	m.send(m.tracks())
	m.sendScreen()
	if m.takesLayers { // the last ones may not have arrived
		m.send(m.asked.Message(!m.takers.None(), m.alone()))
	}
	if m.takesLine {
		m.send(m.line.Told())
	}
	m.tellRecording()
	p := m.peer
	p.enqueue(p.repeat)
	p.enqueue(func() { p.restartIfStranded(false) })
	c.refreshAway(m)
	c.awaitMedia(m)
}

// alive reports whether the connection is in one of these states.
func (p *peer) alive(states ...webrtc.PeerConnectionState) bool {
	now := p.pc.ConnectionState()
	for _, s := range states {
		if s == now {
			return true
		}
	}
	return false
}

// Alive reports whether the participant's media can flow now: the connection is up, and the other side has agreed to
// it within the last seconds (consent, RFC 7675). The path for messages does not matter.
func (p *Participant) Alive() bool {
	c := p.m.connection.Load()
	return c != nil && p.m.admitted.Load() && c.alive(webrtc.PeerConnectionStateConnected)
}

// Leave takes the participant out, sends them Ended with the reason (nothing if it is ""), and tells the others. It
// may be called twice.
func (p *Participant) Leave(reason signalling.EndReason) {
	// An error means that the call is over, and nobody is in it.
	_ = p.m.call.do(func() { p.m.call.leave(p.m, reason) })
}

// SetCoHost says whether the participant is shown as a co-host.
func (p *Participant) SetCoHost(on bool) {
	p.m.call.post(func() {
		if p.m.profile.CoHost = on; !p.m.left {
			p.m.call.changed(p.m)
		}
	})
}

// Mute asks a participant to mute itself. It returns fault.ParticipantGone.
func (c *Call) Mute(id string) error {
	var refused error
	err := c.do(func() {
		m := c.member(id)
		if m == nil {
			refused = fault.New(fault.ParticipantGone, nil)
			return
		}
		m.send(signalling.Mute{})
	})
	if err != nil {
		return err
	}
	return refused
}
