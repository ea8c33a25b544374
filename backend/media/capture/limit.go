package capture

import "sync/atomic"

// limit is what others can have of the host's picture. It is safe for concurrent use; the zero value is no limit.
type limit struct{ bitrate, lines atomic.Int64 }

func (l *limit) set(bitrate, lines int) {
	l.bitrate.Store(int64(bitrate))
	l.lines.Store(int64(lines))
}

// Bounds of what the encoder is set to, in bit/s and lines. Less is no picture any more.
const (
	leastBitrate = 50_000
	leastHeight  = 90
)

// bound returns what to encode instead of q, which this machine can handle: no more lines than others can use, and the
// rate that they can have, as far as the lines can use it.
func (l *limit) bound(q quality) quality {
	if lines := int(l.lines.Load()); lines > 0 {
		q.height = min(q.height, max(lines, leastHeight))
	}
	if rate := int(l.bitrate.Load()); rate > 0 {
		q.bitrate = min(max(rate, leastBitrate), enough(q.height))
	}
	return q
}

// enough returns the rate above which a picture of this height looks no better, in bit/s.
func enough(height int) int { return max(150_000, 2700*height-450_000) }
