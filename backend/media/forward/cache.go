package forward

import "time"

// cache keeps the newest packets of one layer. They serve retransmissions, and receivers that join within
// [oldestKeyframe] of a keyframe. It does no I/O and is not safe for concurrent use.
type cache struct {
	size    int      // a power of two
	entries []cached // nil before the first packet, because most participants never share a screen
	begun   bool
	newest  int64  // extended sequence number
	arrival uint64 // arrival number of the last packet put
	key     int64  // of the first packet of the newest keyframe
	hasKey  bool
	keyAt   time.Time
}

type cached struct {
	extended int64 // sequence number, -1 for an empty entry
	packet   packet
	buffer   []byte
}

// maxCacheJump is the largest step forward in sequence numbers that counts as loss. After a larger step the cache
// starts over.
const maxCacheJump = 1 << 13

func newCache(size int) *cache { return &cache{size: size} }

// reset empties the cache, because another stream begins.
func (c *cache) reset() {
	c.begun, c.hasKey = false, false
	for i := range c.entries {
		c.entries[i].extended = -1
	}
}

// put copies p and sets p.arrival, which numbers packets in order of arrival. It reports false for a packet that is
// already in the cache, or is too old to be kept.
func (c *cache) put(p *packet, now time.Time) bool {
	if c.entries == nil {
		c.entries = make([]cached, c.size)
		c.reset()
	}
	if !c.begun {
		c.begun = true
		c.newest = int64(p.sequence) + 1<<16 // large enough that no late packet gets a negative number
	}
	extended := c.extend(p.sequence)
	if extended > c.newest+maxCacheJump {
		c.reset()
		c.begun = true
		c.newest = int64(p.sequence) + 1<<16
		extended = c.newest
	}
	if extended <= c.newest-int64(len(c.entries)) {
		return false
	}
	e := &c.entries[extended&int64(len(c.entries)-1)]
	if e.extended == extended {
		return false
	}
	c.arrival++
	p.arrival = c.arrival
	e.extended = extended
	e.buffer = append(e.buffer[:0], p.payload...)
	e.packet = *p
	e.packet.payload = e.buffer
	c.newest = max(c.newest, extended)
	c.hasKey = c.hasKey && c.newest-c.key < int64(len(c.entries))
	if p.vp8.Keyframe && (!c.hasKey || extended > c.key) {
		c.hasKey, c.key, c.keyAt = true, extended, now
	}
	return true
}

// lacks reports whether a packet with this sequence number would fill a hole: the packet is missing, and newer ones
// are present.
func (c *cache) lacks(sequence uint16) bool {
	if !c.begun {
		return false
	}
	extended := c.extend(sequence)
	return extended < c.newest && extended > c.newest-int64(len(c.entries)) && c.at(extended) == nil
}

// get returns the packet with this sequence number, or nil. The packet is valid until the next put and must not be
// changed.
func (c *cache) get(sequence uint16) *packet {
	if !c.begun {
		return nil
	}
	return c.at(c.extend(sequence))
}

// fromKeyframe returns the extended sequence numbers of the newest keyframe's first packet and of the newest packet,
// to be passed to at. ok is false if there is no keyframe, if it is older than maxAge, or if its first packet is
// gone.
func (c *cache) fromKeyframe(now time.Time, maxAge time.Duration) (first, last int64, ok bool) {
	if !c.hasKey || now.Sub(c.keyAt) > maxAge || c.at(c.key) == nil {
		return 0, 0, false
	}
	return c.key, c.newest, true
}

// at returns the packet with this extended sequence number, or nil.
func (c *cache) at(extended int64) *packet {
	e := &c.entries[extended&int64(len(c.entries)-1)]
	if e.extended != extended {
		return nil
	}
	return &e.packet
}

func (c *cache) extend(sequence uint16) int64 {
	return c.newest + int64(int16(sequence-uint16(c.newest)))
}
