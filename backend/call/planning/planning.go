// Package planning decides who gets what in a call. It turns what is known of the members into the input of package
// share, asks it, and keeps what the next decision needs. It takes the time as an argument.
package planning

import (
	"slices"
	"time"

	"github.com/porch-call/porch/backend/call/foresight"
	"github.com/porch-call/porch/backend/call/lines"
	"github.com/porch-call/porch/backend/media/forward"
	"github.com/porch-call/porch/backend/media/rate"
	"github.com/porch-call/porch/backend/media/share"
	"github.com/porch-call/porch/backend/signalling"
)

// Member is what a decision knows of a member.
type Member struct {
	Number      share.ID // never used twice in a call
	Name        string   // in views
	Host        bool
	Muted       bool
	CameraOff   bool
	Away        bool
	TakesScreen bool
	Layers      int // of its picture, 0 for one without a RID

	Camera     *forward.Track
	Out        *forward.Outbound // nil for our own engine, which loses nothing and makes what is asked for
	Way        lines.Way
	TakesRED   bool
	Redundancy *share.Redundancy
}

// Screen is a shared screen. The zero value is none.
type Screen struct {
	Of    share.ID
	Name  string // of its member
	Track *forward.Track
	Sound bool // it comes with sound
}

// Ways are the ways out.
type Ways interface {
	Capacity(lines.Way) rate.Bitrate
	Excused(lines.Way) uint32 // see [rate.Uplink.Excused]
}

// Planner decides. The zero value is ready. It is not safe for concurrent use.
type Planner struct {
	share.Demands

	allocator share.Allocator
	foresight foresight.Foresight
	input     share.Input
	members   []Member // of the decision under way, in the order of input's receivers and tracks
	assumed   []float64
	places    int            // how many are heard at once
	flows     []forward.Flow // scratch space
	sights    []share.Sight  // likewise
	speaking  []share.ID     // likewise
}

// Kinds are the kinds of pictures, by the kinds of tiles that show them.
var kinds = map[signalling.Kind]share.Kind{signalling.KindVideo: share.Camera, signalling.KindScreen: share.Screen}

// View takes what a member looks at.
func (p *Planner) View(of share.ID, v signalling.View) {
	p.sights = p.sights[:0]
	for _, t := range v.Tiles {
		if kind, known := kinds[t.Kind]; known {
			p.sights = append(p.sights, share.Sight{Of: t.Participant, Kind: kind, Height: t.Height})
		}
	}
	p.See(of, v.Hidden, p.sights)
}

// Begin begins a decision.
func (p *Planner) Begin() { p.members = p.members[:0] }

// Add adds a member to the decision. Its number in the decision is how many were added before.
func (p *Planner) Add(m Member) { p.members = append(p.members, m) }

// Decide decides about the members that were added, and the shared screen, whose track is behind those of the cameras.
// limit is what leaves this computer at most, in bit/s, 0 for no limit. speaking are the names of those who speak, the
// loudest first. The plan is valid until the next decision.
func (p *Planner) Decide(s Screen, ways Ways, limit int, speaking []string, now time.Time) *share.Plan {
	p.gather(s, ways, limit, speaking, now)
	p.hear(now)
	return p.allocator.Allocate(&p.input, now)
}

// gather puts together what a decision is made from.
func (p *Planner) gather(s Screen, ways Ways, limit int, speaking []string, now time.Time) {
	in := &p.input
	in.Ways = append(in.Ways[:0], share.Way{Capacity: share.Unlimited})
	for w := lines.Network; w < lines.Ways; w++ {
		in.Ways = append(in.Ways, share.Way{Capacity: int(ways.Capacity(w)), Excused: ways.Excused(w)})
	}
	if limit > 0 {
		for w := range in.Ways {
			in.Ways[w].Capacity = min(in.Ways[w].Capacity, limit)
		}
	}
	in.Receivers, in.Tracks = in.Receivers[:0], in.Tracks[:0]
	voices := p.voices()
	for i := range p.members {
		m := &p.members[i]
		in.Receivers = append(in.Receivers, p.receiver(m, voices, s))
		in.Tracks = append(in.Tracks, p.track(m.Number, m.Name, share.Camera, m.Camera, m.Layers, now))
		in.Tracks[i].Silent = m.CameraOff
		if m.Out == nil { // of a camera that may have so many lines
			in.Tracks[i].Layers[0].Max = share.Deserved(720)
		}
	}
	if s.Track != nil {
		in.Tracks = append(in.Tracks, p.track(s.Of, s.Name, share.Screen, s.Track, 1, now))
	}
	p.speaking = p.speaking[:0]
	for _, name := range speaking {
		if i := slices.IndexFunc(p.members, func(m Member) bool { return m.Name == name }); i >= 0 {
			p.speaking = append(p.speaking, p.members[i].Number)
		}
	}
	in.Wants = p.Wants(in.Receivers, in.Tracks, p.speaking, now)
	for r, m := range p.members {
		switch wants := in.Wants[r*len(in.Tracks):][:len(in.Tracks)]; {
		case m.Away:
			clear(wants)
		case s.Track != nil && !m.TakesScreen: // an older page, which gets none
			wants[len(p.members)] = share.Want{}
		}
	}
}

// voices returns how many members are not muted.
func (p *Planner) voices() (n int) {
	for _, m := range p.members {
		if !m.Muted {
			n++
		}
	}
	return n
}

// receiver describes a member who hears the others among so many voices.
func (p *Planner) receiver(m *Member, voices int, s Screen) share.Receiver {
	if !m.Muted {
		voices--
	}
	r := share.Receiver{ID: m.Number, Capacity: share.Unlimited}
	r.Sound = share.Sound(voices, p.places, m.Out != nil && m.Out.Redundant())
	if s.Sound && m.Number != s.Of { // it needs no place among the voices
		r.Sound += share.SoundRate
	}
	if m.Out == nil {
		return r
	}
	if m.Way != lines.Loopback {
		r.Way, r.Capacity = int(m.Way), int(m.Out.Estimator().Capacity())
		r.Excused = m.Out.Estimator().Excused()
	}
	if limit := m.Out.OwnLimit(); limit > 0 {
		r.Capacity = min(r.Capacity, int(min(limit, share.Unlimited)))
	}
	return r
}

// track describes a picture of so many layers.
func (p *Planner) track(of share.ID, name string, kind share.Kind, from *forward.Track, layers int, now time.Time) share.Track {
	t := share.Track{ID: share.TrackID{Of: of, Kind: kind}, Name: name}
	p.flows = from.Flows(p.flows[:0], now)
	thins := slices.ContainsFunc(p.flows, func(f forward.Flow) bool { return f.Thins }) // senders make all layers alike
	for _, f := range p.flows[:min(len(p.flows), max(1, layers), share.MaxLayers)] {
		t.Layers[t.Count] = share.Layer{Height: f.Height, Rate: f.Rate, Active: f.Active, Thins: thins}
		t.Count++
	}
	return t
}

// hear decides how many are heard, and what is done for receivers who lose sound. It is sent twice to those who take that
// and have room. For the others, publishers are told to expect loss, so that they add forward error correction.
func (p *Planner) hear(now time.Time) {
	in, voices := &p.input, p.voices()
	p.places = share.Places(len(p.members), voices, in.Ways, in.Receivers)
	p.assumed = slices.Grow(p.assumed[:0], len(p.members))[:len(p.members)]
	clear(p.assumed)
	for r, m := range p.members {
		if m.Out == nil {
			continue
		}
		twice, assumed := m.Redundancy.Decide(m.Out.Estimator().Lost(), m.TakesRED,
			share.Sound(voices, p.places, true), in.Receivers[r], in.Ways[in.Receivers[r].Way], now)
		m.Out.SetRedundant(twice)
		for o := range p.members {
			if o != r {
				p.assumed[o] = max(p.assumed[o], assumed)
			}
		}
	}
}

// Places returns how many are heard at once.
func (p *Planner) Places() int { return p.places }

// Assumed returns the loss that a member is told to expect of its sound, by its number in the decision.
func (p *Planner) Assumed(member int) float64 { return p.assumed[member] }

// Receiver returns a member as the decision knows it, by its number in it.
func (p *Planner) Receiver(member int) share.Receiver { return p.input.Receivers[member] }

// Useful returns how much a member could use of its line.
func (p *Planner) Useful(member int) rate.Bitrate {
	in := &p.input
	want := in.Receivers[member].Sound
	for t := range in.Tracks {
		if w := in.Wants[member*len(in.Tracks)+t]; w.Class != share.Unseen && !in.Tracks[t].Silent {
			want += share.Deserved(int(w.Height))
		}
	}
	return rate.Bitrate(want)
}

// Foresee tells what one more guest would change, after a decision; see [foresight.Foresight.Look]. id is a number that
// no member has.
func (p *Planner) Foresee(id share.ID, expected bool, now time.Time) (f foresight.Forecast, news bool) {
	host := share.ID(0)
	for _, m := range p.members {
		if m.Host {
			host = m.Number
		}
	}
	n := foresight.Newcomer(&p.input, id, host, int(lines.Internet))
	return p.foresight.Look(&p.input, n, p.places, expected, now)
}

// Uplink is what a way carries; see [share.Allocator.Uplink].
func (p *Planner) Uplink(w lines.Way) (share.Uplink, bool) {
	return p.allocator.Uplink(&p.input, int(w))
}
