// Package lasting tells what lasts from what flickers, so that a person is told once and not with every blink.
package lasting

import "time"

// Times say when a condition counts as lasting.
type Times struct {
	Begin time.Duration // it has been seen for so long
	Gap   time.Duration // with shorter gaps than this between two sightings
	End   time.Duration // it counts until it was not seen for so long
}

// Condition is something that may hold or not. The zero value has never held. It is not safe for concurrent use.
type Condition struct {
	first, last time.Time // sightings of the stretch; zero before the first
	lasting     bool
}

// See notes whether the condition holds now, and reports whether it counts as lasting.
func (c *Condition) See(holds bool, now time.Time, t Times) bool {
	since := now.Sub(c.last)
	if c.lasting && since >= t.End {
		*c = Condition{}
	}
	if !holds {
		return c.lasting
	}
	if c.first.IsZero() || !c.lasting && since >= t.Gap {
		c.first = now
	}
	c.last = now
	c.lasting = c.lasting || now.Sub(c.first) >= t.Begin
	return c.lasting
}
