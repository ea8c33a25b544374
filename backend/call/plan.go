package call

import (
	"slices"
	"time"

	"github.com/pion/rtcp"

	"github.com/porch-call/porch/backend/call/foresight"
	"github.com/porch-call/porch/backend/call/lines"
	"github.com/porch-call/porch/backend/media/forward"
	"github.com/porch-call/porch/backend/media/rate"
	"github.com/porch-call/porch/backend/media/share"
	"github.com/porch-call/porch/backend/signalling"
)

// planEvery is how often the call decides who gets what, in ticks of the reporter. It also decides when the line to a
// receiver turns out to be full, and when a member comes, leaves or looks elsewhere, but not more often than hurryEvery.
const (
	planEvery  = 20
	hurryEvery = 2
)

// planner decides who gets what of the pictures. The call's goroutine owns it.
type planner struct {
	demands   share.Demands
	allocator share.Allocator
	input     share.Input
	members   []*member // the receivers of input, in order
	speaking  []share.ID
	sights    []share.Sight // scratch space of see
	flows     []forward.Flow
	numbers   share.ID // of members so far
	places    int      // how many are heard at once
	foresight foresight.Foresight
}

// plan decides anew and carries it out.
func (c *Call) plan() {
	if c.ended {
		return
	}
	now := time.Now()
	members := *c.members.Load()
	in := c.gather(members, now)
	c.planSound(members, in, now)
	plan := c.planner.allocator.Allocate(in, now)
	c.engine.cork()
	for r, m := range c.planner.members {
		planned := in.Receivers[r].Sound
		for pr := range m.allPairs {
			place := pr.member.place
			switch {
			case pr.screen && pr.member != c.screen.of, !pr.screen && pr.member.left:
				continue // on its way out; a path that is lost meanwhile makes the call decide
			case pr.screen:
				place = len(members)
			}
			choice := plan.Choice(r, place)
			pr.reason = choice.Reason
			pr.permit(pr.reason != share.OwnLine && pr.reason != share.HostLine)
			planned += choice.Rate
			pr.video.SetThin(choice.Thin)
			if choice.Layer >= 0 && !pr.screen && pr.member.asked.Layers() > 0 {
				pr.video.SetTarget(choice.Layer)
			}
		}
		if m.peer != nil {
			m.peer.out.Estimator().Plan(rate.Bitrate(planned))
			m.wants(in, r)
			m.tellLine(in.Receivers[r], now)
		}
	}
	c.engine.uncork()
	for t, o := range members {
		var screen share.Ask // a limit holds for all that a browser sends
		if o == c.screen.of {
			screen = plan.Asks[len(members)][0]
		}
		o.ask(plan.Asks[t], screen, now)
	}
	c.foresee(in, now)
}

// see takes m's view. Tiles of participants who are not in the call are left out.
func (p *planner) see(m *member, v signalling.View) {
	p.sights = p.sights[:0]
	for _, t := range v.Tiles {
		kind, known := pictures[t.Kind]
		if o := m.call.member(t.Participant); o != nil && known {
			id := share.TrackID{Of: o.number, Kind: kind}
			p.sights = append(p.sights, share.Sight{Track: id, Height: t.Height})
		}
	}
	p.demands.See(m.number, v.Hidden, p.sights)
}

// pictures are the kinds of pictures, by the kinds of tiles that show them.
var pictures = map[signalling.Kind]share.Kind{signalling.KindVideo: share.Camera, signalling.KindScreen: share.Screen}

// gather puts together what a decision is made from.
func (c *Call) gather(members []*member, now time.Time) *share.Input {
	p := &c.planner
	in := &p.input
	in.Ways = append(in.Ways[:0], share.Way{Capacity: share.Unlimited})
	for w := lines.Network; w < lines.Ways; w++ {
		in.Ways = append(in.Ways, share.Way{Capacity: int(c.engine.lines.Capacity(w))})
	}
	if limit := c.limit.Load(); limit > 0 {
		for w := range in.Ways {
			in.Ways[w].Capacity = min(in.Ways[w].Capacity, int(limit))
		}
	}
	in.Receivers, in.Tracks, p.members = in.Receivers[:0], in.Tracks[:0], p.members[:0]
	voices := 0
	for _, m := range members {
		if !m.muted {
			voices++
		}
	}
	for i, m := range members {
		m.place = i
		in.Tracks = append(in.Tracks, p.track(m.number, share.Camera, m.video, m.cameraOff, m.asked.Layers(), now))
		if m.local != nil { // our engine makes what is asked for, of a camera that may have so many lines
			in.Tracks[i].Layers[0].Max = share.Deserved(720)
		}
		others := voices
		if !m.muted {
			others--
		}
		redundant := m.peer != nil && m.peer.out.Redundant()
		r := share.Receiver{ID: m.number, Capacity: share.Unlimited, Sound: share.Sound(others, p.places, redundant)}
		if c.screen.sound && m != c.screen.of { // it needs no place among the voices
			r.Sound += share.SoundRate
		}
		if m.peer != nil {
			if w := lines.Way(m.peer.way.Load()); w != lines.Loopback {
				r.Way, r.Capacity = int(w), int(m.peer.out.Estimator().Capacity())
			}
			if limit := m.peer.out.OwnLimit(); limit > 0 {
				r.Capacity = min(r.Capacity, int(min(limit, share.Unlimited)))
			}
		}
		in.Receivers = append(in.Receivers, r)
		p.members = append(p.members, m)
	}
	if of := c.screen.of; of != nil { // behind the cameras
		in.Tracks = append(in.Tracks, p.track(of.number, share.Screen, of.screen, false, 1, now))
	}
	p.speaking = p.speaking[:0]
	for _, id := range c.speaking {
		if m := c.member(id); m != nil {
			p.speaking = append(p.speaking, m.number)
		}
	}
	in.Wants = p.demands.Wants(in.Receivers, in.Tracks, p.speaking, now)
	for r, m := range p.members {
		switch wants := in.Wants[r*len(in.Tracks):][:len(in.Tracks)]; {
		case m.away:
			clear(wants)
		case c.screen.of != nil && !m.takesScreen: // an older page, which gets none
			wants[len(members)] = share.Want{}
		}
	}
	return in
}

// track describes a picture of so many layers.
func (p *planner) track(of share.ID, kind share.Kind, from *forward.Track, silent bool, layers int, now time.Time) share.Track {
	t := share.Track{ID: share.TrackID{Of: of, Kind: kind}, Silent: silent}
	p.flows = from.Flows(p.flows[:0], now)
	thins := slices.ContainsFunc(p.flows, func(f forward.Flow) bool { return f.Thins }) // senders make all layers alike
	for _, f := range p.flows[:min(len(p.flows), max(1, layers), share.MaxLayers)] {
		t.Layers[t.Count] = share.Layer{Height: f.Height, Rate: f.Rate, Active: f.Active, Thins: thins}
		t.Count++
	}
	return t
}

// wants tells the estimator of m's line how much could be used.
func (m *member) wants(in *share.Input, r int) {
	want := in.Receivers[r].Sound
	for t := range in.Tracks {
		if w := in.Wants[r*len(in.Tracks)+t]; w.Class != share.Unseen && !in.Tracks[t].Silent {
			want += share.Deserved(int(w.Height))
		}
	}
	m.peer.out.Estimator().Want(rate.Bitrate(want))
}

// ask tells m what its picture, and its screen, may take: our engine directly, and a browser by RTCP, which it obeys at
// once, and by Layers.
func (m *member) ask(layers [share.MaxLayers]share.Ask, screen share.Ask, now time.Time) {
	m.asked.Ask(layers, screen, m == m.call.screen.of)
	if m.local != nil {
		m.local.sink.PictureLimited(layers[0].MaxBitrate, layers[0].Height)
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

// alone reports whether m is the only member.
func (m *member) alone() bool { return len(*m.call.members.Load()) == 1 }
