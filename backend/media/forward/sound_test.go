package forward

import (
	"bytes"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/red"
	"github.com/porch-call/porch/backend/signalling"
)

// fakeFloor gives the floor to whoever is louder than silence.
type fakeFloor struct{ had bool }

func (f *fakeFloor) Hear(level uint8, _ time.Time) (forward, begins bool) {
	forward = level < 127
	begins = forward && !f.had
	f.had = forward
	return forward, begins
}

// ear is one sender of sound and one receiver, without a network.
type ear struct {
	track    *Track
	upstream *fakeUpstream
	admitted atomic.Bool
	out      *Outbound
	slot     *Slot
	writer   fakeWriter
	now      time.Time
	sequence uint16
	stamp    uint32
}

func newEar(tb testing.TB) *ear {
	tb.Helper()
	e := &ear{now: time.Now(), sequence: 65530, stamp: 1 << 20}
	e.admitted.Store(true)
	counters := new(Counters)
	e.track = NewTrack("sender", signalling.KindAudio, false, counters)
	e.track.Ask(new(fakeFloor))
	e.connect()
	e.out = NewOutbound(&e.admitted, counters, func() {})
	e.slot = e.out.NewSlot(signalling.KindAudio)
	e.slot.Bind(Numbers{SSRC: 100, PayloadType: codec.AudioPayloadType, TransportID: codec.TransportSequenceID})
	e.slot.SetRED(codec.RedundantPayloadType)
	e.slot.SetWriter(&e.writer)
	e.slot.Open()
	e.track.AddReceiver(e.slot)
	e.slot.Assign(e.track)
	return e
}

func (e *ear) connect() {
	e.upstream = new(fakeUpstream)
	e.track.connect(e.upstream)
}

// next returns the sender's next packet, whose payload is its number in 40 bytes.
func (e *ear) next(level uint8) packet {
	e.sequence++
	e.stamp += 960
	e.now = e.now.Add(20 * time.Millisecond)
	return packet{
		ssrc: 1, sequence: e.sequence, timestamp: e.stamp, hasLevel: true, level: level,
		payload: bytes.Repeat([]byte{byte(e.sequence)}, 40),
	}
}

func (e *ear) receive(p packet) { e.track.first().receive(e.upstream, &p, false, e.now) }

func (e *ear) say(level uint8, times int) {
	for range times {
		e.receive(e.next(level))
	}
}

const loud, quiet = 30, 127

// heard returns the first byte of each packet that was written, of what was its own if it was redundant.
func (e *ear) heard(tb testing.TB) (said []byte) {
	tb.Helper()
	for _, p := range e.writer.packets {
		payload := p.Payload
		if p.PayloadType == codec.RedundantPayloadType {
			must(tb, red.Read(p.Payload, func(_ uint8, _ uint32, b []byte) { payload = b }))
		}
		said = append(said, payload[0])
	}
	return said
}

// unbroken checks that what was written has numbers without a hole, and timestamps as far apart as the sender's.
func (e *ear) unbroken(tb testing.TB) {
	tb.Helper()
	said := e.heard(tb)
	for i := 1; i < len(said); i++ {
		before, p := e.writer.packets[i-1], e.writer.packets[i]
		if p.SequenceNumber != before.SequenceNumber+1 {
			tb.Errorf("packet %d: number %d after %d", i, p.SequenceNumber, before.SequenceNumber)
		}
		if got, want := p.Timestamp-before.Timestamp, 960*uint32(said[i]-said[i-1]); got != want {
			tb.Errorf("packet %d: %d ticks later, want %d", i, got, want)
		}
	}
}

func TestOnlyWhoHasTheFloorIsForwarded(t *testing.T) {
	e := newEar(t)
	e.say(quiet, 10)
	if len(e.writer.packets) != 0 {
		t.Fatal("silence is forwarded")
	}
	begins := byte(e.sequence) + 1
	e.say(loud, 3)
	e.say(quiet, 20)
	again := byte(e.sequence) + 1
	e.say(loud, 2)
	want := []byte{begins - 2, begins - 1, begins, begins + 1, begins + 2, again - 2, again - 1, again, again + 1}
	if got := e.heard(t); !slices.Equal(got, want) {
		t.Fatalf("heard %v, want %v", got, want)
	}
	e.unbroken(t)
	if sr, ok := e.slot.senderReport(e.now); !ok || sr.RTPTime-e.writer.packets[8].Timestamp > 960 {
		t.Errorf("a report of %+v", sr)
	}
}

// TestWhatIsLongPastIsNoBeginning: with discontinuous transmission, the packets before a word may be old.
func TestWhatIsLongPastIsNoBeginning(t *testing.T) {
	e := newEar(t)
	pause := func(ms uint32) {
		e.stamp += ms * 48
		e.now = e.now.Add(time.Duration(ms) * time.Millisecond)
	}
	for _, c := range []struct {
		first, second uint32 // pauses after the packets before
		want          int    // packets
	}{{400, 0, 3}, {0, 50, 2}, {0, 40, 4}, {400, 400, 2}} {
		e.say(quiet, 10)
		n := len(e.writer.packets)
		pause(c.first)
		e.say(quiet, 1)
		pause(c.second)
		e.say(loud, 2)
		if got := e.writer.packets[n:]; len(got) != c.want || got[c.want-1].SequenceNumber-got[0].SequenceNumber != uint16(c.want-1) {
			t.Errorf("%+v: %d packets", c, len(got))
		}
	}
}

// TestALatePacketNeitherTakesNorLosesTheFloor also checks that it does not leave a hole.
func TestALatePacketNeitherTakesNorLosesTheFloor(t *testing.T) {
	e := newEar(t)
	e.say(quiet, 1)
	late := e.next(loud)
	e.say(quiet, 5)
	e.receive(late)
	if len(e.writer.packets) != 0 {
		t.Fatal("a late packet takes the floor")
	}
	e.say(loud, 2)
	late = e.next(quiet)
	e.say(loud, 1)
	e.receive(late)
	e.say(loud, 1)
	if n := len(e.writer.packets); n != 7 {
		t.Fatalf("%d packets", n)
	}
	slices.SortFunc(e.writer.packets, func(a, b *rtp.Packet) int { return int(int16(a.SequenceNumber - b.SequenceNumber)) })
	e.unbroken(t)
}

// TestAStreamThatBeginsUnheardIsNew: its timestamps have nothing to do with those of the stream before.
func TestAStreamThatBeginsUnheardIsNew(t *testing.T) {
	e := newEar(t)
	e.say(loud, 3)
	e.connect()
	e.stamp += 1 << 30
	e.say(quiet, 5)
	e.say(loud, 1)
	n := len(e.writer.packets)
	if n != 6 {
		t.Fatalf("%d packets", n)
	}
	// The two before it are sent as well, 40 ms earlier.
	if got, want := e.writer.packets[3].Timestamp-e.writer.packets[2].Timestamp, uint32(6*960); got != want {
		t.Errorf("%d ticks later, want %d", got, want)
	}
}

// TestAClockThatStoodStillIsNotFollowed: a sender whose timestamps stop in silence.
func TestAClockThatStoodStillIsNotFollowed(t *testing.T) {
	e := newEar(t)
	e.say(loud, 1)
	e.now = e.now.Add(10 * time.Second)
	e.say(quiet, 1)
	e.say(loud, 1)
	got := e.writer.packets[1].Timestamp - e.writer.packets[0].Timestamp
	if want := uint32(10 * 48_000); got < want || got > want+2*960 {
		t.Errorf("%d ticks later, want %d", got, want)
	}
}

func TestRedundantSound(t *testing.T) {
	e := newEar(t)
	e.say(loud, 2)
	e.out.SetRedundant(true)
	e.say(loud, 2)
	lost := e.next(loud)
	e.say(loud, 2)
	e.receive(lost)
	sent := slices.Clone(e.writer.packets)
	for i, p := range sent[1:] {
		e.slot.resend([]uint16{p.SequenceNumber})
		if len(e.writer.packets) != len(sent)+1+i {
			t.Fatalf("packet %d is not repeated", i+1)
		}
		again := e.writer.packets[len(sent)+i]
		if again.PayloadType != p.PayloadType || !bytes.Equal(again.Payload, p.Payload) ||
			!bytes.Equal(again.GetExtension(codec.TransportSequenceID), p.GetExtension(codec.TransportSequenceID)) {
			t.Errorf("packet %d is repeated as another", i+1)
		}
	}
	e.writer.packets = sent
	e.stamp += 48_000 // the one before is too old
	e.say(loud, 1)
	e.out.SetRedundant(false)
	e.say(loud, 1)
	type carried struct {
		age  uint32
		said byte
	}
	var got [][]carried
	for _, p := range e.writer.packets {
		if p.PayloadType == codec.AudioPayloadType {
			got = append(got, []carried{{0, p.Payload[0]}})
			continue
		}
		var blocks []carried
		must(t, red.Read(p.Payload, func(payloadType uint8, age uint32, b []byte) {
			if payloadType != codec.AudioPayloadType || len(b) != 40 {
				t.Errorf("a block of type %d with %d bytes", payloadType, len(b))
			}
			blocks = append(blocks, carried{age, b[0]})
		}))
		got = append(got, blocks)
	}
	first := byte(e.sequence) - 8
	want := [][]carried{
		{{0, first}},
		{{0, first + 1}},
		{{960, first + 1}, {0, first + 2}},
		{{960, first + 2}, {0, first + 3}},
		{{0, first + 5}}, // the one before is missing
		{{960, first + 5}, {0, first + 6}},
		{{960, first + 3}, {0, first + 4}},
		{{0, first + 7}},
		{{0, first + 8}},
	}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Fatalf("sent %v\nwant %v", got, want)
	}
}

// TestBlocksHaveTheReceiversPayloadType: a receiver may know Opus by another number than we offered.
func TestBlocksHaveTheReceiversPayloadType(t *testing.T) {
	e := newEar(t)
	const theirs = 109
	e.slot.Bind(Numbers{SSRC: 100, PayloadType: theirs, TransportID: codec.TransportSequenceID})
	e.out.SetRedundant(true)
	e.say(loud, 3)
	must(t, red.Read(e.writer.packets[2].Payload, func(payloadType uint8, _ uint32, _ []byte) {
		if payloadType != theirs {
			t.Errorf("a block of type %d", payloadType)
		}
	}))
}

// TestLargeSoundIsSentOnce: two of them do not fit into a datagram.
func TestLargeSoundIsSentOnce(t *testing.T) {
	e := newEar(t)
	e.out.SetRedundant(true)
	for range 2 {
		p := e.next(loud)
		p.payload = bytes.Repeat(p.payload, 15)
		e.receive(p)
	}
	if p := e.writer.packets[1]; p.PayloadType != codec.AudioPayloadType {
		t.Errorf("%d bytes under payload type %d", len(p.Payload), p.PayloadType)
	}
}

func TestReportsTellTheAssumedLoss(t *testing.T) {
	e := newEar(t)
	e.say(loud, 10)
	for _, c := range []struct {
		share float64
		want  uint8
	}{{0, 0}, {0.1, 25}, {7, 255}, {-1, 0}} {
		e.track.AssumeLoss(c.share)
		if b, ok := e.track.first().reportBlock(e.upstream, e.now); !ok || b.FractionLost != c.want || b.TotalLost != 0 {
			t.Errorf("%g: %+v", c.share, b)
		}
	}
}
