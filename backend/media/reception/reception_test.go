package reception

import (
	"testing"
	"time"

	"github.com/porch-call/porch/backend/media/codec"
)

func TestReceptionReport(t *testing.T) {
	r := Reception{ClockRate: codec.VideoClockRate}
	start := time.Unix(1_000_000, 0)
	if _, ok := r.NextReport(start); ok {
		t.Fatal("a report about nothing")
	}
	at := func(i int) time.Time { return start.Add(time.Duration(i) * 10 * time.Millisecond) }
	for i := range 256 { // every fourth is lost, across the wrap
		if i%4 != 3 {
			r.Packet(uint16(65500+i), uint32(i*900), at(i))
		}
	}
	b, ok := r.NextReport(at(256))
	if !ok || b.FractionLost != 63 || b.TotalLost != 63 { // of 255: the last one is lost too, which is not known yet
		t.Errorf("%+v", b)
	}
	if want := uint32(65500 + 254); b.LastSequenceNumber != want {
		t.Errorf("highest %d, want %d", b.LastSequenceNumber, want)
	}
	if b.Jitter != 0 {
		t.Errorf("jitter %d of an even stream", b.Jitter)
	}
	if b.LastSenderReport != 0 || b.Delay != 0 {
		t.Errorf("a sender report from nowhere: %+v", b)
	}
	for i := 256; i < 300; i++ {
		r.Packet(uint16(65500+i), uint32(i*900), at(i))
	}
	r.SenderReport(0x1234_5678_9abc_def0, at(300))
	b, _ = r.NextReport(at(350))
	if b.FractionLost != 5 { // one (255) of 45
		t.Errorf("fraction lost %d", b.FractionLost)
	}
	if b.LastSenderReport != 0x5678_9abc || b.Delay != 32768 {
		t.Errorf("%+v", b)
	}
}

func TestDuplicatesDoNotBecomeNegativeLoss(t *testing.T) {
	r := Reception{ClockRate: codec.AudioClockRate}
	now := time.Now()
	for range 10 {
		r.Packet(1, 1, now)
	}
	if b, _ := r.NextReport(now); b.TotalLost != 0 || b.FractionLost != 0 {
		t.Errorf("%+v", b)
	}
}

func TestJitterOfUnevenStream(t *testing.T) {
	r := Reception{ClockRate: codec.AudioClockRate}
	start := time.Unix(1_000_000, 0)
	for i := range 1000 { // every second packet is 10 ms late
		late := time.Duration(i%2) * 10 * time.Millisecond
		r.Packet(uint16(i), uint32(i*960), start.Add(time.Duration(i)*20*time.Millisecond+late))
	}
	if b, _ := r.NextReport(start); b.Jitter < 470 || b.Jitter > 480 { // 10 ms are 480 ticks
		t.Errorf("jitter %d", b.Jitter)
	}
}
