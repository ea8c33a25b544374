package player

import (
	"slices"
	"time"
)

// As libwebrtc's NackRequester.
const (
	nackTries   = 10
	nackMost    = 1000 // packets that may be missing
	defaultTrip = 100 * time.Millisecond
)

// Nacks asks for missing packets as libwebrtc does: at once, then once per round trip, ten times. It is not safe for
// concurrent use.
type Nacks struct {
	Trip  time.Duration // the round trip; 0: 100 ms
	Tries int           // for each packet; 0: ten

	begun   bool
	highest int64
	wanted  map[int64]*wanted
	counts  Asked
}

type wanted struct {
	tries int
	at    time.Duration
}

// Packet takes the number of a packet that arrived, for the first time or as a repeat.
func (n *Nacks) Packet(number uint16) {
	if !n.begun {
		n.begun, n.highest = true, int64(number)
		return
	}
	at := n.highest + int64(int16(number-uint16(n.highest)))
	if at <= n.highest {
		switch w := n.wanted[at]; {
		case w == nil:
			n.counts.Needless++
		case w.tries > 0:
			n.counts.Repaired++
		}
		delete(n.wanted, at)
		return
	}
	if n.wanted == nil {
		n.wanted = make(map[int64]*wanted)
	}
	for i := n.highest + 1; i < at; i++ {
		n.wanted[i] = new(wanted)
	}
	n.highest = at
}

// Due returns the numbers to ask for now. hopeless says that some were given up: only a keyframe helps.
func (n *Nacks) Due(now time.Duration) (numbers []uint16, hopeless bool) {
	if len(n.wanted) > nackMost {
		clear(n.wanted)
		return nil, true
	}
	trip := n.Trip
	if trip == 0 {
		trip = defaultTrip
	}
	tries := n.Tries
	if tries == 0 {
		tries = nackTries
	}
	for at, w := range n.wanted {
		switch {
		case w.tries == tries:
			delete(n.wanted, at)
			hopeless = true
		case w.tries == 0 || now-w.at >= trip:
			w.tries++
			w.at = now
			numbers = append(numbers, uint16(at))
		}
	}
	n.counts.Asked += len(numbers)
	slices.SortFunc(numbers, func(a, b uint16) int { return int(int16(a - b)) })
	return numbers, hopeless
}

// Forget gives up what is missing: a keyframe has come after it.
func (n *Nacks) Forget() { clear(n.wanted) }

// Asked is what was asked for.
type Asked struct {
	Asked    int `json:"asked"`    // requests for a packet
	Repaired int `json:"repaired"` // packets that came after they were asked for
	Needless int `json:"needless"` // packets that came twice
}

// Asked returns what was asked for so far.
func (n *Nacks) Asked() Asked { return n.counts }

// Highest returns the highest number that came, without wrapping.
func (n *Nacks) Highest() int64 { return n.highest }
