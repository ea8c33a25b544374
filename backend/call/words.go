package call

import (
	"time"

	"github.com/porch-call/porch/backend/call/figures"
	"github.com/porch-call/porch/backend/call/lines"
	"github.com/porch-call/porch/backend/call/ownline"
	"github.com/porch-call/porch/backend/media/rate"
	"github.com/porch-call/porch/backend/media/share"
	"github.com/porch-call/porch/backend/signalling"
)

// tellLine tells m when its line is another, or other pictures wait. r is m as
// the last decision knew it.
func (m *member) tellLine(r share.Receiver, now time.Time) {
	if !m.takesLine {
		return
	}
	m.line.Begin()
	for pr := range m.allPairs {
		pause := signalling.Pause{Participant: pr.member.profile.ID, Screen: pr.screen, Reason: signalling.PauseHost}
		switch {
		case !pr.taken:
		case pr.reason == share.OwnLine:
			pause.Reason = signalling.PauseLine
			m.line.Pause(pause)
		case pr.reason == share.HostLine:
			m.line.Pause(pause)
		}
	}
	full := m.peer.out.Estimator().State() == rate.Overuse && r.Capacity < r.Sound+ownline.Poor
	from := m.audio.Figures(now).Plus(m.video.Figures(now))
	if told, news := m.line.End(full, from.Packets, from.Lost, now); news {
		m.send(told)
	}
}

// Expect says whether guests wait for the host's answer. While they do, the hook
// OnForecast is told what letting one of them in would do.
func (c *Call) Expect(guests bool) {
	if c.expected.Swap(guests) != guests {
		c.hurry.Store(true)
	}
}

// uplink is what the line to the internet carries, or nil if nothing is shown by
// it.
func (c *Call) uplink() *figures.Uplink {
	u, ok := c.planner.Uplink(lines.Internet)
	if !ok {
		return nil
	}
	f := &figures.Uplink{Height: u.Height, Paused: u.Paused}
	if c.engine.lines.Known(lines.Internet) {
		f.Rate = u.Rate
	}
	return f
}
