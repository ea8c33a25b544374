package forward

import (
	"slices"
	"sync"
	"time"

	"github.com/porch-call/porch/backend/media/rate"
)

// pacing spreads the pictures for one receiver over time, so that a keyframe does not fill the queues of the line in
// front of everybody's sound. What must wait is remembered by its numbers, and taken from the layer's cache when it may
// leave. Sound, retransmissions and RTCP leave at once, and are counted.
type pacing struct {
	wake func() // called with a lock held when the first packet waits; must not block

	mu        sync.Mutex // guards what follows; acquired after Slot.mu
	limited   bool       // a share was set
	share     rate.Bitrate
	way       *rate.Gate // of all receivers of the way out; nil for none
	pacer     rate.Pacer[held]
	keyframes int // bytes of keyframes that wait, at most
	leaving   int // packets that were taken off the queue and are being written
}

// held is a packet that waits.
type held struct {
	slot     *Slot
	layer    *layer
	interval uint32 // between two interruptions of the slot
	sequence uint16 // of the layer
	out      rewritten
}

// Waits of pictures, as they are estimated from the share.
const (
	// patience is how long a packet may have to wait when it comes. Keyframes that wait don't count, because nothing
	// can be shown without them.
	patience = 250 * time.Millisecond
	// lastPatience is how long the queue may become, all in all.
	lastPatience = 1500 * time.Millisecond
	// replayPatience is how long the replay of what is in a layer's cache may take.
	replayPatience = 400 * time.Millisecond
	// crowdedAfter is the wait from which on pictures that no others depend on are left out.
	crowdedAfter = patience / 2
)

// verdict is what becomes of a packet.
type verdict uint8

const (
	leaves  verdict = iota // at once
	waits                  // in the queue
	refused                // there is no room, and none for what depends on it
)

// ask decides on a picture's packet of size bytes. A packet that waits must be given to hold.
func (p *pacing) ask(now time.Time, size int, keyframe bool) verdict {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.limited {
		return leaves
	}
	if p.leaving == 0 && p.pacer.May(now, size, p.way) {
		return leaves
	}
	packets, bytes := p.pacer.Len()
	p.keyframes = min(p.keyframes, bytes)
	soon := keyframe || p.takes(bytes-p.keyframes) <= patience
	if soon && p.takes(bytes) <= lastPatience && packets < rate.PacerEntries {
		return waits
	}
	return refused
}

// crowded reports whether pictures wait for long.
func (p *pacing) crowded() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, bytes := p.pacer.Len()
	return p.limited && p.takes(bytes-min(p.keyframes, bytes)) > crowdedAfter
}

// takes returns how long the share takes to carry so many bytes.
func (p *pacing) takes(bytes int) time.Duration {
	return time.Duration(float64(bytes) * 8 / float64(max(p.share, 1)) * float64(time.Second))
}

// replays reports whether so many bytes from a cache can be sent within a useful time.
func (p *pacing) replays(bytes int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, waiting := p.pacer.Len()
	return !p.limited || p.takes(waiting+bytes) <= replayPatience
}

// hold remembers a packet for which ask said that it waits.
func (p *pacing) hold(now time.Time, size int, keyframe bool, h held) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n, _ := p.pacer.Len(); n == 0 {
		p.wake()
	}
	if p.pacer.Hold(now, size, h) && keyframe {
		p.keyframes += size
	}
}

// pass counts what leaves at once.
func (p *pacing) pass(now time.Time, size int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.limited {
		p.pacer.Pass(now, size, p.way)
	}
}

// set says what the receiver may be sent, by which way, and returns the slots whose packets were dropped because they
// would have to wait for too long.
func (p *pacing) set(now time.Time, share rate.Bitrate, way *rate.Gate) (dropped []*Slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limited, p.share, p.way = true, share, way
	p.pacer.Set(now, share)
	if _, bytes := p.pacer.Len(); p.takes(bytes) <= lastPatience {
		return nil
	}
	p.pacer.Drop(func(h held) bool {
		if !slices.Contains(dropped, h.slot) {
			dropped = append(dropped, h.slot)
		}
		return true
	})
	return dropped
}

// free lets everything leave at once, from now on.
func (p *pacing) free() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limited, p.share, p.way = false, rate.Ceiling, nil
}

// send sends what may leave now. more reports that packets wait.
func (p *pacing) send(now time.Time) (more bool) {
	for {
		p.mu.Lock()
		if !p.limited {
			p.pacer.Set(now, rate.Ceiling)
		}
		h, ok := p.pacer.Next(now, p.way)
		if !ok {
			n, _ := p.pacer.Len()
			p.mu.Unlock()
			return n > 0
		}
		p.leaving++
		p.mu.Unlock()
		h.slot.leave(h, now)
		p.mu.Lock()
		p.leaving--
		p.mu.Unlock()
	}
}
