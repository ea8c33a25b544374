package call

import (
	"fmt"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/forward"
	"github.com/porch-call/porch/backend/signalling"
)

// One member at a time shares a screen. Its description gets two sections more in which it sends them, and those of the
// others get a pair of slots more, once they are needed. They stay and are used again. See decision 61.

// Wishes of one member to share a screen, or to stop. Each is told to all members.
const (
	sharingEvery = time.Second
	sharingBurst = 8
)

// shared is the screen that is shared in a call.
type shared struct {
	of    *member // nil while none is shared
	sound bool    // it comes with sound
	since time.Time
}

// share handles m's wish to share its screen, or to stop. A screen that is shared already gives way only to a member who
// names its owner, because two may press the button at the same time. It returns fault.TooFast above the limit.
func (c *Call) share(m *member, s signalling.Sharing) error {
	if m.peer == nil {
		return fault.Newf(fault.MessageUnexpected, "%s without a peer connection", s.Type())
	}
	if !m.sharings.Allow() {
		return fault.New(fault.TooFast, nil)
	}
	m.takesScreen = true
	of := c.screen.of
	switch {
	case s.On && (of == nil || of == m || of.profile.ID == s.Instead):
		c.present(m, s.Sound)
	case !s.On && of == m:
		c.present(nil, false)
	default:
		m.sendScreen()
	}
	return nil
}

// present makes m's screen the one that is shared, nil for none.
func (c *Call) present(m *member, sound bool) {
	old := c.screen.of
	c.screen = shared{of: m, sound: sound, since: time.Now()}
	if old != nil {
		old.screenSound.SetSilent(true)
		old.screen.SetSilent(true)
	}
	if m != nil {
		m.screenSound.SetSilent(!sound)
		m.screen.SetSilent(false)
	}
	for _, o := range *c.members.Load() {
		if old != m {
			o.dropScreen()
		}
		c.assignScreen(o)
	}
	c.steer()
}

// assignScreen gives m the shared screen, and tells m whose it is. If m's description lacks the sections, it asks for
// them. It runs again when they are offered.
func (c *Call) assignScreen(m *member) {
	if !m.takesScreen {
		return
	}
	switch of, p := c.screen.of, m.peer; {
	case of == nil, of == m && m.screenUp != (sections{}):
	case of == m:
		p.enqueue(func() { p.ensureScreen(true) })
	case m.local != nil && m.screenPair == nil:
		m.screenPair = m.local.screenPair(of)
		m.give(m.screenPair, of)
	case m.screenPair == nil:
		p.enqueue(func() { p.ensureScreen(false) })
	case m.screenPair.member == nil:
		m.give(m.screenPair, of)
	}
	m.sendScreen()
}

// dropScreen takes the shared screen from m.
func (m *member) dropScreen() {
	pr := m.screenPair
	if pr == nil {
		return
	}
	m.give(pr, nil)
	if m.local != nil { // whose slots are of one participant
		pr.audio.Close()
		pr.video.Close()
		m.screenPair = nil
	}
}

// sendScreen tells m whose screen is shared, if its page takes that.
func (m *member) sendScreen() {
	if !m.takesScreen {
		return
	}
	var s signalling.Screen
	if of := m.call.screen.of; of != nil {
		s.Participant = of.profile.ID
		at := m.screenUp
		if of != m {
			at = sections{}
			if pr := m.screenPair; pr != nil && pr.member == of {
				at = sections{audio: pr.audio.Mid, video: pr.video.Mid}
			}
		}
		s.Video = at.video
		if m.call.screen.sound {
			s.Audio = at.audio
		}
	}
	m.send(s)
}

// screenOffered notes the sections that p's next offer has for a shared screen.
func (c *Call) screenOffered(p *peer, up sections, down *slotPair) {
	if m := p.member; m.peer == p {
		m.screenUp, m.screenPair = up, down
		c.assignScreen(m)
	}
}

// sections are the media sections of a shared screen, by mid. They are "" while there are none.
type sections struct{ audio, video string }

// screenSections is what a peer's description has for a shared screen. The peer's goroutine owns it.
type screenSections struct {
	wantsUp, wantsDown bool
	up                 []*webrtc.RTPTransceiver // audio and video in which the member sends; nil while there are none
	down               *grown                   // nil while there is none
	offered            int                      // transceivers that the last offer had
}

// lacking reports whether the description has not all that it should have.
func (s *screenSections) lacking() bool {
	return s.wantsUp && s.up == nil || s.wantsDown && s.down == nil
}

// ensureScreen makes an offer if the description has no sections for a shared screen in that direction.
func (p *peer) ensureScreen(up bool) {
	s := &p.screen
	s.wantsUp, s.wantsDown = s.wantsUp || up, s.wantsDown || !up
	p.negotiate()
}

// growScreen adds the sections for a shared screen that are wanted and not there yet.
func (p *peer) growScreen() error {
	s := &p.screen
	for s.wantsUp && len(s.up) < len(kinds) {
		t, err := p.pc.AddTransceiverFromKind(kinds[len(s.up)], webrtc.RTPTransceiverInit{
			Direction: webrtc.RTPTransceiverDirectionRecvonly,
		})
		if err != nil {
			return fmt.Errorf("section for a screen: %w", err)
		}
		s.up = append(s.up, t)
	}
	if s.wantsDown && s.down == nil {
		g, err := p.newPair("porch-screen")
		if err != nil {
			return err
		}
		g.pair.screen = true
		s.down = &g
	}
	return nil
}

// nameScreen tells the call the mids of the sections for a shared screen, before the first offer that has them.
func (p *peer) nameScreen() {
	s := &p.screen
	var up sections
	var down *slotPair
	n := len(s.up)
	if n > 0 {
		up = sections{audio: s.up[0].Mid(), video: s.up[1].Mid()}
	}
	if s.down != nil {
		n += 2
		down = s.down.pair
		p.name(*s.down)
	}
	if n > s.offered {
		s.offered = n
		p.call.post(func() { p.call.screenOffered(p, up, down) })
	}
}

// sent is all that the member may send, in the order of [forward.Inbound.SetMids].
func (m *member) sent() [4]*forward.Track {
	return [...]*forward.Track{m.audio, m.video, m.screenSound, m.screen}
}
