package forward

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/vp8"
	"github.com/porch-call/porch/backend/signalling"
)

// ledger encrypts what slots send as SRTP, and records the nonces. Where the plain text is known, so is AES-GCM's key
// stream, which is the same if and only if the nonce is.
type ledger struct {
	tb    testing.TB
	srtp  *srtp.Context
	lost  bool // there is no path
	seen  map[[16]byte][]byte
	sent  int
	twice int // packets that were sent again without a change of any bit
}

// ledgerDatagram is the largest packet that fits into a datagram of a call.
const ledgerDatagram = 1568

func (l *ledger) Write(h *rtp.Header, payload []byte, _ interceptor.Attributes) (int, error) {
	if l.lost {
		return 0, ErrNotSent
	}
	if h.MarshalSize()+len(payload) > ledgerDatagram {
		return 0, ErrNotSent
	}
	plain, err := (&rtp.Packet{Header: *h, Payload: payload}).Marshal()
	must(l.tb, err)
	sealed, err := l.srtp.EncryptRTP(nil, plain, nil)
	must(l.tb, err)
	l.sent++
	var stream [16]byte
	for i := range stream {
		stream[i] = sealed[h.MarshalSize()+i] ^ payload[i]
	}
	before, known := l.seen[stream]
	switch {
	case !known:
		l.seen[stream] = sealed
	case bytes.Equal(before, sealed):
		l.twice++
	default:
		l.tb.Fatalf("two packets under one nonce:\n%x\n%x", before[:h.MarshalSize()], sealed[:h.MarshalSize()])
	}
	return len(payload), nil
}

// hostile is all that can happen to the slots of one receiver. Two senders send arbitrary packets, and the receiver
// asks for arbitrary ones.
type hostile struct {
	ledger   *ledger
	admitted *rig
	out      *Outbound
	sources  [2]*Track
	ups      [2]*fakeUpstream
	ssrcs    [2]uint32
	numbers  [2]uint16
	stamps   [2]uint32
	slots    []*Slot
	now      time.Time
	random   *rand.Rand // for payloads
	floor    hostileFloor
}

func newHostile(tb testing.TB, kind signalling.Kind, seed uint64) *hostile {
	tb.Helper()
	context, err := srtp.CreateContext(make([]byte, 16), make([]byte, 12), srtp.ProtectionProfileAeadAes128Gcm)
	must(tb, err)
	h := &hostile{
		ledger: &ledger{tb: tb, srtp: context, seen: make(map[[16]byte][]byte)},
		now:    time.Now(), random: rand.New(rand.NewPCG(seed, 1)),
		admitted: newRig(tb, 0),
	}
	h.floor.has = true
	h.out = NewOutbound(&h.admitted.admitted, h.admitted.counters, func() {})
	for i := range h.sources {
		h.sources[i] = NewTrack("", kind, false, h.admitted.counters)
		if kind == signalling.KindAudio && seed%3 > 0 {
			h.sources[i].Ask(&h.floor)
		}
		h.ssrcs[i] = uint32(i + 1)
		h.connect(i)
	}
	for i, rtx := range []uint8{codec.RetransmissionPayloadType, 0} {
		numbers := Numbers{
			SSRC: uint32(100 + i), PayloadType: 96, RTXSSRC: uint32(200 + i), RTXPayloadType: rtx,
			AbsSendTimeID: codec.AbsSendTimeID,
		}
		if seed%2 == 1 {
			numbers.TransportID = codec.TransportSequenceID
		}
		slot := h.out.NewSlot(kind)
		slot.Bind(numbers)
		slot.SetRED(63)
		slot.SetWriter(h.ledger)
		slot.Open()
		h.slots = append(h.slots, slot)
		h.assign(i, 0)
	}
	return h
}

func (h *hostile) connect(i int) {
	h.ups[i] = new(fakeUpstream)
	h.sources[i].connect(h.ups[i])
}

func (h *hostile) assign(slot, source int) {
	for _, s := range h.sources {
		s.RemoveReceiver(h.slots[slot])
	}
	h.sources[source].AddReceiver(h.slots[slot])
	h.slots[slot].Assign(h.sources[source])
}

// hostileFloor gives and takes the floor as it is told.
type hostileFloor struct{ has, had bool }

func (f *hostileFloor) Hear(uint8, time.Time) (forward, begins bool) {
	begins = f.has && !f.had
	f.had = f.has
	return f.has, begins
}

// send sends a packet of a track. Its payload is always new, whatever its number.
func (h *hostile) send(i int, number uint16, how byte) {
	b := make([]byte, 32, 1600)
	for j := range b {
		b[j] = byte(h.random.Uint32())
	}
	clear(b[7:15]) // a keyframe must not state a size that is refused
	if how&1 != 0 {
		b[0], b[1] = 0x90, 0xc0 // a picture id, long or short
	} else {
		b[0] = 0x10
	}
	if how&2 != 0 {
		b = b[:1570] // too large for a datagram of a call
	}
	p := packet{
		ssrc: h.ssrcs[i], sequence: number, timestamp: h.stamps[i], marker: how&4 != 0,
		payload: b,
	}
	if h.sources[i].Kind == signalling.KindVideo {
		p.vp8 = vp8.Parse(b)
	}
	h.sources[i].first().receive(h.ups[i], &p, how&8 != 0, h.now)
}

// step does one of the things that can happen.
func (h *hostile) step(op byte, value uint16) {
	i := int(op>>7) & 1
	switch how := op & 0x0f; op >> 4 & 7 {
	case 0, 1: // the next number, perhaps after a gap
		h.numbers[i] += 1 + value%4/3
		h.stamps[i] += 960
		h.send(i, h.numbers[i], how&^8)
	case 2: // any number, perhaps marked as a retransmission
		if how&8 == 0 && how&4 != 0 {
			h.numbers[i] = value
		}
		h.send(i, value, how)
	case 3: // a recent number again
		h.send(i, h.numbers[i]-value%600, how)
	case 4: // a NACK to every slot
		for _, s := range h.slots {
			last := uint16(s.out.lastOutput)
			s.resend([]uint16{value, last, last - value%8, last - value%300, last - 1})
			s.resent, s.budget = nil, new(resends) // without bounds, which would hide wrong retransmissions
		}
	case 5:
		switch how & 12 {
		case 4:
			h.floor.has = !h.floor.has
			return
		case 8:
			h.out.SetRedundant(!h.out.Redundant())
			return
		}
		switch how & 3 {
		case 0:
			h.sources[i].SetSilent(!h.sources[i].silent.Load())
		case 1:
			h.assign(int(value)&1, i)
		case 2:
			h.ssrcs[i] += 2
			h.connect(i)
		case 3:
			h.ledger.lost = !h.ledger.lost
		}
	case 6: // many packets
		for range value % 2000 {
			h.numbers[i]++
			h.send(i, h.numbers[i], how&^8)
		}
	case 7: // leaps that are too small to end a stretch
		for range value % 300 {
			h.numbers[i] += 250
			h.now = h.now.Add(1100 * time.Millisecond)
			h.sources[i].Tick(h.now)
			h.send(i, h.numbers[i], how&^8)
		}
	}
	h.now = h.now.Add(time.Millisecond)
}

// TestNoNonceIsUsedTwice sends and asks for all that a hostile guest can, and looks for two packets that were
// encrypted with one nonce.
func TestNoNonceIsUsedTwice(t *testing.T) {
	for _, kind := range []signalling.Kind{signalling.KindAudio, signalling.KindVideo} {
		for seed := range uint64(20) {
			h := newHostile(t, kind, seed)
			random := rand.New(rand.NewPCG(seed, 2))
			for range 400 {
				h.step(byte(random.Uint32()), uint16(random.Uint32()))
			}
			if h.ledger.sent == 0 {
				t.Errorf("%s, %d: nothing was sent", kind, seed)
			}
		}
	}
}

// TestRepeatedSoundIsTheSame: Chromium asks for sound that was lost, and gets it under the same number.
func TestRepeatedSoundIsTheSame(t *testing.T) {
	h := newHostile(t, signalling.KindAudio, 1)
	for range 20 {
		h.step(0, 0)
	}
	before := h.ledger.sent
	last := uint16(h.slots[1].out.lastOutput)
	time.Sleep(time.Millisecond) // a different abs-send-time
	h.slots[1].resend([]uint16{last, last - 3})
	if h.ledger.sent != before+2 || h.ledger.twice != 2 {
		t.Errorf("%d sent, %d the same", h.ledger.sent-before, h.ledger.twice)
	}
}

// TestAnOldRepeatIsNotNew: after a long stretch, a packet marked as a retransmission has a number from long ago.
func TestAnOldRepeatIsNotNew(t *testing.T) {
	h := newHostile(t, signalling.KindVideo, 1)
	for range 20_000 {
		h.step(0, 0)
	}
	sent := h.ledger.sent
	h.send(0, h.numbers[0]-10_000, 8)
	h.send(0, h.numbers[0]+1, 8)
	if h.ledger.sent != sent {
		t.Error("it was forwarded")
	}
	h.slots[0].resend([]uint16{uint16(h.slots[0].out.lastOutput - 5)})
	if h.ledger.sent != sent+1 {
		t.Error("it has emptied the cache")
	}
}

// TestWhatCannotBeSentTakesNoNumbers: a receiver has no path for a time while its senders go on. When it has one
// again, SRTP's own count of wraps is still right.
func TestWhatCannotBeSentTakesNoNumbers(t *testing.T) {
	h := newHostile(t, signalling.KindAudio, 1)
	h.step(0, 0)
	h.ledger.lost = true
	for range 70_000 {
		h.step(0, 0)
	}
	h.ledger.lost = false
	first := h.slots[0].out.lastOutput
	for range 100 {
		h.step(0, 0)
	}
	if now := h.slots[0].out.lastOutput; now-first > maxOutputLeap+101 || now == first {
		t.Errorf("from %d to %d", first, now)
	}
}

func FuzzNonces(f *testing.F) {
	f.Add([]byte{0x00, 0, 0, 0x60, 0xff, 0xff, 0x28, 0x27, 0x10, 0x40, 0, 1})
	f.Add([]byte{0x71, 1, 0, 0x53, 0, 0, 0x62, 4, 0, 0x53, 0, 0, 0x40, 0, 1})
	f.Fuzz(func(t *testing.T, script []byte) {
		for seed, kind := range []signalling.Kind{
			signalling.KindAudio, signalling.KindVideo, signalling.KindVideo, signalling.KindAudio,
		} {
			h := newHostile(t, kind, uint64(seed))
			for n := 0; n+3 <= min(len(script), 150); n += 3 {
				h.step(script[n], binary.BigEndian.Uint16(script[n+1:]))
			}
		}
	})
}

// TestReplayIsBoundedByWhatIsCached: opening a slot must not walk over all the numbers that a sender has left out.
func TestReplayIsBoundedByWhatIsCached(t *testing.T) {
	r := newRig(t, 1)
	r.connect()
	key := append([]byte{0x10}, make([]byte, 10)...)
	r.receive(&rtp.Packet{Header: rtp.Header{SSRC: 7, Timestamp: 1}, Payload: key})
	n := uint16(1)
	for range 100_000 {
		r.receive(&rtp.Packet{Header: rtp.Header{SSRC: 7, SequenceNumber: n, Timestamp: 2}, Payload: []byte{0x00, 0x01}})
		n += maxCacheJump
	}
	if _, ok := r.video.first().replayable(r.now, oldestKeyframe); ok {
		t.Error("more than is cached is replayable")
	}
	w := new(fakeWriter)
	s := NewSlot(signalling.KindVideo, &r.admitted, r.counters)
	s.Bind(Numbers{SSRC: 1, PayloadType: codec.VideoPayloadType, RTXSSRC: 2, RTXPayloadType: codec.RetransmissionPayloadType})
	s.SetWriter(w)
	s.Assign(r.video)
	begun := time.Now()
	s.Open()
	if took := time.Since(begun); took > 100*time.Millisecond || len(w.packets) > videoCache {
		t.Errorf("%v, %d packets", took, len(w.packets))
	}
}
