package forward

import (
	"sync/atomic"
	"time"

	limiter "golang.org/x/time/rate"

	"github.com/porch-call/porch/backend/media/rate"
)

// departures numbers the packets that leave for one receiver, across all its streams (transport-wide-cc-01). The
// receiver reports by these numbers what arrived, and when.
type departures struct {
	numbers   atomic.Uint32 // the last number that was given out; its lower 16 bits count
	bytes     atomic.Uint64 // that left
	estimator *rate.Estimator
	reports   *limiter.Limiter // of the receiver
	reported  atomic.Bool      // the receiver has reported
	probe     atomic.Int64     // the id of the probe that what leaves belongs to, 0 for none
}

// Reports that a receiver may send. Browsers send 16 to 20 a second (seen in Chromium 156 and Firefox 153). One report may
// speak of 4,096 packets in 24 bytes, so that a flood of them would keep the estimator from those who send packets.
const (
	reportsPerSecond = 100
	reportBurst      = 50
)

func newDepartures() *departures {
	return &departures{
		estimator: rate.NewEstimator(firstEstimate), reports: limiter.NewLimiter(reportsPerSecond, reportBurst),
	}
}

// report takes a report of the receiver. It reports false for one that is malformed, or one too many.
func (d *departures) report(raw []byte, now time.Time) bool {
	if !d.reports.AllowN(now, 1) || d.estimator.Feedback(now, raw) != nil {
		return false
	}
	d.reported.Store(true)
	return true
}

// firstEstimate is what a receiver is sent before it has said what arrives: a picture of 360 lines and sound.
const firstEstimate = rate.Mbit

// wireOverhead is what IPv4, UDP and the authentication tag of AES-GCM add to an RTP packet, in bytes.
const wireOverhead = 20 + 8 + 16

// next returns the number of the next packet. A number whose packet is not sent after all is left out.
func (d *departures) next() uint16 { return uint16(d.numbers.Add(1)) }

// left notes that a packet of size bytes on the wire left under a number. Without a stream for retransmissions, a repeated
// packet leaves under the same number again.
func (d *departures) left(number uint16, size int, now time.Time) {
	d.bytes.Add(uint64(size))
	d.estimator.Sent(now, number, size, int(d.probe.Load()))
}
