package call

import (
	"time"

	"github.com/porch-call/porch/backend/call/ownline"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/share"
	"github.com/porch-call/porch/backend/signalling"
)

// Members say by View which pictures they look at. The call forwards no other
// pictures, and tells a publisher when no member takes its picture. Sound is not
// affected. See decision 60.

const (
	// viewsPerSecond and viewBurst limit the views of one member. Our pages send at
	// most four a second.
	viewsPerSecond = 10
	viewBurst      = 10

	// steerEvery is the least time between two runs of steer that views cause.
	steerEvery = 100 * time.Millisecond
	// newcomer is how long a participant is new. The pages of the others have no
	// tile for it at first, and its first picture does not wait for their views.
	newcomer = 2 * time.Second
)

// takes reports whether the picture of other's camera is sent to m, at time now. A member that has sent no view takes
// all pictures.
func (m *member) takes(other *member, now time.Time) bool {
	return m.sees(other, share.Camera, now.Sub(other.joinedAt))
}

// looksAt reports whether the picture of a pair is sent to m, at time now.
func (m *member) looksAt(pr *slotPair, now time.Time) bool {
	if pr.screen {
		return m.sees(pr.member, share.Screen, now.Sub(m.call.screen.since))
	}
	return m.takes(pr.member, now)
}

// sees reports whether a picture of other that is there for so long is sent to m.
func (m *member) sees(other *member, kind share.Kind, age time.Duration) bool {
	return !m.away && m.call.planner.Sees(m.number, other.profile.ID, kind, age < newcomer)
}

// look handles a view of m. It returns fault.TooFast above the limit.
func (c *Call) look(m *member, v signalling.View) error {
	now := time.Now()
	if !m.views.AllowN(now, 1) {
		return fault.New(fault.TooFast, nil)
	}
	c.planner.View(m.number, v)
	first := !m.viewed
	m.viewed = true
	for _, word := range v.Takes {
		switch {
		case word == signalling.TakesLayers && !m.takesLayers:
			m.takesLayers = true
			m.asked.Forget()
		case word == signalling.TakesScreen && !m.takesScreen:
			m.takesScreen = true
			c.assignScreen(m)
		case word == signalling.TakesRecording && !m.takesRecording:
			m.takesRecording = true
			m.tellRecording() // also that there is none: an earlier host may have said otherwise
			c.recordIfAgreed(m)
		}
		m.takesLine = m.takesLine || word == signalling.TakesLine
	}
	if first && c.recording != nil {
		c.recordingChanged()
	}
	if wait := steerEvery - now.Sub(c.steered); wait > 0 {
		c.steerWithin(wait)
		return nil
	}
	c.steer()
	return nil
}

// forgetView drops m's view, because it is of an earlier page.
func (m *member) forgetView() {
	m.takesLayers, m.takesScreen = m.profile.Layers, false
	m.takesLine, m.line = false, ownline.Line{}
	m.takesRecording, m.viewed = false, false // it is shown and goes on once the new page shows it, too
	m.call.recordIfAgreed(m)
	m.call.planner.Forget(m.number)
}

// steer pauses and resumes slots as their members take pictures, and tells publishers
// whether a member takes theirs. It does work for each pair of members.
func (c *Call) steer() {
	if c.ended {
		return
	}
	c.hurry.Store(true) // what is connected after this counts soon
	now := time.Now()
	c.steered = now
	members := *c.members.Load()
	c.engine.cork()
	for _, m := range members {
		for pr := range m.allPairs {
			pr.take(m.looksAt(pr, now))
		}
	}
	c.engine.uncork()
	if c.screen.of != nil && now.Sub(c.screen.since) < newcomer {
		c.steerWithin(newcomer - now.Sub(c.screen.since))
	}
	for _, m := range members {
		// In an empty call a page decides by itself (decision 38).
		taken := m.alone() && m.local == nil || m.recorded.Load() != nil
		for _, o := range members {
			taken = taken || o != m && o.takes(m, now)
		}
		c.taken(m, taken, now)
		if now.Sub(m.joinedAt) < newcomer {
			c.steerWithin(newcomer - now.Sub(m.joinedAt))
		}
	}
	c.plan()
}

// taken notes whether a member takes m's picture.
func (c *Call) taken(m *member, taken bool, now time.Time) {
	if again := m.takers.Note(taken, now); again > 0 {
		c.steerWithin(again)
	}
	if m.local != nil {
		m.local.sink.PictureTaken(!m.takers.None(), m.takes(m, now))
	}
}

// steerWithin makes steer run after wait, or earlier if it is due earlier.
func (c *Call) steerWithin(wait time.Duration) {
	due := time.Now().Add(wait)
	if !c.steerDue.IsZero() && !due.Before(c.steerDue) {
		return
	}
	c.steerDue = due
	if c.steerTimer != nil {
		c.steerTimer.Stop()
	}
	c.steerTimer = time.AfterFunc(wait, func() {
		c.post(func() {
			c.steerDue = time.Time{}
			c.steer()
		})
	})
}
