package forward

import (
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/mediatest"
	"github.com/porch-call/porch/backend/signalling"
)

// presenter is a participant that sends sound, a camera's picture and a screen.
type presenter struct {
	in             *Inbound
	camera, screen *Track
	upstream       *fakeUpstream
	counters       *Counters
	admitted       atomic.Bool
}

func newPresenter() *presenter {
	p := &presenter{upstream: new(fakeUpstream), counters: new(Counters)}
	p.admitted.Store(true)
	audio := NewTrack("ada", signalling.KindAudio, false, p.counters)
	p.camera = NewTrack("ada", signalling.KindVideo, false, p.counters)
	p.screen = NewTrack("ada", signalling.KindVideo, false, p.counters)
	p.in = NewInbound([]*Track{audio, p.camera, p.screen}, p.upstream, &p.admitted, p.counters)
	p.in.SetMids("0", "1", "2")
	p.in.Connect()
	return p
}

// watch returns what is sent to a receiver of a track.
func (p *presenter) watch(t *Track) *fakeWriter {
	w := new(fakeWriter)
	s := NewSlot(t.Kind, &p.admitted, p.counters)
	s.Bind(Numbers{SSRC: 100, PayloadType: codec.VideoPayloadType})
	s.SetWriter(w)
	s.Open()
	t.AddReceiver(s)
	s.Assign(t)
	return w
}

// send sends packets with header extensions, given as pairs of id and value.
func (p *presenter) send(tb testing.TB, packets []*rtp.Packet, extensions ...any) {
	tb.Helper()
	for _, pkt := range packets {
		pkt := *pkt
		for i := 0; i < len(extensions); i += 2 {
			must(tb, pkt.SetExtension(uint8(extensions[i].(int)), []byte(extensions[i+1].(string))))
		}
		b, err := pkt.Marshal()
		must(tb, err)
		p.in.Receive(b)
	}
}

func TestASecondPictureIsATrackOfItsOwn(t *testing.T) {
	p := newPresenter()
	camera, screen := p.watch(p.camera), p.watch(p.screen)
	a, b := mediatest.VideoSender{SSRC: 1, Sequence: 10}, mediatest.VideoSender{SSRC: 2, Sequence: 500}
	p.send(t, a.Frame(true, 1), codec.MidID, "1")
	p.send(t, b.Frame(true, 2), codec.MidID, "2")
	p.send(t, a.Frame(false, 1)) // the SSRC is known from here on
	p.send(t, b.Frame(false, 1))
	if got := camera.sequences(); !slices.Equal(got, []uint16{10, 11}) {
		t.Errorf("camera: %v", got)
	}
	if got := screen.sequences(); !slices.Equal(got, []uint16{500, 501, 502}) {
		t.Errorf("screen: %v", got)
	}
}

func TestAStreamThatSaysNothingIsTheFirstOfItsKind(t *testing.T) {
	p := newPresenter()
	camera, screen := p.watch(p.camera), p.watch(p.screen)
	v := mediatest.VideoSender{SSRC: 1, Sequence: 10}
	p.send(t, v.Frame(true, 1))
	if len(camera.packets) != 1 || len(screen.packets) != 0 {
		t.Errorf("camera %d, screen %d", len(camera.packets), len(screen.packets))
	}
}

func TestStreamsOfOtherSectionsAreRefused(t *testing.T) {
	p := newPresenter()
	v := mediatest.VideoSender{SSRC: 1}
	p.send(t, v.Frame(true, 1), codec.MidID, "7")
	w := mediatest.VideoSender{SSRC: 2}
	p.send(t, w.Frame(true, 1), codec.MidID, "0") // a picture in the section of the sound
	if c := p.counters.Counts(); c.Malformed != 2 || c.ReceivedPackets != 0 {
		t.Errorf("%+v", c)
	}
}

func TestLayersAreReadByRID(t *testing.T) {
	p := newPresenter()
	camera := p.watch(p.camera)
	large, small := mediatest.VideoSender{SSRC: 1, Sequence: 10}, mediatest.VideoSender{SSRC: 2, Sequence: 500}
	p.send(t, large.Frame(true, 1), codec.MidID, "1", codec.RIDID, "f")
	p.send(t, small.Frame(true, 1), codec.MidID, "1", codec.RIDID, "h")
	p.send(t, small.Frame(false, 1))
	lost := large.Frame(false, 3)
	p.send(t, []*rtp.Packet{lost[0], lost[2]})
	if got := camera.sequences(); !slices.Equal(got, []uint16{10, 11, 13}) {
		t.Fatalf("forwarded %v: one layer at a time", got)
	}
	again := *lost[1]
	again.PayloadType, again.SSRC = codec.RetransmissionPayloadType, 3
	again.Payload = append([]byte{byte(lost[1].SequenceNumber >> 8), byte(lost[1].SequenceNumber)}, lost[1].Payload...)
	p.send(t, []*rtp.Packet{&again}, codec.MidID, "1", codec.RepairedRIDID, "f")
	if got := camera.sequences(); !slices.Equal(got, []uint16{10, 11, 13, 12}) {
		t.Errorf("forwarded %v: what was lost is of the layer that says so", got)
	}
	var ssrcs []uint32
	for _, r := range p.in.ReceptionReports(time.Now()) {
		ssrcs = append(ssrcs, r.SSRC)
	}
	if !slices.Equal(ssrcs, []uint32{1, 2}) {
		t.Errorf("reports of %v", ssrcs)
	}
}

// TestLayersAreForgottenWithTheirConnection: a sender that comes back may send other sizes.
func TestLayersAreForgottenWithTheirConnection(t *testing.T) {
	p := newPresenter()
	v := mediatest.VideoSender{SSRC: 1}
	for i := range maxLayers + 1 {
		v.SSRC = uint32(i + 1)
		p.send(t, v.Frame(true, 1), codec.MidID, "1", codec.RIDID, strconv.Itoa(i))
	}
	if n := len(*p.camera.layers.Load()); n != maxLayers {
		t.Errorf("%d layers", n)
	}
	if c := p.counters.Counts(); c.Malformed != 1 {
		t.Errorf("%d packets refused: the one of the layer too many", c.Malformed)
	}
	p.in.Connect()
	if n := len(*p.camera.layers.Load()); n != 1 {
		t.Errorf("%d layers after another connection", n)
	}
}

func TestSSRCsOfAConnectionAreBounded(t *testing.T) {
	p := newPresenter()
	v := mediatest.VideoSender{}
	for range 10 * maxRoutes {
		v.SSRC++
		p.send(t, v.Frame(true, 1), codec.MidID, "1")
	}
	if n := len(p.in.routes); n != maxRoutes {
		t.Errorf("%d SSRCs are kept", n)
	}
}

// TestAConnectionThatIsNotYetOneLeavesLayersAlone: packets of a new connection before Connect, and of the old one
// after it, add no layer, and their SSRCs are not remembered.
func TestAConnectionThatIsNotYetOneLeavesLayersAlone(t *testing.T) {
	p := newPresenter()
	camera := p.watch(p.camera)
	old := p.in
	p.in = NewInbound(old.tracks, new(fakeUpstream), &p.admitted, p.counters)
	p.in.SetMids("0", "1", "2")
	large, small := mediatest.VideoSender{SSRC: 1, Sequence: 10}, mediatest.VideoSender{SSRC: 2, Sequence: 500}
	send := func(keyframe bool) {
		t.Helper()
		p.send(t, large.Frame(keyframe, 1), codec.MidID, "1", codec.RIDID, "f")
		p.send(t, small.Frame(keyframe, 1), codec.MidID, "1", codec.RIDID, "h")
	}
	send(true)
	p.in.Connect()
	late := mediatest.VideoSender{SSRC: 7}
	b, err := late.Frame(true, 1)[0].Marshal()
	must(t, err)
	old.Receive(b)
	send(true)
	if got := camera.sequences(); !slices.Equal(got, []uint16{11}) {
		t.Errorf("forwarded %v", got)
	}
	streams := p.in.ReceptionReports(time.Now())
	if len(streams) != 2 {
		t.Errorf("%d streams run, both layers should", len(streams))
	}
}

// TestSoundIsForwardedAsFarAsOpusGoes: sound is sent before everything else, so a flood of it would harm all
// receivers.
func TestSoundIsForwardedAsFarAsOpusGoes(t *testing.T) {
	for _, test := range []struct {
		name             string
		every            time.Duration
		size, sent, most int
	}{
		{"all that Opus can be", 10 * time.Millisecond, 638, 1000, 1000},
		{"of several seconds at once", 0, 160, 200, 200},
		{"a flood", 100 * time.Microsecond, 1200, 10_000, 140},
		{"a flood of small ones", 100 * time.Microsecond, 1, 10_000, 800},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPresenter()
			sound := p.in.tracks[0]
			ear := p.watch(sound)
			now := time.Now()
			for i := range test.sent {
				in := packet{ssrc: 1, sequence: uint16(i), timestamp: uint32(i), payload: make([]byte, test.size)}
				sound.first().receive(p.upstream, &in, false, now.Add(time.Duration(i)*test.every))
			}
			if got := len(ear.packets); got > test.most || got < min(test.sent, test.most)/2 {
				t.Errorf("%d of %d forwarded, not about %d", got, test.sent, test.most)
			}
			if test.most == test.sent && len(ear.packets) != test.sent {
				t.Errorf("%d of %d forwarded", len(ear.packets), test.sent)
			}
		})
	}
}
