package forward

import (
	"sync"
	"time"

	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtcp"
)

// arrivals records the transport-wide sequence numbers of a peer's packets for congestion control. The cost of Pion's
// recorder grows with each number that is left out, so the numbers may only leap by [maxTransportLeaps] between two
// reports. The zero value is ready to use.
type arrivals struct {
	mu         sync.Mutex
	recorder   *twcc.Recorder
	newest     uint16 // the newest recorded number
	left       int    // how many more numbers may be left out before the next report
	leapt      uint16 // a number beyond that limit; valid while leaping
	leaping    bool
	renewed    time.Time
	unreported bool // a packet has arrived since the last report
}

const (
	maxTransportLeaps = 4096        // numbers left out between two reports
	renewRecorder     = time.Second // the shortest time between two renewals of the recorder
)

// record takes a transport-wide number that arrived at now. elapsed is the time since the connection began.
func (a *arrivals) record(ssrc uint32, number uint16, elapsed time.Duration, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.recorder == nil {
		a.begin(number, now)
	}
	step := int(int16(number - a.newest))
	leap := max(step, -step) - 1
	switch {
	case leap <= 0:
	case leap <= a.left:
		a.left -= leap
	case a.leaping && number-a.leapt-1 < 16 && now.Sub(a.renewed) > renewRecorder:
		a.begin(number, now) // the sender goes on counting from there
	default:
		a.leaping, a.leapt = true, number
		return
	}
	a.leaping = false
	a.recorder.Record(ssrc, number, elapsed.Microseconds())
	a.unreported = true
	if step > 0 {
		a.newest = number
	}
}

func (a *arrivals) begin(number uint16, now time.Time) {
	a.recorder = twcc.NewRecorder(ReporterSSRC)
	a.newest, a.left, a.renewed = number, maxTransportLeaps, now
}

// transportFeedback returns the feedback on all packets since the last report.
func (a *arrivals) transportFeedback() (packets []rtcp.Packet) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.unreported {
		packets = a.recorder.BuildFeedbackPacket()
		a.unreported = false
	}
	a.left = maxTransportLeaps
	return packets
}
