package forward

import "time"

// ntpEpoch is 1900-01-01 as seconds before the Unix epoch.
const ntpEpoch = 2_208_988_800

// toNTP returns t as a 64-bit NTP timestamp (RFC 5905 section 6).
func toNTP(t time.Time) uint64 {
	ns := uint64(t.UnixNano())
	seconds := ns/uint64(time.Second) + ntpEpoch
	fraction := (ns % uint64(time.Second)) << 32 / uint64(time.Second)
	return seconds<<32 | fraction
}

// fromNTP is the inverse of toNTP.
func fromNTP(ntp uint64) time.Time {
	seconds := int64(ntp>>32) - ntpEpoch
	ns := int64((ntp & 0xffffffff) * uint64(time.Second) >> 32)
	return time.Unix(seconds, ns)
}

// absSendTime returns t as abs-send-time: 6 bits of seconds, 18 of fraction.
func absSendTime(t time.Time) uint32 { return uint32(toNTP(t)>>14) & 0xffffff }

// senderClock relates one sender's clock, as their sender reports tell it, to
// ours. Audio and video of a participant share it, so that they stay in step.
// It is not safe for concurrent use.
type senderClock struct {
	known  bool
	offset time.Duration // ours minus theirs, with the shortest way seen
}

// clockReset is a difference that is not delay: the sender's clock was set.
const clockReset = 2 * time.Second

// report takes a sender report's NTP time and when it arrived.
func (c *senderClock) report(ntp uint64, arrival time.Time) {
	offset := arrival.Sub(fromNTP(ntp))
	diff := offset - c.offset
	switch {
	case !c.known || diff > clockReset || diff < -clockReset || diff < 0:
		c.offset = offset
	default: // clocks drift: follow slowly upwards
		c.offset += diff / 64
	}
	c.known = true
}

// mediaClock relates RTP timestamps of a track to our clock: from sender reports
// once there are any, before that (and for the native engine, which sends none)
// from the packets that came with the least delay. It is not safe for
// concurrent use.
type mediaClock struct {
	clockRate uint32

	known     bool
	reported  bool // by sender reports
	timestamp uint32
	at        time.Time // our time of timestamp
	packetAt  time.Time // when the last packet came
}

const (
	// mediaClockAge is how long an anchor counts, because clocks drift.
	mediaClockAge = 10 * time.Second
	// mediaClockPause without a packet, after which they are later than expected by
	// as much, means that the sender's clock stood still.
	mediaClockPause = 100 * time.Millisecond
)

func (m *mediaClock) reset() { *m = mediaClock{clockRate: m.clockRate} }

// report takes the RTP timestamp of a sender report and its time on our clock.
func (m *mediaClock) report(timestamp uint32, at time.Time) {
	m.known, m.reported, m.timestamp, m.at = true, true, timestamp, at
}

// packet takes the timestamp of a packet that has arrived now.
func (m *mediaClock) packet(timestamp uint32, now time.Time) {
	if m.reported {
		return
	}
	paused := now.Sub(m.packetAt) > mediaClockPause
	m.packetAt = now
	early := int32(timestamp - m.timestampAt(now))
	// Earlier than expected, or nothing was expected: this is the better anchor. One
	// that is late for another reason is replaced by the next that is in time.
	if !m.known || now.Sub(m.at) > mediaClockAge || early > 0 ||
		paused && int64(-early) > int64(mediaClockPause)*int64(m.clockRate)/int64(time.Second) {
		m.known, m.timestamp, m.at = true, timestamp, now
	}
}

// timestampAt returns the timestamp for a moment.
func (m *mediaClock) timestampAt(t time.Time) uint32 {
	return m.timestamp + uint32(int64(t.Sub(m.at))*int64(m.clockRate)/int64(time.Second))
}
