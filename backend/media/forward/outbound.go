package forward

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"

	"github.com/porch-call/porch/backend/media/clocks"
	"github.com/porch-call/porch/backend/media/rate"
	"github.com/porch-call/porch/backend/signalling"
)

// Outbound is what one connection sends to its receiver: the slots, what the slots share, and what the receiver
// reports.
type Outbound struct {
	admitted *atomic.Bool
	counters *Counters

	rtt        atomic.Int64  // round trip to the receiver, in nanoseconds; 0 for unknown
	measured   atomic.Bool   // the receiver reported a round trip since the last WasMeasured
	limit      atomic.Uint64 // the rate that the receiver estimates it can receive (REMB), in bit/s; 0 for unknown
	budget     resends
	departures *departures
	pacing     pacing
	probe      probe
	redundant  atomic.Bool // sound carries the packet before

	mu    sync.Mutex
	slots map[uint32]*Slot    // by SSRC, once negotiated
	ssrcs map[uint32]struct{} // in use, including those of retransmissions
	lost  map[uint32]uint32   // packets that the receiver reports as lost, by the SSRC of a slot
}

// NewOutbound returns the way out to a receiver. admitted says whether the receiver is admitted. wake is called when
// packets begin to wait for [Outbound.Pace]; it runs with locks held and must not block.
func NewOutbound(admitted *atomic.Bool, c *Counters, wake func()) *Outbound {
	o := &Outbound{admitted: admitted, counters: c, slots: make(map[uint32]*Slot), ssrcs: make(map[uint32]struct{}), lost: make(map[uint32]uint32)}
	o.budget.roundTrip = &o.rtt
	o.departures = newDepartures()
	o.pacing.wake = wake
	return o
}

// NewSlot returns a slot that shares what is counted for the receiver: its budget for retransmissions and its
// transport-wide numbers.
func (o *Outbound) NewSlot(kind signalling.Kind) *Slot {
	s := NewSlot(kind, o.admitted, o.counters)
	s.budget, s.departures, s.pacing, s.redundant = &o.budget, o.departures, &o.pacing, &o.redundant
	return s
}

var errSSRC = errors.New("an SSRC was drawn twice")

// Reserve reserves the SSRCs of a stream and of its retransmissions, 0 for none. It fails for an SSRC that is in use,
// because SSRCs are random 32-bit numbers and two streams with the same one would use the same nonces.
func (o *Outbound) Reserve(ssrcs ...uint32) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, n := range ssrcs {
		if n == 0 {
			continue
		}
		if _, taken := o.ssrcs[n]; taken {
			return errSSRC
		}
		o.ssrcs[n] = struct{}{}
	}
	return nil
}

// Add makes s receive the feedback on ssrc.
func (o *Outbound) Add(ssrc uint32, s *Slot) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.slots[ssrc] = s
}

// Slot returns the slot whose stream is ssrc, or nil.
func (o *Outbound) Slot(ssrc uint32) *Slot {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.slots[ssrc]
}

// All returns the negotiated slots.
func (o *Outbound) All() []*Slot {
	o.mu.Lock()
	defer o.mu.Unlock()
	slots := make([]*Slot, 0, len(o.slots))
	for _, s := range o.slots {
		slots = append(slots, s)
	}
	return slots
}

// Feedback takes what an RTCP packet from the receiver says about stream ssrc.
func (o *Outbound) Feedback(ssrc uint32, f Feedback, now time.Time) {
	if f.estimate != 0 {
		o.limit.Store(f.estimate)
	}
	if f.transport != nil {
		if !o.departures.report(f.transport, now) {
			o.counters.malformed.Add(1)
		}
		return
	}
	if !f.reported && len(f.lost) == 0 && !f.keyframe {
		return
	}
	s := o.Slot(ssrc)
	if s == nil {
		return
	}
	if f.reported {
		o.measure(f.block, now)
		o.noteLost(ssrc, f.block.TotalLost)
	}
	if len(f.lost) > 0 {
		s.resend(f.lost)
	}
	if f.keyframe {
		s.requestKeyframe()
	}
}

// measure takes the round trip from a report block (RFC 3550 section 6.4.1).
func (o *Outbound) measure(b rtcp.ReceptionReport, now time.Time) {
	if b.LastSenderReport == 0 {
		return
	}
	d := time.Duration(uint32(clocks.ToNTP(now)>>16)-b.LastSenderReport-b.Delay) * time.Second / 65536
	o.measured.Store(true)
	o.Took(d)
}

// WasMeasured reports whether the receiver has reported a round trip since the last call.
func (o *Outbound) WasMeasured() bool { return o.measured.Swap(false) }

// Took notes a round trip. When two goroutines call it at the same time, one of the two values may be lost.
func (o *Outbound) Took(d time.Duration) {
	if d < 0 || d > maxRoundTrip {
		return
	}
	old := o.rtt.Load()
	if old == 0 {
		old = int64(d)
	}
	o.rtt.Store(old + (int64(d)-old)/8)
}

const maxRoundTrip = 5 * time.Second

// RoundTrip returns the smoothed round trip, 0 for unknown.
func (o *Outbound) RoundTrip() time.Duration { return time.Duration(o.rtt.Load()) }

// OwnLimit returns the rate that the receiver itself estimates it can receive (REMB), in bit/s; 0 for unknown.
func (o *Outbound) OwnLimit() uint64 { return o.limit.Load() }

// Redundant reports whether sound carries the packet before.
func (o *Outbound) Redundant() bool { return o.redundant.Load() }

// Estimate returns the rate that the line to the receiver is estimated to carry, in bit/s; 0 for unknown. A receiver that
// does not report by transport-wide numbers estimates it itself.
func (o *Outbound) Estimate() uint64 {
	if o.departures.reported.Load() {
		return uint64(o.departures.estimator.Capacity())
	}
	return o.limit.Load()
}

// Reported reports whether the receiver says by transport-wide numbers what arrives, so that Estimator knows the line.
func (o *Outbound) Reported() bool { return o.departures.reported.Load() }

// Estimator returns the estimator of what the line to the receiver carries.
func (o *Outbound) Estimator() *rate.Estimator { return o.departures.estimator }

// Limit limits what leaves for the receiver to a share, and to what the way has room for; way may be nil. Without a
// limit, or after [Outbound.Unlimit], all leaves at once.
func (o *Outbound) Limit(now time.Time, share rate.Bitrate, way *rate.Gate) {
	for _, s := range o.pacing.set(now, share, way) {
		s.dropped(now)
	}
}

// Unlimit lets everything leave at once.
func (o *Outbound) Unlimit() { o.pacing.free() }

// Pace sends what waited and may leave now, and what the probe under way demands. more reports that there will be more to
// send. It is called every few milliseconds, until more is false, after wake was called.
func (o *Outbound) Pace(now time.Time) (more bool) {
	more = o.pacing.send(now)
	return o.pad(now) || more
}

// SenderReports returns the reports of the running streams.
func (o *Outbound) SenderReports(now time.Time) (reports []*rtcp.SenderReport) {
	for _, s := range o.All() {
		if sr, ok := s.senderReport(now); ok {
			reports = append(reports, sr)
		}
	}
	return reports
}
