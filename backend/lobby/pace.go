package lobby

import (
	"maps"
	"time"
)

// Rate is a token bucket: Burst at once, then one more each Every.
type Rate struct {
	Burst int
	Every time.Duration
}

// pace is the bucket of one Rate. The zero value is a full one.
type pace struct {
	used int       // tokens taken and not yet given back
	at   time.Time // up to when tokens were given back
}

// take takes a token at now, or tells how long there will be none.
func (p *pace) take(r Rate, now time.Time) (wait time.Duration) {
	if p.used > 0 {
		back := int(now.Sub(p.at) / r.Every)
		p.used = max(p.used-back, 0)
		p.at = p.at.Add(time.Duration(back) * r.Every)
	}
	if p.used == 0 {
		p.at = now
	}
	if p.used >= r.Burst {
		return max(p.at.Add(r.Every).Sub(now), 1)
	}
	p.used++
	return 0
}

// paces is the pace of each address. Memory is bounded: when there are limit,
// those that are full again are forgotten, which changes nothing; if none is,
// strangers share one.
type paces struct {
	limit  int
	of     map[string]*pace
	shared pace
}

func newPaces(limit int) *paces { return &paces{limit: limit, of: make(map[string]*pace)} }

// take takes a token of an address at now, or tells how long there will be none.
func (p *paces) take(address string, r Rate, now time.Time) (wait time.Duration) {
	if address == "" {
		return 0
	}
	of := p.of[address]
	if of == nil {
		if len(p.of) >= p.limit {
			maps.DeleteFunc(p.of, func(_ string, of *pace) bool { return now.Sub(of.at) >= time.Duration(of.used)*r.Every })
		}
		if len(p.of) >= p.limit {
			return p.shared.take(r, now)
		}
		of = new(pace)
		p.of[address] = of
	}
	return of.take(r, now)
}
