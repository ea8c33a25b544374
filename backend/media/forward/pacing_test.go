package forward

import (
	"slices"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/mediatest"
	"github.com/porch-call/porch/backend/media/rate"
	"github.com/porch-call/porch/backend/signalling"
)

// paced is a rig whose one receiver takes transport-wide numbers.
func paced(tb testing.TB) (*rig, *fakeWriter) {
	tb.Helper()
	r := newRig(tb, 0)
	r.connect()
	w, s := new(fakeWriter), r.out.NewSlot(signalling.KindVideo)
	s.Bind(Numbers{
		SSRC: 100, PayloadType: codec.VideoPayloadType, RTXSSRC: 200, RTXPayloadType: codec.RetransmissionPayloadType,
		TransportID: codec.TransportSequenceID,
	})
	s.SetWriter(w)
	s.Open()
	r.video.AddReceiver(s)
	s.Assign(r.video)
	r.out.Add(100, s)
	r.slots = append(r.slots, s)
	return r, w
}

// frame returns a frame of packets of 1,000 bytes.
func frame(v *mediatest.VideoSender, key bool, packets int) []*rtp.Packet {
	f := v.Frame(key, packets)
	for _, p := range f {
		p.Payload = append(p.Payload, make([]byte, 1000)...)
	}
	return f
}

// pace lets time pass, in steps of 5 ms.
func (r *rig) pace(d time.Duration) {
	for end := r.now.Add(d); r.now.Before(end); {
		r.now = r.now.Add(5 * time.Millisecond)
		r.out.Pace(r.now)
	}
}

func TestAKeyframeIsSpreadAndWhole(t *testing.T) {
	r, w := paced(t)
	r.out.Limit(r.now, rate.Mbit, nil)
	v := mediatest.VideoSender{SSRC: 1, Sequence: 10}
	r.receive(frame(&v, true, 40)...) // 40 KB: 0.3 s at 1 Mbit/s
	at := len(w.packets)
	if at < 1 || at > 10 {
		t.Fatalf("%d packets left at once", at)
	}
	for range 4 {
		r.pace(50 * time.Millisecond)
		if n := len(w.packets); n <= at || n > at+15 {
			t.Errorf("%d packets within 50 ms", n-at)
		}
		at = len(w.packets)
	}
	r.pace(100 * time.Millisecond)
	r.receive(frame(&v, false, 1)...)
	r.pace(50 * time.Millisecond)
	want := make([]uint16, 41)
	for i := range want {
		want[i] = uint16(10 + i)
	}
	if got := w.sequences(); !slices.Equal(got, want) {
		t.Errorf("forwarded %v", got)
	}
	for i, p := range w.packets {
		if b := p.GetExtension(codec.TransportSequenceID); len(b) != 2 || int(b[0])<<8|int(b[1]) != i+1 {
			t.Fatalf("packet %d has the number %x", i, b)
		}
	}
}

// TestWhatALineHasNoRoomForIsLeftOut: the receiver sees unbroken numbers, and a keyframe when there is room again.
func TestWhatALineHasNoRoomForIsLeftOut(t *testing.T) {
	r, w := paced(t)
	r.out.Limit(r.now, 200*rate.Kbit, nil)
	v := mediatest.VideoSender{SSRC: 1, Sequence: 10}
	r.receive(frame(&v, true, 3)...)
	for range 60 { // 1 Mbit/s for 2 s
		r.receive(frame(&v, false, 4)...)
		r.pace(35 * time.Millisecond)
		r.video.Tick(r.now)
	}
	before := len(w.packets)
	if sent := before * 1000 * 8 / 2; sent > 350_000 {
		t.Errorf("%d bit/s were sent", sent)
	}
	r.pace(2 * time.Second)
	r.out.Limit(r.now, 2*rate.Mbit, nil)
	r.receive(frame(&v, false, 1)...)
	r.receive(frame(&v, true, 2)...)
	r.receive(frame(&v, false, 1)...)
	r.pace(100 * time.Millisecond)
	got := w.sequences()
	for i := range got {
		if got[i] != got[0]+uint16(i) {
			t.Fatalf("forwarded %v", got)
		}
	}
	if len(got) < before+3 {
		t.Errorf("%d packets after there was room again", len(got)-before)
	}
	if r.upstream.keyframes == 0 {
		t.Error("no keyframe was asked for")
	}
}

func TestNothingThatWaitsLeavesOfACameraThatIsOff(t *testing.T) {
	r, w := paced(t)
	r.out.Limit(r.now, 500*rate.Kbit, nil)
	v := mediatest.VideoSender{SSRC: 1, Sequence: 10}
	r.receive(frame(&v, true, 30)...)
	before := len(w.packets)
	r.video.SetSilent(true)
	r.pace(time.Second)
	if len(w.packets) != before {
		t.Errorf("%d packets left", len(w.packets)-before)
	}
}

func TestAShareThatFallsDropsWhatWouldWaitForLong(t *testing.T) {
	r, w := paced(t)
	r.out.Limit(r.now, 2*rate.Mbit, nil)
	v := mediatest.VideoSender{SSRC: 1, Sequence: 10}
	r.receive(frame(&v, true, 60)...)
	r.out.Limit(r.now, rate.Floor, nil) // 60 KB take 10 s
	before := len(w.packets)
	r.pace(time.Second)
	if len(w.packets) != before {
		t.Errorf("%d packets left", len(w.packets)-before)
	}
	r.out.Limit(r.now, 2*rate.Mbit, nil)
	r.receive(frame(&v, true, 2)...)
	r.pace(50 * time.Millisecond)
	if len(w.packets) != before+2 {
		t.Errorf("%d packets of the next keyframe", len(w.packets)-before)
	}
}

func TestAProbeIsPaddingAtItsRate(t *testing.T) {
	r, w := paced(t)
	v := mediatest.VideoSender{SSRC: 1, Sequence: 10}
	r.receive(frame(&v, true, 1)...)
	r.out.Limit(r.now, rate.Mbit, nil)
	before := len(w.packets)
	r.out.Probe(r.now, rate.Probe{ID: 1, Rate: 4 * rate.Mbit, Bytes: 40_000})
	r.pace(40 * time.Millisecond)
	half := len(w.packets) - before
	r.pace(100 * time.Millisecond)
	bytes := 0
	for i, p := range w.packets[before:] {
		if p.SSRC != 200 || !p.Padding || p.Payload[len(p.Payload)-1] != 255 || len(p.Payload) != 255 {
			t.Fatalf("packet %d is no padding of the stream of retransmissions: %v", i, p.Header)
		}
		bytes += p.Header.MarshalSize() + len(p.Payload) + wireOverhead
	}
	if all := len(w.packets) - before; half < all*4/10 || half > all*7/10 {
		t.Errorf("%d of %d packets in the first half", half, all)
	}
	if bytes < 40_000 || bytes > 41_000 {
		t.Errorf("%d bytes", bytes)
	}
}

// TestAFloodOfReportsIsCut: 24 bytes that speak of 4,096 packets, as fast as they come.
func TestAFloodOfReportsIsCut(t *testing.T) {
	r, _ := paced(t)
	v := mediatest.VideoSender{SSRC: 1, Sequence: 10}
	r.receive(frame(&v, true, 1)...)
	report := []byte{0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0x10, 0, 0, 0, 0, 0, 0x10, 0, 0, 0}
	for range 5000 {
		r.now = r.now.Add(time.Millisecond)
		r.out.Feedback(0, Feedback{transport: report}, r.now)
	}
	if taken := 5000 - r.counters.malformed.Load(); taken < 500 || taken > 600 {
		t.Errorf("%d reports were taken in 5 s", taken)
	}
}

func TestFlowsAreMeasured(t *testing.T) {
	r := newRig(t, 0)
	r.connect()
	v := mediatest.VideoSender{SSRC: 1, Sequence: 10}
	key := frame(&v, true, 1)
	copy(key[0].Payload[len(key[0].Payload)-1000:], make([]byte, 1000))
	r.receive(key...)
	r.video.Flows(nil, r.now)
	for range 10 {
		r.now = r.now.Add(100 * time.Millisecond)
		r.receive(frame(&v, false, 5)...)
	}
	f := r.video.Flows(nil, r.now)
	if len(f) != 1 || !f[0].Active || f[0].Rate < 440_000 || f[0].Rate > 490_000 {
		t.Errorf("%+v", f)
	}
	if f := r.video.Flows(nil, r.now.Add(2*time.Second)); f[0].Active || f[0].Rate != 0 {
		t.Errorf("%+v after two seconds without a packet", f)
	}
}
