package call

import (
	"time"

	"github.com/pion/rtcp"

	"github.com/porch-call/porch/backend/call/lines"
	"github.com/porch-call/porch/backend/call/planning"
	"github.com/porch-call/porch/backend/media/forward"
	"github.com/porch-call/porch/backend/media/rate"
	"github.com/porch-call/porch/backend/media/share"
)

// planEvery is how often the call decides who gets what, in ticks of the reporter. It also decides when the line to a
// receiver turns out to be full, and when a member comes, leaves or looks elsewhere, but not more often than hurryEvery.
const (
	planEvery  = 20
	hurryEvery = 2
)

// plan decides anew and carries it out.
func (c *Call) plan() {
	if c.ended {
		return
	}
	now, members, p := time.Now(), *c.members.Load(), &c.planner
	p.Begin()
	for i, m := range members {
		m.place = i
		p.Add(m.facts())
	}
	plan := p.Decide(c.screen.facts(), c.engine.lines, int(c.limit.Load()), c.speaking, now)
	c.loudest.SetPlaces(p.Places())
	c.engine.cork()
	for i, m := range members {
		planned := p.Receiver(i).Sound
		for pr := range m.allPairs {
			place := pr.member.place
			switch {
			case pr.screen && pr.member != c.screen.of, !pr.screen && pr.member.left:
				continue // on its way out; a path that is lost meanwhile makes the call decide
			case pr.screen:
				place = len(members)
			}
			choice := plan.Choice(i, place)
			pr.reason = choice.Reason
			pr.permit(pr.reason != share.OwnLine && pr.reason != share.HostLine)
			planned += choice.Rate
			pr.video.SetThin(choice.Thin)
			if choice.Layer >= 0 && !pr.screen && pr.member.asked.Layers() > 0 {
				pr.video.SetTarget(choice.Layer)
			}
		}
		if m.peer != nil {
			e := m.peer.out.Estimator()
			e.Plan(rate.Bitrate(planned))
			e.Want(p.Useful(i))
			m.tellLine(p.Receiver(i), now)
		}
	}
	c.engine.uncork()
	for i, o := range members {
		var screen share.Ask // a limit holds for all that a browser sends
		if o == c.screen.of {
			screen = plan.Asks[len(members)][0]
		}
		o.ask(o.askRecorded(plan.Asks[i]), screen, now)
		o.assume(p.Assumed(i))
	}
	f, news := p.Foresee(c.numbers+1, c.expected.Load(), now)
	if news && c.hooks.OnForecast != nil {
		c.hooks.OnForecast(f)
	}
}

// facts is what a decision knows of m.
func (m *member) facts() planning.Member {
	f := planning.Member{
		Number: m.number, Name: m.profile.ID, Host: m.profile.Host,
		Muted: m.muted, CameraOff: m.cameraOff, Away: m.away, TakesScreen: m.takesScreen, Layers: m.asked.Layers(),
		Camera: m.video, Redundancy: &m.redundancy,
	}
	if p := m.peer; p != nil {
		f.Out, f.Way, f.TakesRED = p.out, lines.Way(p.way.Load()), p.takesRED.Load()
	}
	return f
}

// ask tells m what its picture, and its screen, may take: our engine directly, and a browser by RTCP, which it obeys at
// once, and by Layers.
func (m *member) ask(layers [share.MaxLayers]share.Ask, screen share.Ask, now time.Time) {
	m.asked.Ask(layers, screen, m == m.call.screen.of)
	if m.local != nil {
		m.local.sink.PictureLimited(layers[0].MaxBitrate, layers[0].Height)
		if m == m.call.screen.of {
			m.local.sink.ScreenLimited(screen.On, screen.MaxBitrate)
		}
		return
	}
	if m.takesLayers {
		if l, due := m.asked.Tell(!m.takers.None(), m.alone(), now); due {
			m.send(l)
		}
	}
	ssrc, ok := m.video.SSRC()
	if !ok {
		ssrc, ok = m.screen.SSRC()
	}
	if !ok || m.peer == nil {
		return
	}
	if limit, due := m.asked.Limit(now); due {
		m.peer.sendRTCP(&rtcp.ReceiverEstimatedMaximumBitrate{
			SenderSSRC: forward.ReporterSSRC, Bitrate: float32(limit), SSRCs: []uint32{ssrc},
		})
	}
}

// assume tells m which part of its sound its receivers are assumed to lose.
func (m *member) assume(lost float64) {
	m.audio.AssumeLoss(lost)
	if m.local != nil {
		m.local.sink.LossAssumed(lost)
	}
}

// alone reports whether m is the only member.
func (m *member) alone() bool { return len(*m.call.members.Load()) == 1 }
