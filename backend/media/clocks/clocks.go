// Package clocks relates the clocks of senders to ours. It does no I/O and takes the time as an argument.
package clocks

import "time"

// ntpEpoch is the time from 1900-01-01, where NTP begins, to the Unix epoch, in seconds.
const ntpEpoch = 2_208_988_800

// ToNTP returns t as a 64-bit NTP timestamp (RFC 5905 section 6).
func ToNTP(t time.Time) uint64 {
	ns := uint64(t.UnixNano())
	seconds := ns/uint64(time.Second) + ntpEpoch
	fraction := (ns % uint64(time.Second)) << 32 / uint64(time.Second)
	return seconds<<32 | fraction
}

// FromNTP is the inverse of ToNTP.
func FromNTP(ntp uint64) time.Time {
	seconds := int64(ntp>>32) - ntpEpoch
	ns := int64((ntp & 0xffffffff) * uint64(time.Second) >> 32)
	return time.Unix(seconds, ns)
}

// AbsSendTime returns t in the format of abs-send-time: 6 bits of seconds, 18 bits of fraction.
func AbsSendTime(t time.Time) uint32 { return uint32(ToNTP(t)>>14) & 0xffffff }

// Sender relates one sender's clock, known from its sender reports, to ours. A participant's audio and video
// share it, so that they stay in step. It is not safe for concurrent use.
type Sender struct {
	known  bool
	offset time.Duration // our clock minus the sender's, by the report with the shortest delay
}

// reset is a difference too large to be delay. It means that the sender's clock was set.
const reset = 2 * time.Second

// AddReport takes the NTP time of a sender report and the time of its arrival.
func (c *Sender) AddReport(ntp uint64, arrival time.Time) {
	offset := arrival.Sub(FromNTP(ntp))
	diff := offset - c.offset
	switch {
	case !c.known || diff > reset || diff < -reset || diff < 0:
		c.offset = offset
	default: // follow slowly upwards, because clocks drift
		c.offset += diff / 64
	}
	c.known = true
}

// Offset returns our clock minus the sender's.
func (c *Sender) Offset() time.Duration { return c.offset }

// Media relates a track's RTP timestamps to our clock. It uses sender reports once there are any. Before the
// first one, and for the native engine, which sends none, it uses the packets that arrived with the least delay. It
// is not safe for concurrent use.
type Media struct {
	Rate uint32 // RTP timestamps a second

	known     bool
	reported  bool // the anchor comes from a sender report
	timestamp uint32
	at        time.Time // our time of timestamp
	packetAt  time.Time // when the last packet arrived
}

const (
	// anchorAge is how long an anchor is used. It is limited because clocks drift.
	anchorAge = 10 * time.Second
	// pause: if no packet arrived for this long, and the next ones are late by as much, the sender's
	// timestamps stood still.
	pause = 100 * time.Millisecond
)

// Reset forgets all but the rate.
func (m *Media) Reset() { *m = Media{Rate: m.Rate} }

// AddReport takes the RTP timestamp of a sender report and its time on our clock.
func (m *Media) AddReport(timestamp uint32, at time.Time) {
	m.known, m.reported, m.timestamp, m.at = true, true, timestamp, at
}

// Packet takes the timestamp of a packet that has arrived now.
func (m *Media) Packet(timestamp uint32, now time.Time) {
	if m.reported {
		return
	}
	paused := now.Sub(m.packetAt) > pause
	m.packetAt = now
	early := int32(timestamp - m.TimestampAt(now))
	// This packet came earlier than expected, or none was expected, so it is the better anchor. If it is late for
	// another reason, the next packet in time replaces it.
	if !m.known || now.Sub(m.at) > anchorAge || early > 0 ||
		paused && int64(-early) > int64(pause)*int64(m.Rate)/int64(time.Second) {
		m.known, m.timestamp, m.at = true, timestamp, now
	}
}

// TimestampAt returns the RTP timestamp that belongs to t.
func (m *Media) TimestampAt(t time.Time) uint32 {
	return m.timestamp + uint32(int64(t.Sub(m.at))*int64(m.Rate)/int64(time.Second))
}

// Known reports whether there is an anchor.
func (m *Media) Known() bool { return m.known }
