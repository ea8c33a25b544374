package clocks

import (
	"testing"
	"time"

	"github.com/porch-call/porch/backend/media/codec"
)

func TestNTP(t *testing.T) {
	at := time.Date(2026, 11, 23, 7, 0, 0, 500_000_000, time.UTC)
	ntp := ToNTP(at)
	if seconds := ntp >> 32; seconds != uint64(at.Unix())+2_208_988_800 || ntp&0xffffffff != 1<<31 {
		t.Errorf("%x", ntp)
	}
	if back := FromNTP(ntp); !back.Equal(at) {
		t.Errorf("%v", back)
	}
	// 6 bits of seconds and 18 of fraction: half a second is 1<<17.
	if got := AbsSendTime(at); got != uint32(ntp>>32&0x3f)<<18|1<<17 {
		t.Errorf("%x", got)
	}
}

func TestMediaClockPrefersTheFastestPacket(t *testing.T) {
	m := Media{Rate: codec.VideoClockRate}
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	m.Packet(0, at(50)) // 50 ms of delay
	m.Packet(9000, at(110))
	m.Packet(18000, at(260))
	if got := m.TimestampAt(at(310)); got != 27000 { // by the packet with 10 ms of delay
		t.Errorf("%d", got)
	}
	m.AddReport(27000, at(300))
	m.Packet(40000, at(300)) // an anchor by sender report is known, so packets are ignored
	if got := m.TimestampAt(at(400)); got != 36000 {
		t.Errorf("%d", got)
	}
	m.Reset()
	if m.known || m.Rate != codec.VideoClockRate {
		t.Errorf("%+v", m)
	}
}

// TestMediaClockAfterAPause: if a sender's timestamps stood still while it sent nothing, the clock follows them at
// once. A packet that is merely late has no lasting effect.
func TestMediaClockAfterAPause(t *testing.T) {
	m := Media{Rate: codec.AudioClockRate}
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	near := func(now int, want uint32) {
		t.Helper()
		if got := m.TimestampAt(at(now)); got != want {
			t.Errorf("after %d ms: %d, want %d", now, got, want)
		}
	}
	for ms := 0; ms < 1000; ms += 20 {
		m.Packet(uint32(48*ms), at(ms))
	}
	near(1000, 48_000)
	m.Packet(48*1000, at(4000)) // three seconds without a microphone
	near(4000, 48*1000)
	m.Packet(48*1020, at(4020))
	near(4020, 48*1020)

	for ms := 4040; ms < 4200; ms += 20 { // the network stalls, then delivers all packets at once
		m.Packet(uint32(48*(ms-3000)), at(4200))
	}
	m.Packet(48*1200, at(4200))
	near(4300, 48*1300)
	for ms := 4220; ms < 4400; ms += 20 { // each later than the one before, without a pause
		m.Packet(uint32(48*(ms-3000)), at(4220+3*(ms-4220)))
	}
	near(4500, 48*1500)
}

func TestSenderClock(t *testing.T) {
	var c Sender
	start := time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)
	ours := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	theirs := func(ms int) uint64 { return ToNTP(ours(ms).Add(-time.Hour)) }
	near := func(want time.Duration) {
		t.Helper()
		if d := c.offset - want; d < -time.Millisecond || d > time.Millisecond {
			t.Errorf("offset %v, want %v", c.offset, want)
		}
	}
	c.AddReport(theirs(0), ours(80))
	near(time.Hour + 80*time.Millisecond)
	c.AddReport(theirs(1000), ours(1020))
	near(time.Hour + 20*time.Millisecond)
	c.AddReport(theirs(2000), ours(2084)) // a report with more delay changes the offset little
	near(time.Hour + 21*time.Millisecond)
	c.AddReport(ToNTP(ours(3000)), ours(3010)) // the sender's clock was set
	near(10 * time.Millisecond)
}
