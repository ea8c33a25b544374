package forward

import (
	"slices"
	"testing"

	"github.com/porch-call/porch/backend/media/mediatest"
)

func TestUnadmittedMediaIsStoppedAndCounted(t *testing.T) {
	r := newRig(t, 3)
	r.connect()
	v := mediatest.VideoSender{SSRC: 1}
	r.receive(v.Frame(true, 2)...)
	if got := r.counters.unadmittedMedia.Load(); got != 0 {
		t.Fatalf("%d counted of admitted receivers", got)
	}
	r.admitted.Store(false)
	r.receive(v.Frame(false, 2)...)
	for _, s := range r.slots {
		s.resend([]uint16{0})
	}
	for _, w := range r.writers {
		if len(w.packets) != 2 {
			t.Errorf("%d packets written", len(w.packets))
		}
	}
	if got := r.counters.unadmittedMedia.Load(); got != 9 {
		t.Errorf("%d counted, want 3 receivers × (2 packets + 1 retransmission)", got)
	}
	if got := r.counters.forwardedPackets.Load(); got != 6 {
		t.Errorf("%d counted as forwarded", got)
	}
	if sr, ok := r.slots[0].senderReport(r.now); ok {
		t.Errorf("a report to somebody unadmitted: %v", sr)
	}
}

func TestClosedSlotsAreSilentAndNotCounted(t *testing.T) {
	r := newRig(t, 1)
	r.connect()
	v := mediatest.VideoSender{SSRC: 1}
	r.receive(v.Frame(true, 1)...)
	r.slots[0].Close()
	r.admitted.Store(false)
	r.receive(v.Frame(true, 1)...)
	if len(r.writers[0].packets) != 1 || r.counters.unadmittedMedia.Load() != 0 {
		t.Errorf("%d packets, %d counted", len(r.writers[0].packets), r.counters.unadmittedMedia.Load())
	}
}

func TestSendersWhoAreNotAdmittedAreNotHeard(t *testing.T) {
	r := newRig(t, 1)
	b := richPacket(t, append([]byte{0x10}, make([]byte, 10)...))
	r.sender.Store(false)
	r.in.Receive(slices.Clone(b))
	if len(r.writers[0].packets) != 0 || r.counters.receivedPackets.Load() != 0 {
		t.Fatal("media of somebody unadmitted was taken")
	}
	r.sender.Store(true)
	r.in.Receive(b)
	if len(r.writers[0].packets) != 1 {
		t.Fatal("media of somebody admitted was not taken")
	}
}
