package limit

import (
	"math"
	"time"

	"golang.org/x/time/rate"
)

// Rate is the rate of a token bucket: Burst at once, then one more each Every.
type Rate struct {
	Burst int
	Every time.Duration
}

// PerSecond returns the Rate of n a second, and burst at once. With an n of 0 or less the burst is all there is.
func PerSecond(n, burst float64) Rate {
	every := time.Duration(math.MaxInt64)
	if n > 0 {
		every = time.Duration(min(float64(time.Second)/n, float64(every/2))) // half, which a float64 does not round up
	}
	return Rate{Burst: int(burst), Every: every}
}

// Bucket returns a full bucket.
func (r Rate) Bucket() *rate.Limiter { return rate.NewLimiter(rate.Every(r.Every), r.Burst) }

// times returns the rate that n buckets have together.
func (r Rate) times(n int) Rate { return Rate{Burst: r.Burst * n, Every: r.Every / time.Duration(n)} }

// Take takes a token at now. If there is none, it returns how long to wait for
// one, to the microsecond, because rate counts tokens in floating point.
func Take(b *rate.Limiter, now time.Time) (wait time.Duration) {
	if b.AllowN(now, 1) {
		return 0
	}
	r := b.ReserveN(now, 1)
	wait = r.DelayFrom(now)
	r.CancelAt(now)
	return max(wait.Round(time.Microsecond), time.Microsecond)
}
