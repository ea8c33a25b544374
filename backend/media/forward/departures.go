package forward

import (
	"sync/atomic"
	"time"

	"github.com/porch-call/porch/backend/media/rate"
)

// departures numbers the packets that leave for one receiver, across all its streams (transport-wide-cc-01). The
// receiver reports by these numbers what arrived, and when.
type departures struct {
	numbers   atomic.Uint32 // the last number that was given out; its lower 16 bits count
	bytes     atomic.Uint64 // that left
	estimator *rate.Estimator
	probe     atomic.Int64 // the id of the probe that what leaves belongs to, 0 for none
}

// wireOverhead is what IPv4, UDP and the authentication tag of AES-GCM add to an RTP packet, in bytes.
const wireOverhead = 20 + 8 + 16

// next returns the number of the next packet. A number whose packet is not sent after all is left out.
func (d *departures) next() uint16 { return uint16(d.numbers.Add(1)) }

// left notes that an RTP packet of size bytes left under a number. Without a stream for retransmissions, a repeated
// packet leaves under the same number again.
func (d *departures) left(number uint16, size int, now time.Time) {
	d.bytes.Add(uint64(size + wireOverhead))
	d.estimator.Sent(now, number, size+wireOverhead, int(d.probe.Load()))
}
