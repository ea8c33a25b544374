package forward

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"

	"github.com/porch-call/porch/backend/signalling"
)

// Outbound is what one connection takes out: the slots of a receiver, what they share, and what the receiver reports.
type Outbound struct {
	admitted *atomic.Bool
	counters *Counters

	rtt      atomic.Int64  // round trip to the receiver in nanoseconds, 0 for unknown
	measured atomic.Bool   // by a report of the receiver, since wasMeasured
	limit    atomic.Uint64 // what the receiver believes it can receive (REMB), bit/s; 0 for unknown
	budget   resends

	mu    sync.Mutex
	slots map[uint32]*Slot    // by SSRC, once negotiated
	ssrcs map[uint32]struct{} // in use, retransmissions' included
}

// NewOutbound returns the way out to a receiver; admitted is the receiver's.
func NewOutbound(admitted *atomic.Bool, c *Counters) *Outbound {
	o := &Outbound{admitted: admitted, counters: c, slots: make(map[uint32]*Slot), ssrcs: make(map[uint32]struct{})}
	o.budget.roundTrip = &o.rtt
	return o
}

// NewSlot returns a slot that shares the receiver's budget of retransmissions.
func (o *Outbound) NewSlot(kind signalling.Kind) *Slot {
	s := NewSlot(kind, o.admitted, o.counters)
	s.budget = &o.budget
	return s
}

var errSSRC = errors.New("an SSRC was drawn twice")

// Reserve takes SSRCs of a stream and of its retransmissions, 0 for none. SSRCs are random numbers of 32 bits, and two
// streams with one of them would share their nonces.
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

// Add makes feedback on ssrc go to s.
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

// All returns the slots that are negotiated.
func (o *Outbound) All() []*Slot {
	o.mu.Lock()
	defer o.mu.Unlock()
	slots := make([]*Slot, 0, len(o.slots))
	for _, s := range o.slots {
		slots = append(slots, s)
	}
	return slots
}

// Feedback takes what an RTCP packet of the receiver says about stream ssrc.
func (o *Outbound) Feedback(ssrc uint32, f Feedback, now time.Time) {
	if f.estimate != 0 {
		o.limit.Store(f.estimate)
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
	}
	if len(f.lost) > 0 {
		s.resend(f.lost)
	}
	if f.keyframe {
		s.requestKeyframe()
	}
}

// measure takes the round trip from a report block (RFC 3550 section 6.4.1).
func (o *Outbound) measure(b receptionReport, now time.Time) {
	if b.lastReport == 0 {
		return
	}
	d := time.Duration(uint32(toNTP(now)>>16)-b.lastReport-b.delay) * time.Second / 65536
	o.measured.Store(true)
	o.Took(d)
}

// WasMeasured reports whether the receiver's reports have told the round trip since the last time.
func (o *Outbound) WasMeasured() bool { return o.measured.Swap(false) }

// Took notes a round trip. Two at the same moment may count as one.
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

// Estimate returns what the receiver believes it can receive, in bit/s, 0 for unknown.
func (o *Outbound) Estimate() uint64 { return o.limit.Load() }

// SenderReports returns the reports of the streams that run.
func (o *Outbound) SenderReports(now time.Time) (reports []*rtcp.SenderReport) {
	for _, s := range o.All() {
		if sr, ok := s.senderReport(now); ok {
			reports = append(reports, sr)
		}
	}
	return reports
}
