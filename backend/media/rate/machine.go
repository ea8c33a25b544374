package rate

import "time"

const (
	machineFull    = 0.5                    // of the system's buffer: what comes is not read in time
	machineCut     = 0.75                   // of what was sent, after that
	machineLeast   = 0.2                    // of what was sent at first: whoever floods us stops no call by that
	machineFew     = 20 * float64(Mbit)     // that any machine forwards; less is not what it is busy with
	machineHold    = 700 * time.Millisecond // until a cut shows, and before the next
	machineGrowth  = 0.04                   // a second
	machineCalm    = 2 * time.Second        // without growth after a cut
	machineFree    = 1.5                    // of what is sent: the limit is none any more
	machineOverrun = 300 * time.Millisecond
)

// Machine estimates how much this computer forwards, by whether it reads in time what comes. It is not safe for
// concurrent use. The zero value is ready to use; it knows no limit.
type Machine struct {
	limit   float64 // bits per second, 0 for none
	least   float64 // of limit
	dropped uint64
	begun   bool
	ticked  time.Time
	cutAt   time.Time
	fullAt  time.Time
}

// Tick takes how many packets the system has dropped so far, how full its buffer is (0 to 1), and how many bits a second
// leave. It is called about every 100 ms.
func (m *Machine) Tick(now time.Time, dropped uint64, fill float64, sent Bitrate) {
	lost := m.begun && dropped > m.dropped
	passed := min(now.Sub(m.ticked), time.Second)
	m.dropped, m.begun, m.ticked = dropped, true, now
	switch {
	case lost || fill > machineFull:
		m.fullAt = now
		if now.Sub(m.cutAt) < machineHold {
			return
		}
		m.cutAt = now
		if m.limit == 0 {
			if float64(sent) < machineFew {
				return
			}
			m.limit, m.least = float64(sent), max(machineLeast*float64(sent), machineFew)
		}
		m.limit = max(machineCut*min(m.limit, float64(sent)), m.least)
	case m.limit == 0 || now.Sub(m.cutAt) < machineCalm:
	case m.limit > machineFree*float64(sent) && now.Sub(m.fullAt) > 5*machineCalm:
		m.limit = 0
	default:
		m.limit = min(m.limit*(1+machineGrowth*passed.Seconds()), float64(Ceiling))
	}
}

// Limit returns what may be sent; ok is false if there is no limit.
func (m *Machine) Limit() (limit Bitrate, ok bool) { return Bitrate(m.limit), m.limit > 0 }

// Overrun reports that packets are being dropped before they are read, from everybody alike. To ask for them again
// makes it worse.
func (m *Machine) Overrun() bool {
	return !m.fullAt.IsZero() && m.ticked.Sub(m.fullAt) < machineOverrun
}
