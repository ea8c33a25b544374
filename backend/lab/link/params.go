package link

import "time"

// Params are the properties of one direction. The zero value is a line without limits.
type Params struct {
	// Rate is what the line carries, in bit/s of IP packets. 0: no limit.
	Rate int `json:"rate,omitempty"`
	// Queue is the longest time that a packet may have to wait for the line; a packet that would wait longer is
	// dropped. 0: [DefaultQueue]. It has no effect without Rate.
	Queue time.Duration `json:"queue,omitempty"`
	// CoDel manages the queue as RFC 8289 says, with its default target and interval.
	CoDel bool `json:"coDel,omitempty"`
	// Delay is the time that a packet is under way after the line has carried it.
	Delay time.Duration `json:"delay,omitempty"`
	// Jitter is the most that packets are under way longer. It changes every [jitterEvery], and keeps their order.
	Jitter time.Duration `json:"jitter,omitempty"`
	// Loss is the share of packets that are lost under way, 0 to 1.
	Loss float64 `json:"loss,omitempty"`
	// Burst is the mean length of a burst of losses in packets (Gilbert's model). Up to 1: losses are independent.
	Burst float64 `json:"burst,omitempty"`
	// Reorder is the share of packets, 0 to 1, that are under way [lateBy] longer and so are overtaken.
	Reorder float64 `json:"reorder,omitempty"`
	// Down loses all packets.
	Down bool `json:"down,omitempty"`
}

const (
	// DefaultQueue is the queue of a line that does not say.
	DefaultQueue = 200 * time.Millisecond

	jitterEvery = 20 * time.Millisecond
	lateBy      = 15 * time.Millisecond
)

// Step is a change of a direction at a time of the script.
type Step struct {
	At     time.Duration `json:"at"` // after [Direction.Begin]
	Params Params        `json:"params"`
}

// limit returns how many bytes may wait.
func (p *Params) limit() int {
	queue := p.Queue
	if queue == 0 {
		queue = DefaultQueue
	}
	return int(int64(p.Rate) / 8 * int64(queue) / int64(time.Second))
}

// transmission returns how long the line takes for a packet.
func (p *Params) transmission(bytes int) time.Duration {
	if p.Rate <= 0 {
		return 0
	}
	return time.Duration(int64(bytes) * 8 * int64(time.Second) / int64(p.Rate))
}
