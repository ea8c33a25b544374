package call

import (
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/fault"
)

// mediaPatience is how long a member whose messages arrive may be without media
// before everybody is told why: longer than a first try (pathPatience) and most of
// a second one, and short enough to be said within 15 s.
const mediaPatience = 12 * time.Second

// awaitMedia waits for the media of a connection that has no path, unless that
// is waited for already.
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

// mediaFlows says that a member's connection stands, or is too new to be doubted.
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

// mediaOverdue tells everybody why a member is without media. It is said again
// should the reason become another one.
func (c *Call) mediaOverdue(p *peer) {
	m := p.member
	if m.peer != p || m.left {
		return
	}
	m.overdue = nil
	if m.outbox == nil || p.alive(webrtc.PeerConnectionStateConnected) {
		return // away, which is told elsewhere, until it comes back; or just connected
	}
	if code := p.obstacle(); code != m.noMedia {
		m.noMedia = code
		c.engine.logger.Warn("a participant's media finds no way", "code", string(code))
		c.changed(m)
	}
	c.awaitMedia(m)
}

// obstacle returns what keeps a peer without a path from having one.
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

// sayUnusable writes into the log that the system lets us open no socket, if so.
func (e *Engine) sayUnusable() {
	if e.HasUDP() {
		return
	}
	e.logger.Error("this computer lets Porch open no UDP socket: calls have neither sound nor picture, but through a TURN server",
		"code", string(fault.UDPUnavailable), "err", e.mux.Refusal())
}

// HasUDP reports whether this machine lets the engine use UDP. Without, media goes
// through TURN servers only, over TCP.
func (e *Engine) HasUDP() bool { return e.mux == nil || e.mux.Usable() }
