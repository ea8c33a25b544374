package codec

import "time"

// AudioTime converts samples of sound, in 1/[AudioClockRate] s. It avoids nanoseconds × 48,000, which would overflow
// within days.
func AudioTime(samples int64) time.Duration { return time.Duration(samples * 62_500 / 3) }

// VideoTime converts ticks of the video clock, in 1/[VideoClockRate] s. It avoids nanoseconds × 90,000, which would
// overflow within days.
func VideoTime(ticks int64) time.Duration { return time.Duration(ticks * 100_000 / 9) }
