package call

import (
	"time"

	"github.com/porch-call/porch/backend/call/figures"
	"github.com/porch-call/porch/backend/media/forward"
)

// Figures returns what the host may know of the call's lines. It returns
// fault.CallEnded.
func (c *Call) Figures() (f figures.Call, err error) {
	err = c.do(func() {
		now := time.Now()
		f = figures.Call{At: now.UnixMilli(), Sent: c.gone.Sent(), Received: c.gone.Received()}
		for _, m := range *c.members.Load() {
			p := m.figures(now)
			if !m.profile.Host { // what the window and the app exchange does not leave the computer
				f.Sent += p.Out.Bytes
				f.Received += p.In.Bytes
			}
			f.People = append(f.People, p)
		}
		f.Uplink = c.uplink()
	})
	return f, err
}

// figures returns what is known of m's line. The call's goroutine calls it.
func (m *member) figures(now time.Time) figures.Person {
	from := m.audio.Figures(now).Plus(m.video.Figures(now))
	p := figures.Person{ID: m.profile.ID, In: flowOf(from, m.traffic.Received())}
	if m.local != nil {
		p.In.Bytes = from.Bytes
	}
	if m.profile.Host {
		p.In, p.Out = p.Out, p.In
		return p
	}
	p.Out = flowOf(m.peer.out.Figures(), m.traffic.Sent())
	p.RoundTrip = m.peer.out.RoundTrip().Microseconds()
	if r := m.peer.path.Load(); r != nil {
		p.Way = [...]string{figures.WayComputer, figures.WayNetwork, figures.WayInternet}[m.peer.way.Load()]
		if r.TURN() != nil || m.peer.relayed.Load() {
			p.Way = figures.WayRelay
		}
	}
	return p
}

func flowOf(f forward.Figures, bytes uint64) figures.Flow {
	return figures.Flow{Bytes: bytes, Packets: f.Packets, Lost: f.Lost, Height: f.Height, Frames: f.Frames}
}
