package call

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"

	"github.com/porch-call/porch/backend/signalling"
)

// outbound is what one connection takes out: the slots of a receiver, what they share, and what the receiver reports.
type outbound struct {
	admitted *atomic.Bool
	counters *counters

	rtt      atomic.Int64  // round trip to the receiver in nanoseconds, 0 for unknown
	measured atomic.Bool   // by a report of the receiver, since wasMeasured
	limit    atomic.Uint64 // what the receiver believes it can receive (REMB), bit/s; 0 for unknown
	budget   resends

	mu    sync.Mutex
	slots map[uint32]*slot    // by SSRC, once negotiated
	ssrcs map[uint32]struct{} // in use, retransmissions' included
}

// newOutbound returns the way out to a receiver; admitted is the receiver's.
func newOutbound(admitted *atomic.Bool, c *counters) *outbound {
	o := &outbound{admitted: admitted, counters: c, slots: make(map[uint32]*slot), ssrcs: make(map[uint32]struct{})}
	o.budget.roundTrip = &o.rtt
	return o
}

// newSlot returns a slot that shares the receiver's budget of retransmissions.
func (o *outbound) newSlot(kind signalling.Kind) *slot {
	s := newSlot(kind, o.admitted, o.counters)
	s.budget = &o.budget
	return s
}

var errSSRC = errors.New("an SSRC was drawn twice")

// reserve takes SSRCs of a stream and of its retransmissions, 0 for none. SSRCs are random numbers of 32 bits, and two
// streams with one of them would share their nonces.
func (o *outbound) reserve(ssrcs ...uint32) error {
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

// add makes feedback on ssrc go to s.
func (o *outbound) add(ssrc uint32, s *slot) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.slots[ssrc] = s
}

// slot returns the slot whose stream is ssrc, or nil.
func (o *outbound) slot(ssrc uint32) *slot {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.slots[ssrc]
}

// all returns the slots that are negotiated.
func (o *outbound) all() []*slot {
	o.mu.Lock()
	defer o.mu.Unlock()
	slots := make([]*slot, 0, len(o.slots))
	for _, s := range o.slots {
		slots = append(slots, s)
	}
	return slots
}

// feedback takes what an RTCP packet of the receiver says about stream ssrc.
func (o *outbound) feedback(ssrc uint32, f control, now time.Time) {
	if f.estimate != 0 {
		o.limit.Store(f.estimate)
	}
	if !f.reported && len(f.lost) == 0 && !f.keyframe {
		return
	}
	s := o.slot(ssrc)
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
func (o *outbound) measure(b block, now time.Time) {
	if b.lastReport == 0 {
		return
	}
	d := time.Duration(uint32(toNTP(now)>>16)-b.lastReport-b.delay) * time.Second / 65536
	o.measured.Store(true)
	o.took(d)
}

// wasMeasured reports whether the receiver's reports have told the round trip since the last time.
func (o *outbound) wasMeasured() bool { return o.measured.Swap(false) }

// took notes a round trip. Two at the same moment may count as one.
func (o *outbound) took(d time.Duration) {
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

// roundTrip returns the smoothed round trip, 0 for unknown.
func (o *outbound) roundTrip() time.Duration { return time.Duration(o.rtt.Load()) }

// estimate returns what the receiver believes it can receive, in bit/s, 0 for unknown.
func (o *outbound) estimate() uint64 { return o.limit.Load() }

// senderReports returns the reports of the streams that run.
func (o *outbound) senderReports(now time.Time) (reports []*rtcp.SenderReport) {
	for _, s := range o.all() {
		if sr, ok := s.senderReport(now); ok {
			reports = append(reports, sr)
		}
	}
	return reports
}
