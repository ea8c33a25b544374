package forward

import "time"

// ntpEpoch is the time from 1900-01-01, where NTP begins, to the Unix epoch, in seconds.
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

// absSendTime returns t in the format of abs-send-time: 6 bits of seconds, 18 bits of fraction.
func absSendTime(t time.Time) uint32 { return uint32(toNTP(t)>>14) & 0xffffff }

// senderClock relates one sender's clock, known from its sender reports, to ours. A participant's audio and video
// share it, so that they stay in step. It is not safe for concurrent use.
type senderClock struct {
	known  bool
	offset time.Duration // our clock minus the sender's, by the report with the shortest delay
}

// clockReset is a difference too large to be delay. It means that the sender's clock was set.
const clockReset = 2 * time.Second

// addReport takes the NTP time of a sender report and the time of its arrival.
func (c *senderClock) addReport(ntp uint64, arrival time.Time) {
	offset := arrival.Sub(fromNTP(ntp))
	diff := offset - c.offset
	switch {
	case !c.known || diff > clockReset || diff < -clockReset || diff < 0:
		c.offset = offset
	default: // follow slowly upwards, because clocks drift
		c.offset += diff / 64
	}
	c.known = true
}

// mediaClock relates a track's RTP timestamps to our clock. It uses sender reports once there are any. Before the
// first one, and for the native engine, which sends none, it uses the packets that arrived with the least delay. It
// is not safe for concurrent use.
type mediaClock struct {
	clockRate uint32

	known     bool
	reported  bool // the anchor comes from a sender report
	timestamp uint32
	at        time.Time // our time of timestamp
	packetAt  time.Time // when the last packet arrived
}

const (
	// mediaClockAge is how long an anchor is used. It is limited because clocks drift.
	mediaClockAge = 10 * time.Second
	// mediaClockPause: if no packet arrived for this long, and the next ones are late by as much, the sender's
	// timestamps stood still.
	mediaClockPause = 100 * time.Millisecond
)

func (m *mediaClock) reset() { *m = mediaClock{clockRate: m.clockRate} }

// addReport takes the RTP timestamp of a sender report and its time on our clock.
func (m *mediaClock) addReport(timestamp uint32, at time.Time) {
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
	// This packet came earlier than expected, or none was expected, so it is the better anchor. If it is late for
	// another reason, the next packet in time replaces it.
	if !m.known || now.Sub(m.at) > mediaClockAge || early > 0 ||
		paused && int64(-early) > int64(mediaClockPause)*int64(m.clockRate)/int64(time.Second) {
		m.known, m.timestamp, m.at = true, timestamp, now
	}
}

// timestampAt returns the RTP timestamp that belongs to t.
func (m *mediaClock) timestampAt(t time.Time) uint32 {
	return m.timestamp + uint32(int64(t.Sub(m.at))*int64(m.clockRate)/int64(time.Second))
}
