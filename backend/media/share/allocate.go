package share

import (
	"time"
)

// Unlimited is a capacity that is never short, such as that of the loopback.
const Unlimited = 1 << 40

// Way is a way out of this machine that receivers share: the line to the internet, the local network, the loopback, a
// TURN allocation.
type Way struct {
	Capacity int    // bit/s
	Excused  uint32 // as of a receiver
}

// Receiver is a participant who is shown the others.
type Receiver struct {
	ID       ID
	Way      int // index of its way
	Capacity int // of its own path, in bit/s
	Sound    int // bit/s that are kept free for sound; see [Sound]
	// Excused counts how often a fall of Capacity turned out to be a mistake. What was paused for one comes back at once.
	Excused uint32
}

// Layer is one stream of a track.
type Layer struct {
	Height int  // lines, as the last keyframe said; 0 while it is unknown
	Rate   int  // bit/s that arrive, over about the last second
	Active bool // packets arrive
	Thins  bool // every other picture can be left out
	// Min and Max are the rates between which the encoder can be set, in bit/s. 0 is what the height deserves. A
	// publisher that can't be asked has Min and Max equal.
	Min, Max int
}

// Track is one picture of a publisher.
type Track struct {
	ID     TrackID
	Name   string // of its publisher in views
	Silent bool   // the camera is off; nothing is forwarded
	Layers [MaxLayers]Layer
	Count  int // of the layers, the lowest first
}

// Input is what a decision is made from.
type Input struct {
	Ways      []Way // the same ones, in the same order, from one decision to the next
	Receivers []Receiver
	Tracks    []Track
	Wants     []Want // len(Receivers) rows of len(Tracks), as [Demands.Wants] returns them
}

// Reason is why a receiver gets a picture or not.
type Reason uint8

// Reasons.
const (
	Shown    Reason = iota
	NotSeen         // the receiver does not look at it
	NotSent         // the publisher sends none
	OwnLine         // the receiver's own path is too poor for it
	HostLine        // the way out that the receivers share is too poor for it
)

// Choice is what a receiver gets of a track.
type Choice struct {
	Layer  int  // -1 is none
	Rate   int  // bit/s that it gets of that layer
	Thin   bool // it gets half of the pictures
	Reason Reason
}

// Ask is what a publisher is asked for in one layer.
type Ask struct {
	On         bool
	MaxBitrate int // bit/s for the encoder, without headers
	Height     int // lines at most
	FrameRate  int // frames a second at most, 0 without a limit
}

// Plan is a decision. It is valid until the allocator's next one.
type Plan struct {
	Asks    [][MaxLayers]Ask // by track
	choices []Choice
	tracks  int
}

// Choice returns what a receiver gets of a track, both by their indices in [Input].
func (p *Plan) Choice(receiver, track int) Choice { return p.choices[receiver*p.tracks+track] }

// What a decision keeps free, and how long it waits before it gives more.
const (
	// useful is the part of a capacity, less its sound, that pictures may take. The rest is for retransmissions and
	// keyframes.
	useful = 0.9
	// spareFactor is how many times its cost an upgrade must find free.
	spareFactor = 1.15
	// settle is the least time between a change of what a receiver gets of a track and the next upgrade of it.
	settle = 3 * time.Second
	// caution is the least time between a downgrade for want of capacity and the next upgrade by the same line. It is
	// failedOnce if that downgrade undid an upgrade within the time retry, and failedAgain the next time. So a line on
	// the edge changes a picture at most twice in 30 s.
	caution     = 10 * time.Second
	failedOnce  = 30 * time.Second
	failedAgain = 60 * time.Second
	retry       = 15 * time.Second
	// forgiveEvery is how often mistakes of one receiver's estimate are made good at once, and forgiveAtOnce how many of
	// them may be close together.
	forgiveEvery  = 5 * time.Second
	forgiveAtOnce = 3
	// recovery is how long a capacity may take to be what it was.
	recovery = 4 * time.Second
	// beginning is how long the capacity of a line that is new may take to be found. It begins low for everybody, and whoever
	// is found to have more first takes room from the others.
	beginning = 8 * time.Second
	// trust is how long a capacity must have been as high for an upgrade, at least; it may be twice as long. A rate
	// follows the capacity at once.
	trust = 4 * time.Second
)

// How poor a receiver may be beside the other takers of a layer, whose rate is the least that one of its takers can
// have. We reckon what the receivers that want a layer could have of it, if each shared its budget between all that it
// wants. The reference is the median, of two the larger. A receiver takes the layer only if it can have it at company
// of the reference, so that no receiver takes more than a tenth from the others. Of the lowest layer fairRate is enough,
// whatever the others can have. A receiver that has less gets the layer below. Of the lowest layer it gets as many
// pictures as it can have so, the most important first, and the others pause.
const (
	company  = 0.9
	fairRate = 450_000 // bit/s: a good picture of 360 lines
)

// thinPart is the part of its rate that a layer has without every other picture. libvpx gives the highest of two or three
// temporal layers 40 % of it.
const thinPart = 0.6

// Allocator shares the lines between the pictures. The zero value is ready. It is not safe for concurrent use.
//
// A decision has these steps. Sound is taken off every capacity. Every picture that is looked at gets its lowest layer,
// the most important first and in turns between the receivers, at the least rate that makes sense beside the other
// takers (see company), or half of its pictures where there is no room for all. Then layers are raised, in the order of what a step gains for what it costs. What is left is
// given to the encoders as rate, in proportion to the weights of their pictures, until the line of one of its takers is
// full. A track with one taker has one layer, whose rate follows the taker's line down to the least: layers are for
// takers who differ. What a quiet encoder leaves of its rate is not given away, because the next motion needs it.
type Allocator struct {
	begun time.Time
	now   time.Duration // since begun

	// State from one decision to the next, by the ids in order.
	receivers []ID
	tracks    []TrackID
	pairs     []pair   // rows of receivers
	streams   []stream // MaxLayers of each track
	lines     []line   // of the receivers, then of the ways, then one that carries nothing

	// Scratch.
	oldPairs   []pair
	oldStreams []stream
	oldLines   []line
	order      []uint64 // pairs by importance; see rank
	row        []uint64
	steps      []uint64 // upgrades by gain for cost; see upgrade
	levels     []float64
	drops      []drop
	taken      []float64 // takers on each way of each stream, who count by their part
	heights    []int
	plan       Plan
}

// pair is a receiver and a track.
type pair struct {
	layer   int8 // of the last decision, -1 for none
	wanted  bool // at the last decision
	thin    bool // likewise it got half of the pictures
	reason  Reason
	changed time.Duration

	// What the decision under way knows.
	now    int8    // layer, -1 for none
	part   float64 // of the layer's rate
	top    int8    // the highest layer that is wanted, -1 for none
	class  Class   // Unseen if nothing comes
	limit  float64 // bit/s that are of use at most
	level  float64 // bit/s that the receiver could have if it shared its budget between all that it wants
	height int     // of the tile
}

// held reports whether the pair was wanted and got the layer, or a higher one.
func (p *pair) held(layer int) bool { return p.wanted && int(p.layer) >= layer }

// line is a receiver's path or a way out.
type line struct {
	budget float64 // bit/s for pictures
	// Upgrades must fit into the least budget of this time and of the one before, each as long as trust.
	low, lowBefore float64
	turned         time.Duration // when low began; 0 is never
	used           float64       // of budget
	short          bool          // budget is less than what the last decision used

	until    time.Duration // no upgrade before
	wait     time.Duration // before upgrades after the last downgrade
	upgraded time.Duration // the last time
	cut      bool          // a downgrade of this decision is for want of capacity
	excused  uint32        // of the receiver
	forgave  time.Duration // when all of forgiveAtOnce are there again
	begun    time.Duration // until then the line is new, of receivers
	recovers time.Duration // until then what was lost comes back without a wait

	// highest is the highest layer of the last decision in a class or below it, of receivers.
	highest [Shared + 1]int8
	left    float64 // bit/s that fill has not given away
	level   float64 // bit/s that a weight of 1 gets of left, or of budget before fill
	settled bool    // fill has given away what it can
}

// fits reports whether a cost can be added.
func (l *line) fits(cost float64) bool { return l.used+cost <= l.budget }

// spares reports whether an upgrade can be added that wants so much free.
func (l *line) spares(spare float64) bool { return l.used+spare <= min(l.low, l.lowBefore) }

const longAgo = -time.Hour

// Allocate decides. Nothing of in is kept. Two decisions with the same input a while apart are the same.
func (a *Allocator) Allocate(in *Input, now time.Time) *Plan {
	if a.begun.IsZero() {
		a.begun = now
	}
	// A clock that goes back must not stretch the waits.
	a.now = max(a.now, now.Sub(a.begun), 1)
	a.follow(in)
	a.measureAll(in)
	a.want(in)
	a.single(in)
	a.budgets(in)
	a.share(in)
	a.references(in)
	a.admit(in)
	a.upgrade(in)
	a.remember(in)
	a.fill(in)
	a.ask(in)
	return &a.plan
}
