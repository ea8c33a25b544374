package lobby

import "time"

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

// take takes a token at now, or tells that none is left.
func (p *pace) take(r Rate, now time.Time) bool {
	if p.used > 0 {
		back := int(now.Sub(p.at) / r.Every)
		p.used = max(p.used-back, 0)
		p.at = p.at.Add(time.Duration(back) * r.Every)
	}
	if p.used == 0 {
		p.at = now
	}
	if p.used >= r.Burst {
		return false
	}
	p.used++
	return true
}
