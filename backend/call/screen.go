package call

import (
	"time"

	"github.com/porch-call/porch/backend/call/planning"
	"github.com/porch-call/porch/backend/call/sections"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/codec"
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

// facts is what a decision knows of the screen.
func (s *shared) facts() planning.Screen {
	if s.of == nil {
		return planning.Screen{}
	}
	return planning.Screen{Of: s.of.number, Name: s.of.profile.ID, Track: s.of.screen, Sound: s.sound}
}

// share handles m's wish to share its screen, or to stop. A screen that is shared already gives way only to a member who
// names its owner, because two may press the button at the same time. It returns fault.TooFast above the limit.
func (c *Call) share(m *member, s signalling.Sharing) error {
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
		old.dark(codec.ScreenOf(old.profile.ID))
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
	case of == nil, of == m && (m.local != nil || m.screenUp != (sections.Mids{})):
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
			at = sections.Mids{}
			if pr := m.screenPair; pr != nil && pr.member == of {
				at = sections.Mids{Audio: pr.audio.Mid, Video: pr.video.Mid}
			}
		}
		s.Video = at.Video
		if m.call.screen.sound {
			s.Audio = at.Audio
		}
	}
	m.send(s)
}

// screenOffered notes the sections that p's next offer has for a shared screen.
func (c *Call) screenOffered(p *peer, up sections.Mids, down *sections.Pair) {
	m := p.member
	if m.peer != p {
		return
	}
	m.screenUp = up
	if down != nil && m.screenPair == nil {
		m.screenPair = newSlotPair(down)
	}
	c.assignScreen(m)
}

// sent is all that the member may send, in the order of [forward.Inbound.SetMids].
func (m *member) sent() [4]*forward.Track {
	return [...]*forward.Track{m.audio, m.video, m.screenSound, m.screen}
}
