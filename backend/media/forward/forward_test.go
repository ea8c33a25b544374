package forward

import (
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/mediatest"
	"github.com/porch-call/porch/backend/media/vp8"
	"github.com/porch-call/porch/backend/signalling"
)

// rig is a sender and its receivers' slots, without a network.
type rig struct {
	now      time.Time
	in       *Inbound
	out      *Outbound
	video    *Track
	upstream *fakeUpstream
	sender   atomic.Bool // the sender is admitted
	admitted atomic.Bool // the receivers are admitted
	slots    []*Slot
	writers  []*fakeWriter
	counters *Counters
}

func newRig(tb testing.TB, receivers int) *rig {
	tb.Helper()
	r := &rig{now: time.Now(), counters: new(Counters), upstream: new(fakeUpstream)}
	r.sender.Store(true)
	r.admitted.Store(true)
	r.video = NewTrack("sender", signalling.KindVideo, false, r.counters)
	audio := NewTrack("sender", signalling.KindAudio, false, r.counters)
	r.in = NewInbound([]*Track{audio, r.video}, r.upstream, &r.sender, r.counters)
	r.out = NewOutbound(&r.admitted, r.counters, func() {})
	r.in.Connect()
	for range receivers {
		w := new(fakeWriter)
		s := NewSlot(signalling.KindVideo, &r.admitted, r.counters)
		s.Bind(Numbers{SSRC: uint32(len(r.slots) + 100), PayloadType: codec.VideoPayloadType, RTXSSRC: uint32(len(r.slots) + 200), RTXPayloadType: codec.RetransmissionPayloadType, AbsSendTimeID: codec.AbsSendTimeID})
		s.SetWriter(w)
		s.Open()
		r.video.AddReceiver(s)
		s.Assign(r.video)
		r.out.Add(uint32(len(r.slots)+100), s)
		r.slots = append(r.slots, s)
		r.writers = append(r.writers, w)
	}
	return r
}

// receive gives packets to the rig as if they came from its upstream.
func (r *rig) receive(packets ...*rtp.Packet) {
	for _, p := range packets {
		in := packet{
			ssrc: p.SSRC, sequence: p.SequenceNumber, timestamp: p.Timestamp, marker: p.Marker,
			payload: slices.Clone(p.Payload), vp8: vp8.Parse(p.Payload),
		}
		r.video.first().receive(r.video.first().upstream, &in, false, r.now)
	}
}

// feedback gives the rig a compound RTCP packet.
func (r *rig) feedback(b []byte) {
	ReadFeedback(b, func(ssrc uint32, f Feedback) {
		r.in.Feedback(ssrc, f, r.now)
		r.out.Feedback(ssrc, f, r.now)
	})
}

// connect makes the sender's packets come from a fake connection.
func (r *rig) connect() {
	r.upstream = new(fakeUpstream)
	r.video.connect(r.upstream)
}

type fakeUpstream struct {
	mu        sync.Mutex
	keyframes int
	asked     []uint16
	mendAfter []time.Duration
}

func (u *fakeUpstream) RequestKeyframe(uint32) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.keyframes++
}

func (u *fakeUpstream) RequestPackets(_ uint32, sequences []uint16) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.asked = append(u.asked, sequences...)
}

func (u *fakeUpstream) MendGapsAfter(d time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.mendAfter = append(u.mendAfter, d)
}

func (u *fakeUpstream) RoundTrip() time.Duration { return 0 }

type fakeWriter struct{ packets []*rtp.Packet }

func (w *fakeWriter) Write(h *rtp.Header, payload []byte, _ interceptor.Attributes) (int, error) {
	w.packets = append(w.packets, &rtp.Packet{Header: h.Clone(), Payload: slices.Clone(payload)})
	return len(payload), nil
}

// sequences returns the sequence numbers that were written on the media SSRC.
func (w *fakeWriter) sequences() (n []uint16) {
	for _, p := range w.packets {
		if p.PayloadType == codec.VideoPayloadType {
			n = append(n, p.SequenceNumber)
		}
	}
	return n
}

func TestForwardWaitsForAKeyframe(t *testing.T) {
	r := newRig(t, 2)
	r.connect()
	v := mediatest.VideoSender{SSRC: 1, Sequence: 10}
	r.receive(v.Frame(false, 2)...)
	r.receive(v.Frame(true, 2)...)
	r.receive(v.Frame(false, 1)...)
	for _, w := range r.writers {
		if got := w.sequences(); !slices.Equal(got, []uint16{12, 13, 14}) {
			t.Errorf("forwarded %v", got)
		}
	}
	if got := r.counters.forwardedPackets.Load(); got != 6 {
		t.Errorf("%d counted", got)
	}
}

func TestKeyframeWhoseBeginningComesLateIsWhole(t *testing.T) {
	r := newRig(t, 1)
	r.connect()
	v := mediatest.VideoSender{SSRC: 1, Sequence: 10}
	r.receive(v.Frame(false, 1)...)
	key := v.Frame(true, 4)
	r.receive(key[1], key[2])
	r.receive(key[0], key[3])
	if got := r.writers[0].sequences(); !slices.Equal(got, []uint16{11, 12, 13, 14}) {
		t.Errorf("forwarded %v", got)
	}
}

func TestLateReceiverGetsTheKeyframeThatIsThere(t *testing.T) {
	r := newRig(t, 1)
	r.connect()
	v := mediatest.VideoSender{SSRC: 1}
	for i := range 6 {
		r.receive(v.Frame(i == 2, 2)...)
	}
	w := new(fakeWriter)
	late := NewSlot(signalling.KindVideo, &r.admitted, r.counters)
	late.Bind(Numbers{SSRC: 1, PayloadType: codec.VideoPayloadType, RTXSSRC: 2, RTXPayloadType: codec.RetransmissionPayloadType})
	late.SetWriter(w)
	r.video.AddReceiver(late)
	late.Assign(r.video)
	if len(w.packets) != 0 {
		t.Fatal("something was sent before the connection")
	}
	asked := r.upstream.keyframes
	late.Open()
	r.receive(v.Frame(false, 2)...)
	if got := w.sequences(); !slices.Equal(got, []uint16{4, 5, 6, 7, 8, 9, 10, 11, 12, 13}) {
		t.Errorf("forwarded %v", got)
	}
	for i := 2; i < 8; i += 2 { // the replayed timestamps are compressed
		if step := w.packets[i].Timestamp - w.packets[i-2].Timestamp; step != replayStep {
			t.Errorf("packet %d: timestamps %d apart", i, step)
		}
	}
	if step := w.packets[8].Timestamp - w.packets[6].Timestamp; step != 3000 {
		t.Errorf("the present comes %d after the past", step)
	}
	if r.upstream.keyframes != asked {
		t.Error("a keyframe was asked for that was there")
	}
}

func TestLateReceiverAsksWhenTheKeyframeIsOld(t *testing.T) {
	r := newRig(t, 1)
	r.connect()
	r.now = time.Now().Add(-oldestKeyframe - time.Second)
	v := mediatest.VideoSender{SSRC: 1}
	r.receive(v.Frame(true, 2)...)
	w := new(fakeWriter)
	late := NewSlot(signalling.KindVideo, &r.admitted, r.counters)
	late.SetWriter(w)
	late.Assign(r.video)
	late.Open()
	if len(w.packets) != 0 || r.upstream.keyframes != 1 {
		t.Errorf("%d packets, %d requests", len(w.packets), r.upstream.keyframes)
	}
}

func TestSlotGoesOnWithAnotherSender(t *testing.T) {
	a, b := newRig(t, 1), newRig(t, 0)
	a.connect()
	b.connect()
	va, vb := mediatest.VideoSender{SSRC: 1, Sequence: 65534}, mediatest.VideoSender{SSRC: 2, Sequence: 500, Timestamp: 7, Picture: 9, TL0: 200}
	a.receive(va.Frame(true, 2)...)
	s := a.slots[0]
	a.video.RemoveReceiver(s)
	b.video.AddReceiver(s)
	s.Assign(b.video)
	a.receive(va.Frame(true, 2)...) // packets of the old sender that still arrive are not forwarded
	b.receive(vb.Frame(false, 1)...)
	b.receive(vb.Frame(true, 2)...)
	w := a.writers[0]
	if got := w.sequences(); !slices.Equal(got, []uint16{65534, 65535, 0, 1}) {
		t.Fatalf("forwarded %v", got)
	}
	before, after := vp8.Parse(w.packets[1].Payload), vp8.Parse(w.packets[2].Payload)
	if after.Picture != before.Picture+1 || after.TL0 != before.TL0+1 || !after.Keyframe {
		t.Errorf("%+v then %+v", before, after)
	}
	if w.packets[2].Timestamp == w.packets[1].Timestamp || w.packets[2].SSRC != w.packets[1].SSRC {
		t.Errorf("%v then %v", w.packets[1], w.packets[2])
	}
}

func TestMutingIsNotLoss(t *testing.T) {
	r := newRig(t, 1)
	r.connect()
	v := mediatest.VideoSender{SSRC: 1, Sequence: 10}
	r.receive(v.Frame(true, 1)...)
	r.video.SetSilent(true)
	for range 5 {
		r.receive(v.Frame(true, 1)...)
	}
	if got := len(r.writers[0].packets); got != 1 {
		t.Fatalf("%d packets though the camera is off", got)
	}
	r.video.SetSilent(false)
	r.video.Tick(time.Now().Add(minKeyframeDistance)) // minKeyframeDistance after the stream began
	if r.upstream.keyframes != 1 {
		t.Errorf("%d requests for a keyframe", r.upstream.keyframes)
	}
	r.receive(v.Frame(false, 1)...)
	r.receive(v.Frame(true, 1)...)
	if got := r.writers[0].sequences(); !slices.Equal(got, []uint16{10, 11}) {
		t.Errorf("forwarded %v", got)
	}
}

func TestNewConnectionOfASenderContinues(t *testing.T) {
	r := newRig(t, 1)
	r.connect()
	v := mediatest.VideoSender{SSRC: 1, Sequence: 10}
	r.receive(v.Frame(true, 1)...)
	old := r.upstream
	r.connect() // after a reload
	stale := packet{ssrc: 1, sequence: 11, payload: []byte{0x10, 0}, vp8: vp8.Descriptor{Start: true, Keyframe: true}}
	r.video.first().receive(old, &stale, false, r.now)
	again := mediatest.VideoSender{SSRC: 2, Sequence: 40_000}
	r.receive(again.Frame(true, 1)...)
	if got := r.writers[0].sequences(); !slices.Equal(got, []uint16{10, 11}) {
		t.Errorf("forwarded %v", got)
	}
}

func TestSecondStreamOnAConnectionIsIgnored(t *testing.T) {
	r := newRig(t, 1)
	r.connect()
	v, other := mediatest.VideoSender{SSRC: 1, Sequence: 10}, mediatest.VideoSender{SSRC: 2, Sequence: 900}
	r.receive(v.Frame(true, 1)...)
	r.receive(other.Frame(true, 1)...)
	r.receive(v.Frame(false, 1)...)
	if got := r.writers[0].sequences(); !slices.Equal(got, []uint16{10, 11}) {
		t.Fatalf("forwarded %v", got)
	}
	r.now = r.now.Add(minStreamSilence)
	r.receive(other.Frame(true, 1)...)
	if got := len(r.writers[0].packets); got != 3 {
		t.Errorf("%d packets after the first fell silent", got)
	}
}

// stated writes a size into a keyframe.
func stated(keyframe []*rtp.Packet, width, height uint16) []*rtp.Packet {
	binary.LittleEndian.PutUint16(keyframe[0].Payload[5+6:], width)
	binary.LittleEndian.PutUint16(keyframe[0].Payload[5+8:], height)
	return keyframe
}

func TestPicturesThatAreTooLargeReachNobody(t *testing.T) {
	r := newRig(t, 1)
	r.connect()
	v := mediatest.VideoSender{SSRC: 1, Sequence: 10}
	w := r.writers[0]
	r.receive(stated(v.Frame(true, 2), 1280, 720)...)
	lost := stated(v.Frame(true, 1), 16383, 16383)
	r.receive(v.Frame(false, 2)...)
	repeat := packet{ssrc: 1, sequence: lost[0].SequenceNumber, payload: lost[0].Payload, vp8: vp8.Parse(lost[0].Payload)}
	r.video.first().receive(r.video.first().upstream, &repeat, true, r.now)
	if got := w.sequences(); !slices.Equal(got, []uint16{10, 11, 13, 14}) {
		t.Fatalf("forwarded %v, and perhaps a repeat", got)
	}
	r.receive(stated(v.Frame(true, 2), 16383, 16383)...)
	r.receive(v.Frame(false, 2)...)
	if got := len(w.packets); got != 4 {
		t.Fatalf("%d packets of a picture that is too large", got-4)
	}
	late := NewSlot(signalling.KindVideo, &r.admitted, r.counters)
	lateWriter := new(fakeWriter)
	late.Bind(Numbers{SSRC: 300, PayloadType: codec.VideoPayloadType, RTXSSRC: 301, RTXPayloadType: codec.RetransmissionPayloadType})
	late.SetWriter(lateWriter)
	late.Open()
	r.video.AddReceiver(late)
	late.Assign(r.video)
	r.now = r.now.Add(time.Millisecond)
	r.receive(stated(v.Frame(true, 2), 640, 360)...)
	r.receive(v.Frame(false, 1)...)
	if got := w.sequences(); len(got) != 7 || got[4] != 15 || got[6] != 17 {
		t.Errorf("forwarded %v: the numbers go on without a hole", got)
	}
	if r.counters.malformed.Load() == 0 {
		t.Error("not counted")
	}
}

func TestSenderReportFollowsTheRewriting(t *testing.T) {
	r := newRig(t, 1)
	r.connect()
	v := mediatest.VideoSender{SSRC: 1, Timestamp: 100_000}
	r.receive(v.Frame(true, 1)...)
	second := mediatest.VideoSender{SSRC: 2, Timestamp: 5}
	r.connect()
	r.now = r.now.Add(time.Second)
	r.receive(second.Frame(true, 1)...)
	sr, ok := r.slots[0].senderReport(r.now.Add(100 * time.Millisecond))
	if !ok {
		t.Fatal("no report")
	}
	if want := r.writers[0].packets[1].Timestamp + 9000; sr.RTPTime != want {
		t.Errorf("timestamp %d, want %d", sr.RTPTime, want)
	}
	if sr.PacketCount != 2 || sr.OctetCount != uint32(2*len(r.writers[0].packets[0].Payload)) {
		t.Errorf("%+v", sr)
	}
}

func TestForwardedPayloadsDifferOnlyInTheirNumbers(t *testing.T) {
	r := newRig(t, 3)
	r.connect()
	v := mediatest.VideoSender{SSRC: 1}
	// The receivers' output numbers differ.
	for i, s := range r.slots {
		r.slots[i].out.begun, s.out.hasPicture, s.out.lastPicture = true, true, uint16(1000*i)
	}
	p := v.Frame(true, 1)[0]
	r.receive(p)
	for i, w := range r.writers {
		got := w.packets[0].Payload
		if d := vp8.Parse(got); d.Picture != uint16(1000*i+1) {
			t.Errorf("receiver %d: picture %d", i, d.Picture)
		}
		if !slices.Equal(got[5:], p.Payload[5:]) || got[0] != p.Payload[0] || got[1] != p.Payload[1] {
			t.Errorf("receiver %d: another payload", i)
		}
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
