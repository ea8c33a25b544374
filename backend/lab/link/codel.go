package link

import (
	"math"
	"time"
)

// The defaults of RFC 8289.
const (
	codelTarget   = 5 * time.Millisecond
	codelInterval = 100 * time.Millisecond
	codelPacket   = 1500 // bytes: a queue of one packet is not managed
)

// codel is the controlled delay of RFC 8289 section 5.
type codel struct {
	above    time.Duration // when the delay will have been above target for an interval; 0: it is below
	dropping bool
	next     time.Duration // when to drop next
	count    int           // dropped since dropping began
	before   int           // count when dropping began last
}

// drop decides about the packet that leaves the queue at now, after it has waited; bytes still wait.
func (c *codel) drop(now, waited time.Duration, bytes int) bool {
	ok := false
	switch {
	case waited < codelTarget || bytes <= codelPacket:
		c.above = 0
	case c.above == 0:
		c.above = now + codelInterval
	default:
		ok = now >= c.above
	}
	if c.dropping {
		if !ok {
			c.dropping = false
			return false
		}
		if now < c.next {
			return false
		}
		c.count++
		c.next += c.law()
		return true
	}
	if !ok {
		return false
	}
	c.dropping = true
	if since := c.count - c.before; since > 1 && now-c.next < 16*codelInterval {
		c.count = since
	} else {
		c.count = 1
	}
	c.before = c.count
	c.next = now + c.law()
	return true
}

func (c *codel) law() time.Duration {
	return time.Duration(float64(codelInterval) / math.Sqrt(float64(c.count)))
}
