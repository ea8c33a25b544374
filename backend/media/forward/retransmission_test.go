package forward

import (
	"slices"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/mediatest"
)

func TestRetransmission(t *testing.T) {
	r := newRig(t, 1)
	r.connect()
	v := mediatest.VideoSender{SSRC: 1, Sequence: 10}
	r.receive(v.Frame(true, 2)...)
	r.slots[0].resend([]uint16{11, 12, 9}) // 12 has not arrived yet, 9 was never sent
	w := r.writers[0]
	if len(w.packets) != 3 {
		t.Fatalf("%d packets", len(w.packets))
	}
	original, again := w.packets[1], w.packets[2]
	if again.PayloadType != codec.RetransmissionPayloadType || again.SSRC != 200 || again.Timestamp != original.Timestamp ||
		again.Marker != original.Marker || !slices.Equal(again.Payload, append([]byte{0, 11}, original.Payload...)) {
		t.Errorf("%v then %v", original, again)
	}
	if r.counters.retransmitted.Load() != 1 {
		t.Errorf("%d counted", r.counters.retransmitted.Load())
	}
}

func TestRetransmissionWithoutItsOwnStream(t *testing.T) {
	r := newRig(t, 1)
	r.connect()
	r.slots[0].Bind(Numbers{SSRC: 100, PayloadType: codec.VideoPayloadType})
	v := mediatest.VideoSender{SSRC: 1, Sequence: 10}
	r.receive(v.Frame(true, 2)...)
	r.slots[0].resend([]uint16{10})
	if got := r.writers[0].sequences(); !slices.Equal(got, []uint16{10, 11, 10}) {
		t.Errorf("wrote %v", got)
	}
}

func TestAPacketIsSentAgainThreeTimes(t *testing.T) {
	r := newRig(t, 1)
	r.connect()
	v := mediatest.VideoSender{SSRC: 1}
	r.receive(v.Frame(true, 10)...)
	for range 100 {
		r.slots[0].resend([]uint16{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	}
	if got := r.counters.retransmitted.Load(); got != 10*resendTries {
		t.Errorf("%d retransmissions", got)
	}
}

func TestAPacketIsSentAgainOncePerRoundTrip(t *testing.T) {
	memory := make([]resent, resendMemory)
	now := time.Now()
	const roundTrip = 80 * time.Millisecond
	for i, want := range []bool{true, false, true, false, true, false, false} {
		if got := again(memory, 7, roundTrip, now); got != want {
			t.Errorf("try %d: %v", i, got)
		}
		now = now.Add(roundTrip / 2)
	}
	if !again(memory, 7+resendMemory, roundTrip, now) {
		t.Error("another packet is taken for it")
	}
}

func TestOldPicturesAreNotSentAgain(t *testing.T) {
	r := newRig(t, 1)
	r.connect()
	v := mediatest.VideoSender{SSRC: 1}
	for i := range 20 { // 33 ms each
		r.receive(v.Frame(i == 0, 1)...)
	}
	r.slots[0].resend([]uint16{0, 1, 5, 8, 19})
	if got := r.counters.retransmitted.Load(); got != 2 {
		t.Errorf("%d retransmissions", got)
	}
}

// TestRetransmissionsAreAShare loses half of all packets for ten seconds.
func TestRetransmissionsAreAShare(t *testing.T) {
	var b resends
	now := time.Now()
	var sent, again int
	for range 10_000 {
		now = now.Add(time.Millisecond)
		b.sent.Add(1000)
		sent += 1000
		if b.take(500, now) {
			again += 500
		}
	}
	if share := float64(again-resendFloor) / float64(sent); share < 0.14 || share > 0.16 {
		t.Errorf("%.3f of what was sent", share)
	}
	var idle resends
	for n := 0; n < resendFloor/1000; n++ {
		if !idle.take(1000, now) {
			t.Fatalf("a first loss of %d packets is not answered", n+1)
		}
	}
	if idle.take(1000, now) {
		t.Error("more is sent again than there ever was")
	}
}
