package forward

import (
	"sync"
	"time"

	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtcp"
)

// arrivals notes what a peer's packets carry for congestion control: transport-wide sequence numbers. Pion's recorder works
// for each number that is left out, so numbers may leap only so far between two reports. Its zero value is ready.
type arrivals struct {
	mu         sync.Mutex
	recorder   *twcc.Recorder
	newest     uint16 // of the numbers that were recorded
	left       int    // by how many numbers they may still leap until the next report
	leapt      uint16 // a number from beyond that
	leaping    bool
	renewed    time.Time
	unreported bool // something has arrived since the last report
}

const (
	maxTransportLeaps = 4096        // numbers left out between two reports
	renewRecorder     = time.Second // at most so often a sender may begin to count anew
)

// record takes a number that has arrived at now, elapsed after the connection's beginning.
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
		a.begin(number, now) // it goes on from there
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

// report returns what has arrived since the last time.
func (a *arrivals) report() (packets []rtcp.Packet) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.unreported {
		packets = a.recorder.BuildFeedbackPacket()
		a.unreported = false
	}
	a.left = maxTransportLeaps
	return packets
}
