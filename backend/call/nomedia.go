package call

import (
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/fault"
)

// mediaPatience is how long a member whose messages arrive may be without media before all participants are told why.
// It is longer than a first try (pathPatience) and most of a second one. It is short enough that the reason is told
// within 15 s.
const mediaPatience = 12 * time.Second

// awaitMedia starts to wait for a connection's media, if it has no path and the wait has not begun.
func (c *Call) awaitMedia(m *member) {
	p := m.peer
	if m.left || m.overdue != nil || p.alive(webrtc.PeerConnectionStateConnected) {
		return
	}
	var overdue *time.Timer
	overdue = time.AfterFunc(c.engine.mediaPatience, func() {
		c.post(func() {
			if m.overdue == overdue { // otherwise another wait has begun
				c.mediaOverdue(p)
			}
		})
	})
	m.overdue = overdue
}

// mediaFlows ends the wait: a member's connection is up, or it is too new to doubt.
func (c *Call) mediaFlows(m *member) {
	if m.overdue != nil {
		m.overdue.Stop()
		m.overdue = nil
	}
	if m.noMedia != "" {
		m.noMedia = ""
		c.changed(m)
	}
}

// mediaOverdue tells all participants why a member is without media. It tells them again if the reason changes.
func (c *Call) mediaOverdue(p *peer) {
	m := p.member
	if m.peer != p || m.left {
		return
	}
	m.overdue = nil
	if m.outbox == nil || p.alive(webrtc.PeerConnectionStateConnected) {
		return // The member is away, which others are told in another way, or has just connected.
	}
	if code := p.obstacle(); code != m.noMedia {
		m.noMedia = code
		c.engine.logger.Warn("a participant's media finds no way", "code", string(code))
		c.changed(m)
	}
	c.awaitMedia(m)
}

// obstacle returns what keeps a peer from having a path.
func (p *peer) obstacle() fault.Code {
	switch {
	case p.call.engine.mux == nil:
	case p.relayOnly:
		if p.turnSocket() == nil {
			return fault.TurnUnavailable
		}
	case len(p.sockets().GetListenAddresses()) == 0:
		return fault.UDPUnavailable
	}
	return fault.MediaBlocked
}

// sayUnusable writes to the log if the system lets us open no socket.
func (e *Engine) sayUnusable() {
	if e.HasUDP() {
		return
	}
	e.logger.Error("this computer lets Porch open no UDP socket: calls have neither sound nor picture, but through a TURN server",
		"code", string(fault.UDPUnavailable), "err", e.mux.Refusal())
}

// HasUDP reports whether this machine lets the engine use UDP. If not, media goes through TURN servers only, over
// TCP.
func (e *Engine) HasUDP() bool { return e.mux == nil || e.mux.Usable() }
