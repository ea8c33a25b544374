package forward

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/vp8"
)

// richPacket returns an RTP packet with every optional part.
func richPacket(tb testing.TB, payload []byte) []byte {
	tb.Helper()
	p := rtp.Packet{
		Header: rtp.Header{
			Version: 2, Marker: true, PayloadType: codec.VideoPayloadType, SequenceNumber: 4711, Timestamp: 123456,
			SSRC: 0xdeadbeef, CSRC: []uint32{1, 2},
		},
		Payload: payload,
	}
	must(tb, p.SetExtension(codec.AudioLevelID, []byte{0x80 | 37}))
	must(tb, p.SetExtension(codec.TransportSequenceID, []byte{0x12, 0x34}))
	must(tb, p.SetExtension(codec.MidID, []byte("audio")))
	b, err := p.Marshal()
	must(tb, err)
	return b
}

func TestParsePacket(t *testing.T) {
	b := richPacket(t, []byte("media"))
	var p packet
	must(t, p.parse(b))
	if p.ssrc != 0xdeadbeef || p.timestamp != 123456 || p.sequence != 4711 || !p.marker ||
		p.payloadType != codec.VideoPayloadType || !p.hasLevel || p.level != 37 || !p.hasTransport || p.transport != 0x1234 ||
		string(p.payload) != "media" {
		t.Errorf("%+v", p)
	}
	for n := range len(b) - len("media") {
		if err := p.parse(b[:n]); !errors.Is(err, errShort) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestParseTwoByteExtensions(t *testing.T) {
	h := rtp.Header{Version: 2, Extension: true, ExtensionProfile: rtp.ExtensionProfileTwoByte}
	must(t, h.SetExtension(codec.TransportSequenceID, []byte{1, 2}))
	must(t, h.SetExtension(200, bytes.Repeat([]byte{9}, 40)))
	must(t, h.SetExtension(codec.AudioLevelID, []byte{127}))
	b, err := h.Marshal()
	must(t, err)
	var p packet
	must(t, p.parse(b))
	if !p.hasTransport || p.transport != 0x0102 || !p.hasLevel || p.level != 127 {
		t.Errorf("%+v", p)
	}
}

func TestParseRefusesWhatIsNotRTP(t *testing.T) {
	good := richPacket(t, []byte("media"))
	mutate := func(f func([]byte)) []byte {
		b := bytes.Clone(good)
		f(b)
		return b
	}
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"empty":                   {nil, errShort},
		"version 1":               {mutate(func(b []byte) { b[0] = b[0]&0x3f | 0x40 }), errVersion},
		"STUN":                    {make([]byte, 20), errVersion},
		"too many CSRC":           {mutate(func(b []byte) { b[0] |= 0x0f }), errShort},
		"extension beyond":        {mutate(func(b []byte) { binary.BigEndian.PutUint16(b[22:], 0xffff) }), errShort},
		"padding of 0":            {mutate(func(b []byte) { b[0] |= 0x20; b[len(b)-1] = 0 }), errPadding},
		"padding beyond payload":  {mutate(func(b []byte) { b[0] |= 0x20; b[len(b)-1] = 6 }), errPadding},
		"padding beyond packet":   {mutate(func(b []byte) { b[0] |= 0x20; b[len(b)-1] = 255 }), errPadding},
		"padding is the payload":  {mutate(func(b []byte) { b[0] |= 0x20; b[len(b)-1] = 5 }), nil},
		"extension id 15":         {mutate(func(b []byte) { b[24] = 0xf0 }), nil},
		"extension longer than b": {mutate(func(b []byte) { b[24] = 0x1f }), nil},
	} {
		var p packet
		if err := p.parse(c.b); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestUnwrapRetransmission(t *testing.T) {
	p := packet{ssrc: 1, payloadType: codec.RetransmissionPayloadType, sequence: 9, payload: []byte{0x12, 0x34, 'm'}}
	if !p.unwrapRetransmission(7) || p.sequence != 0x1234 || string(p.payload) != "m" ||
		p.ssrc != 7 || p.payloadType != codec.VideoPayloadType {
		t.Errorf("%+v", p)
	}
	for n := range 3 {
		p := packet{payload: make([]byte, n)}
		if p.unwrapRetransmission(7) {
			t.Errorf("%d bytes repeat something", n)
		}
	}
}

func marshalRTCP(tb testing.TB, p rtcp.Packet) []byte {
	tb.Helper()
	b, err := p.Marshal()
	must(tb, err)
	return b
}

// feedbackOn returns everything that a compound says about ssrc.
func feedbackOn(b []byte, ssrc uint32) (c Feedback) {
	ReadFeedback(b, func(about uint32, f Feedback) {
		c.estimate = max(c.estimate, f.estimate)
		if f.transport != nil {
			c.transport = f.transport
		}
		if about != ssrc {
			return
		}
		if f.senderReport {
			c.senderReport, c.ntp, c.timestamp = true, f.ntp, f.timestamp
		}
		if f.reported {
			c.reported, c.block = true, f.block
		}
		c.lost = append(c.lost, f.lost...)
		c.keyframe = c.keyframe || f.keyframe
	})
	return c
}

func TestParseControl(t *testing.T) {
	const us, other = 77, 78
	block77 := rtcp.ReceptionReport{SSRC: us, FractionLost: 3, TotalLost: 500, LastSequenceNumber: 9, Jitter: 4, LastSenderReport: 5, Delay: 6}
	blocks := []rtcp.ReceptionReport{{SSRC: other, Jitter: 1}, block77}
	is77 := func(c Feedback) bool { return c.reported && c.block == block77 }
	for name, c := range map[string]struct {
		packet rtcp.Packet
		ok     func(Feedback) bool
	}{
		"sender report": {&rtcp.SenderReport{SSRC: us, NTPTime: 1 << 40, RTPTime: 99, Reports: blocks},
			func(c Feedback) bool { return c.senderReport && c.ntp == 1<<40 && c.timestamp == 99 && is77(c) }},
		"sender report of another": {&rtcp.SenderReport{SSRC: other, Reports: blocks},
			func(c Feedback) bool { return !c.senderReport && is77(c) }},
		"receiver report": {&rtcp.ReceiverReport{Reports: blocks}, is77},
		"NACK": {&rtcp.TransportLayerNack{MediaSSRC: us, Nacks: []rtcp.NackPair{{PacketID: 65535, LostPackets: 0x8001}}},
			func(c Feedback) bool {
				return len(c.lost) == 3 && c.lost[0] == 65535 && c.lost[1] == 0 && c.lost[2] == 15
			}},
		"NACK of another": {&rtcp.TransportLayerNack{MediaSSRC: other, Nacks: []rtcp.NackPair{{PacketID: 1}}},
			func(c Feedback) bool { return c.lost == nil }},
		"PLI":            {&rtcp.PictureLossIndication{MediaSSRC: us}, func(c Feedback) bool { return c.keyframe }},
		"PLI of another": {&rtcp.PictureLossIndication{MediaSSRC: other}, func(c Feedback) bool { return !c.keyframe }},
		"FIR": {&rtcp.FullIntraRequest{FIR: []rtcp.FIREntry{{SSRC: other}, {SSRC: us}}},
			func(c Feedback) bool { return c.keyframe }},
		"REMB": {&rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: 1_000_000, SSRCs: []uint32{us}},
			func(c Feedback) bool { return c.estimate > 990_000 && c.estimate <= 1_000_000 }},
		"transport-wide feedback": {&rtcp.TransportLayerCC{MediaSSRC: us, Header: rtcp.Header{Type: rtcp.TypeTransportSpecificFeedback, Count: rtcp.FormatTCC, Length: 4}},
			func(c Feedback) bool { return len(c.transport) == 20 && !c.reported }},
		"goodbye": {&rtcp.Goodbye{Sources: []uint32{us}}, func(c Feedback) bool { return !c.reported && !c.senderReport }},
	} {
		b := marshalRTCP(t, c.packet)
		compound := slices.Concat(marshalRTCP(t, &rtcp.Goodbye{}), b, marshalRTCP(t, &rtcp.RapidResynchronizationRequest{MediaSSRC: us}))
		for _, b := range [][]byte{b, compound} {
			if got := feedbackOn(b, us); !c.ok(got) {
				t.Errorf("%s: %+v", name, got)
			}
		}
		for n := range b {
			feedbackOn(b[:n], us) // must not panic
		}
	}
}

func TestNACKIsBounded(t *testing.T) {
	nack := &rtcp.TransportLayerNack{MediaSSRC: 1}
	for i := range 200 {
		nack.Nacks = append(nack.Nacks, rtcp.NackPair{PacketID: uint16(i * 17), LostPackets: 0xffff})
	}
	if n := len(feedbackOn(marshalRTCP(t, nack), 1).lost); n > maxNACK || n < maxNACK/2 {
		t.Errorf("%d packets asked for", n)
	}
}

// TestEstimate: REMB has room for rates that no integer holds, and for one of 0, which says nothing.
func TestEstimate(t *testing.T) {
	for name, c := range map[string]struct {
		exponent, mantissa byte
		want               uint64
	}{
		"small":     {0, 200, 200},
		"usual":     {12, 200, 200 << 12},
		"none":      {0, 0, 0},
		"0 << 63":   {63, 0, 0},
		"too large": {63, 200, maxEstimate},
	} {
		b := marshalRTCP(t, &rtcp.ReceiverEstimatedMaximumBitrate{})
		b[17], b[18], b[19] = c.exponent<<2, 0, c.mantissa
		if got := feedbackOn(b, 1).estimate; got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// targets returns the SSRCs that a compound concerns.
func targets(b []byte) (ssrcs []uint32) {
	ReadFeedback(b, func(ssrc uint32, _ Feedback) { ssrcs = append(ssrcs, ssrc) })
	return ssrcs
}

// TestTargetsAreBounded checks that the size of a packet does not multiply what is looked up because of it.
func TestTargetsAreBounded(t *testing.T) {
	fir := &rtcp.FullIntraRequest{SenderSSRC: 1, MediaSSRC: 2}
	for i := range uint32(180) {
		fir.FIR = append(fir.FIR, rtcp.FIREntry{SSRC: i})
	}
	if got := targets(marshalRTCP(t, fir)); len(got) != maxTargets || got[maxTargets-1] != maxTargets-1 {
		t.Errorf("%d targets", len(got))
	}
	report := &rtcp.SenderReport{Reports: make([]rtcp.ReceptionReport, 31)}
	if got := targets(marshalRTCP(t, report)); len(got) != maxTargets {
		t.Errorf("%d targets of a report", len(got))
	}
	pli := marshalRTCP(t, &rtcp.PictureLossIndication{MediaSSRC: 3})
	if got := targets(bytes.Repeat(pli, 2*maxPackets)); len(got) != maxPackets {
		t.Errorf("%d targets of a compound", len(got))
	}
	if got := targets(bytes.Repeat(pli, maxRTCP/len(pli)+1)); len(got) != 0 {
		t.Errorf("%d targets of a compound that is too long", len(got))
	}
}

func FuzzPacket(f *testing.F) {
	f.Add(richPacket(f, []byte{0x90, 0xf0, 0x81, 0x02, 0x33, 0x44, 0x01}))
	f.Add(richPacket(f, []byte{0x90, 0xc0, 0x7f, 0x55, 0x00}))
	f.Add([]byte{0x80, 0x60, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		original := bytes.Clone(b)
		var p packet
		if p.parse(b) != nil {
			return
		}
		if !bytes.Contains(original, p.payload) {
			t.Fatal("the payload is not of the packet")
		}
		// A packet that parse accepts, Pion accepts too.
		var theirs rtp.Packet
		if theirs.Unmarshal(b) == nil && (theirs.SequenceNumber != p.sequence || theirs.SSRC != p.ssrc ||
			theirs.Timestamp != p.timestamp || !bytes.Equal(theirs.Payload, p.payload)) {
			t.Fatalf("pion reads %v, we %+v", theirs, p)
		}
		p.vp8 = vp8.Parse(p.payload)
		d, payload := p.vp8, p.payload
		if d.HasPicture && !d.LongPicture {
			payload, d = vp8.Lengthen(nil, payload, d)
		}
		vp8.Write(payload, d, 0x7abc, 0xcd)
		if after := vp8.Parse(payload); after.HasPicture != d.HasPicture || d.HasPicture && after.Picture != 0x7abc ||
			d.HasTL0 && after.TL0 != 0xcd || after.Start != d.Start || after.Keyframe != d.Keyframe {
			t.Fatalf("wrote %+v, read %+v", d, after)
		}
		p.unwrapRetransmission(1)
		vp8.Parse(p.payload)
	})
}

func FuzzControl(f *testing.F) {
	for _, p := range []rtcp.Packet{
		&rtcp.SenderReport{SSRC: 1, Reports: []rtcp.ReceptionReport{{SSRC: 1}}},
		&rtcp.ReceiverReport{Reports: []rtcp.ReceptionReport{{SSRC: 1}}},
		&rtcp.TransportLayerNack{MediaSSRC: 1, Nacks: []rtcp.NackPair{{PacketID: 1, LostPackets: 0xffff}}},
		&rtcp.PictureLossIndication{MediaSSRC: 1},
		&rtcp.FullIntraRequest{FIR: []rtcp.FIREntry{{SSRC: 1}}},
		&rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: 1e6, SSRCs: []uint32{1}},
	} {
		f.Add(marshalRTCP(f, p))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		takes := 0
		ReadFeedback(b, func(ssrc uint32, f Feedback) {
			takes++
			if len(f.lost) > maxNACK || f.estimate > maxEstimate {
				t.Fatalf("%+v about %d", f, ssrc)
			}
		})
		if takes > maxPackets*maxTargets {
			t.Fatalf("%d SSRCs", takes)
		}
	})
}

// FuzzForward sends hostile packets through all code after decryption.
func FuzzForward(f *testing.F) {
	f.Add(richPacket(f, []byte{0x90, 0xf0, 0x81, 0x02, 0x33, 0x44, 0x00}), richPacket(f, []byte{0x90, 0xc0, 0x7f, 0x55, 0x00}))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		r := newRig(t, 2)
		for _, b := range [][]byte{first, second, first, second} {
			r.in.Receive(bytes.Clone(b))
			r.feedback(b)
		}
		for _, s := range r.slots {
			s.resend([]uint16{0, 1, 4711, 65535})
		}
		r.in.tracks[0].Tick(r.now)
		r.video.Tick(r.now)
	})
}
