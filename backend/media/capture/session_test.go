//go:build cgo && (linux || porch_native)

package capture

import (
	"image"
	"io"
	"log/slog"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/pion/mediadevices/pkg/codec/vpx"
	"github.com/pion/mediadevices/pkg/prop"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/capture/internal/opus"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/mediatest"
	"github.com/porch-call/porch/backend/signalling"
)

// noSound is an audioSystem of a machine without sound.
type noSound struct{}

func (noSound) devices() (microphones, speakers []Device, err error) { return nil, nil, nil }

func (noSound) capture(string, func([]int16)) (audioDevice, error) {
	return nil, fault.New(fault.MicrophoneMissing, nil)
}

func (noSound) playback(string, func([]int16)) (audioDevice, error) {
	return nil, fault.New(fault.SpeakerMissing, nil)
}

// openSynthetic opens an engine that needs no devices.
func openSynthetic(t *testing.T) *Engine {
	t.Helper()
	e, err := Open(Options{Synthetic: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	e.audio = noSound{}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func begin(t *testing.T, e *Engine, setup Setup, sink Sink) *Session {
	t.Helper()
	s, err := e.Start(t.Context(), setup, sink)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// frameReader returns one frame from each Read, as mediadevices' decoder requires.
type frameReader struct{ frames []Frame }

func (r *frameReader) Read(b []byte) (int, error) {
	if len(r.frames) == 0 {
		return 0, io.EOF
	}
	n := copy(b, r.frames[0].Payload)
	r.frames = r.frames[1:]
	return n, nil
}

// decodeVP8 decodes frames in order with libvpx, and calls see with each picture.
func decodeVP8(t *testing.T, frames []Frame, see func(*image.YCbCr)) {
	t.Helper()
	decoder, err := vpx.BuildVideoDecoder(&frameReader{frames}, prop.Media{})
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	for range frames {
		picture, _, err := decoder.Read()
		if err != nil {
			t.Fatalf("decode: %v", err)
		}
		see(picture.(*image.YCbCr))
	}
}

func TestSyntheticPictureDecodesAndMoves(t *testing.T) {
	sink := newRecorder()
	s := begin(t, openSynthetic(t), Setup{}, sink)
	sink.until(t, "a second of pictures", func() bool { return len(sink.frames[codec.HostID]) >= 30 })
	_ = s.Close()

	var first, last *image.YCbCr
	decodeVP8(t, sink.frames[codec.HostID], func(p *image.YCbCr) {
		if p.Rect.Dx() != syntheticWidth || p.Rect.Dy() != syntheticHeight {
			t.Fatalf("picture of %v", p.Rect)
		}
		if first == nil {
			first = p
		}
		last = p
	})
	if d := difference(first, last); d < 5 {
		t.Errorf("the picture has hardly moved: mean difference %.1f", d)
	}
	at := time.Duration(-1)
	for i, f := range sink.frames[codec.HostID] {
		if f.Key != (i == 0) {
			t.Errorf("frame %d: key %v", i, f.Key)
		}
		if f.Timestamp <= at {
			t.Errorf("frame %d at %v after %v", i, f.Timestamp, at)
		}
		at = f.Timestamp
	}
	if len(sink.faults) > 0 {
		t.Errorf("faults %v", sink.faults)
	}
}

// The SFU gets what the window shows: the packets, assembled again, are the frames.
func TestVideoPacketsCarryTheFrames(t *testing.T) {
	sink := newRecorder()
	s := begin(t, openSynthetic(t), Setup{}, sink)
	sink.until(t, "pictures", func() bool { return len(sink.frames[codec.HostID]) >= 10 })
	s.ForceKeyframe()
	sink.until(t, "a second keyframe", func() bool {
		keys := 0
		for _, f := range sink.frames[codec.HostID] {
			keys += one(f.Key)
		}
		return keys >= 2
	})
	_ = s.Close()

	var (
		frame []byte
		next  int
		ids   = -1
	)
	for i, pkt := range sink.packets[signalling.KindVideo] {
		if pkt.PayloadType != codec.VideoPayloadType || pkt.MarshalSize() > 1200 {
			t.Fatalf("packet %d: type %d, %d bytes", i, pkt.PayloadType, pkt.MarshalSize())
		}
		if previous := i - 1; i > 0 && pkt.SequenceNumber != sink.packets[signalling.KindVideo][previous].SequenceNumber+1 {
			t.Fatalf("packet %d: sequence number breaks", i)
		}
		var header codecs.VP8Packet
		payload, err := header.Unmarshal(pkt.Payload)
		if err != nil {
			t.Fatal(err)
		}
		if header.I != 1 {
			t.Fatalf("packet %d has no picture id", i)
		}
		if header.S == 1 {
			if ids >= 0 && int(header.PictureID) != (ids+1)&0x7fff {
				t.Fatalf("picture id %d after %d", header.PictureID, ids)
			}
			ids = int(header.PictureID)
		}
		frame = append(frame, payload...)
		if pkt.Marker {
			want := sink.frames[codec.HostID][next]
			if string(frame) != string(want.Payload) {
				t.Fatalf("frame %d differs", next)
			}
			next, frame = next+1, nil
		}
	}
	if next != len(sink.frames[codec.HostID]) {
		t.Errorf("%d frames in packets, %d shown", next, len(sink.frames[codec.HostID]))
	}
}

func TestSyntheticToneIsHeard(t *testing.T) {
	sink := newRecorder()
	s := begin(t, openSynthetic(t), Setup{CameraOff: true}, sink)
	sink.until(t, "a second of sound", func() bool { return len(sink.packets[signalling.KindAudio]) >= 50 })
	_ = s.Close()

	sound := decodeOpus(t, sink.packets[signalling.KindAudio])
	if hz := mediatest.Frequency(sound[codec.AudioClockRate/2:]); math.Abs(hz-toneFrequency) > 5 {
		t.Errorf("the tone has %.0f Hz", hz)
	}
	levels := make(map[uint8]bool)
	for i, pkt := range sink.packets[signalling.KindAudio] {
		if i > 0 {
			was := sink.packets[signalling.KindAudio][i-1]
			if pkt.SequenceNumber != was.SequenceNumber+1 || pkt.Timestamp != was.Timestamp+960 {
				t.Fatalf("packet %d: %d at %d after %d at %d", i, pkt.SequenceNumber, pkt.Timestamp, was.SequenceNumber, was.Timestamp)
			}
		}
		levels[levelOf(t, pkt)] = true
	}
	if len(levels) < 5 {
		t.Errorf("the level does not move: %v", levels)
	}
	if len(sink.packets[signalling.KindVideo]) > 0 {
		t.Error("a picture though the camera is off")
	}
}

func levelOf(t *testing.T, pkt *rtp.Packet) uint8 {
	t.Helper()
	var level rtp.AudioLevelExtension
	if err := level.Unmarshal(pkt.GetExtension(codec.AudioLevelID)); err != nil {
		t.Fatal(err)
	}
	return level.Level
}

// decodeOpus decodes packets in order.
// decodeOpus returns the sound of packets. Silence that was left out (discontinuous transmission) is in it as silence.
func decodeOpus(t *testing.T, packets []*rtp.Packet) []int16 {
	t.Helper()
	decoder, err := opus.NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	var (
		sound []int16
		pcm   [opus.MaxFrameSize]int16
	)
	for _, pkt := range packets {
		n, err := decoder.Decode(pkt.Payload, pcm[:])
		if err != nil {
			t.Fatal(err)
		}
		if silent := int(pkt.Timestamp-packets[0].Timestamp) - len(sound); silent > 0 {
			sound = append(sound, make([]int16, silent)...)
		}
		sound = append(sound, pcm[:n]...)
	}
	return sound
}

func TestMutedSendsNothingAndTimeGoesOn(t *testing.T) {
	sink := newRecorder()
	s := begin(t, openSynthetic(t), Setup{CameraOff: true}, sink)
	sink.until(t, "sound", func() bool { return len(sink.packets[signalling.KindAudio]) >= 10 })
	s.SetMuted(true)
	// Blocks are still taken while muted. Once the queue has advanced by one, all later sound is silent.
	before := time.Now()
	s.SetCameraOff(false)
	sink.until(t, "pictures meanwhile", func() bool { return len(sink.frames[codec.HostID]) >= 6 })
	sink.mu.Lock()
	muted := len(sink.packets[signalling.KindAudio])
	sink.mu.Unlock()
	pause := time.Since(before)
	s.SetMuted(false)
	sink.until(t, "sound again", func() bool { return len(sink.packets[signalling.KindAudio]) >= muted+10 })
	_ = s.Close()

	packets := sink.packets[signalling.KindAudio]
	var gap uint32
	for i := 1; i < len(packets); i++ {
		if packets[i].SequenceNumber != packets[i-1].SequenceNumber+1 {
			t.Fatalf("packet %d: sequence number breaks", i)
		}
		if d := packets[i].Timestamp - packets[i-1].Timestamp; d > gap {
			gap = d
			if d > 960 && !packets[i].Marker {
				t.Errorf("packet %d begins after a pause without a marker", i)
			}
		}
	}
	if got := codec.AudioTime(int64(gap)); got < pause/2 {
		t.Errorf("the clock moved by %v in a pause of %v", got, pause)
	}
}

func TestCameraOffStopsAndOnBeginsWithAKeyframe(t *testing.T) {
	sink := newRecorder()
	s := begin(t, openSynthetic(t), Setup{}, sink)
	sink.until(t, "pictures", func() bool { return len(sink.frames[codec.HostID]) >= 5 })
	s.SetCameraOff(true)
	s.SetCameraOff(true)
	s.cameraJob.wait()
	sink.mu.Lock()
	off := len(sink.frames[codec.HostID])
	sink.mu.Unlock()
	if s.camera.Load() != nil {
		t.Fatal("the camera is still open")
	}
	s.SetCameraOff(false)
	sink.until(t, "pictures again", func() bool { return len(sink.frames[codec.HostID]) >= off+5 })
	_ = s.Close()
	if !sink.frames[codec.HostID][off].Key {
		t.Error("the camera comes back without a keyframe")
	}
	packets := sink.packets[signalling.KindVideo]
	for i := 1; i < len(packets); i++ {
		if packets[i].SSRC != packets[0].SSRC || packets[i].SequenceNumber != packets[i-1].SequenceNumber+1 {
			t.Fatalf("packet %d: another stream", i)
		}
	}
}

// TestUnseenEncodesNothing: a session whose picture nobody sees makes none, and goes on with a keyframe and unbroken
// numbers.
func TestUnseenEncodesNothing(t *testing.T) {
	sink := newRecorder()
	s := begin(t, openSynthetic(t), Setup{}, sink)
	sink.until(t, "pictures", func() bool { return len(sink.frames[codec.HostID]) >= 5 })
	s.SetUnseen(true)
	sink.until(t, "sound meanwhile", func() bool { return len(sink.packets[signalling.KindAudio]) >= 5 })
	count := func() (frames, sounds int) {
		sink.mu.Lock()
		defer sink.mu.Unlock()
		return len(sink.frames[codec.HostID]), len(sink.packets[signalling.KindAudio])
	}
	frames, sounds := count() // a picture that is being encoded may still come
	sink.until(t, "more sound", func() bool { return len(sink.packets[signalling.KindAudio]) >= sounds+20 })
	if now, _ := count(); now > frames+1 {
		t.Errorf("%d pictures that nobody sees", now-frames)
	}
	frames, _ = count()
	s.SetUnseen(false)
	sink.until(t, "pictures again", func() bool { return len(sink.frames[codec.HostID]) >= frames+5 })
	_ = s.Close()
	if !sink.frames[codec.HostID][frames].Key {
		t.Error("the picture comes back without a keyframe")
	}
	packets := sink.packets[signalling.KindVideo]
	for i := 1; i < len(packets); i++ {
		if packets[i].SequenceNumber != packets[i-1].SequenceNumber+1 {
			t.Fatalf("packet %d: a number is missing", i)
		}
	}
}

// A requested keyframe comes from the last picture and does not wait for the next one. Many requests at once are met
// by few keyframes.
func TestForceKeyframe(t *testing.T) {
	sink := newRecorder()
	s := begin(t, openSynthetic(t), Setup{}, sink)
	sink.until(t, "pictures", func() bool { return len(sink.frames[codec.HostID]) >= 10 })
	for range 1000 {
		s.ForceKeyframe()
	}
	sink.until(t, "a keyframe and a second more", func() bool { return len(sink.frames[codec.HostID]) >= 40 })
	_ = s.Close()
	keys := 0
	for _, f := range sink.frames[codec.HostID] {
		keys += one(f.Key)
	}
	if keys < 2 || keys > 5 {
		t.Errorf("%d keyframes", keys)
	}
}

func TestReceivedVideoBecomesFrames(t *testing.T) {
	from, to := newRecorder(), newRecorder()
	e := openSynthetic(t)
	far := begin(t, e, Setup{}, from)
	from.until(t, "pictures", func() bool { return len(from.frames[codec.HostID]) >= 15 })
	_ = far.Close()

	near := begin(t, e, Setup{CameraOff: true}, to)
	for _, pkt := range from.packets[signalling.KindVideo] {
		near.ReceiveRTP("guest", signalling.KindVideo, pkt, 0)
	}
	_ = near.Close()
	sent, got := from.frames[codec.HostID], to.frames["guest"]
	if len(got) != len(sent) {
		t.Fatalf("%d frames of %d", len(got), len(sent))
	}
	for i := range got {
		if string(got[i].Payload) != string(sent[i].Payload) || got[i].Key != sent[i].Key {
			t.Fatalf("frame %d differs", i)
		}
	}
	if to.requests["guest"] > 0 {
		t.Errorf("%d requests for keyframes without a loss", to.requests["guest"])
	}
}

func TestEngineCloseEndsSessions(t *testing.T) {
	e := openSynthetic(t)
	sink := newRecorder()
	s, err := e.Start(t.Context(), Setup{}, sink)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// A closed session ignores all calls.
	s.SetMuted(true)
	s.SetCameraOff(true)
	s.Switch(Choice{Camera: "other"})
	s.ForceKeyframe()
	if _, err := e.Start(t.Context(), Setup{}, sink); fault.CodeOf(err) != fault.ShuttingDown {
		t.Errorf("start after close: %v", err)
	}
}

func TestDevicesOfASyntheticEngine(t *testing.T) {
	d, err := openSynthetic(t).Devices(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Cameras) != 1 || len(d.Microphones) != 1 || d.Speakers == nil {
		t.Errorf("%+v", d)
	}
}

// TestPicturesWaitForTheirSound runs a whole session in real time. Sound comes in bursts, eight packets every 160 ms,
// and is held back because of that. Pictures come as they are taken, and wait for the sound. Once there is no more
// sound, they don't wait.
func TestPicturesWaitForTheirSound(t *testing.T) {
	from, to := newRecorder(), newRecorder()
	e := openSynthetic(t)
	far := begin(t, e, Setup{CameraOff: true}, from)
	from.until(t, "sound", func() bool { return len(from.packets[signalling.KindAudio]) >= 8 })
	_ = far.Close()

	near := begin(t, e, Setup{CameraOff: true}, to)
	const (
		soundEnds = 150 // ticks of 20 ms
		ticks     = soundEnds + 100
	)
	sent := make(map[byte]time.Time)
	var block [blockSize]int16
	clock := time.NewTicker(2 * blockTime)
	defer clock.Stop()
	for n := range ticks {
		<-clock.C
		near.others.Fill(block[:]) // the speaker
		near.others.Fill(block[:])
		if n%8 == 7 && n < soundEnds {
			for i := n - 7; i <= n; i++ {
				pkt := from.packets[signalling.KindAudio][i%8].Clone()
				pkt.SequenceNumber, pkt.Timestamp = uint16(i), uint32(i*960)
				near.ReceiveRTP("guest", signalling.KindAudio, pkt, 0)
			}
		}
		sent[byte(n)] = time.Now()
		near.ReceiveRTP("guest", signalling.KindVideo, &rtp.Packet{
			Header:  rtp.Header{SequenceNumber: uint16(n), Timestamp: uint32(n * codec.VideoClockRate / 50), Marker: true},
			Payload: []byte{0x10, 0, byte(n)}, // enough of a keyframe for the code under test (RFC 7741)
		}, 0)
	}
	to.until(t, "all pictures", func() bool { return len(to.frames["guest"]) == ticks })
	var with, without []time.Duration
	for i, f := range to.frames["guest"] {
		if f.Payload[1] != byte(i) {
			t.Fatalf("picture %d in place of %d", f.Payload[1], i)
		}
		wait := to.framesAt["guest"][i].Sub(sent[byte(i)])
		switch {
		case i > soundEnds/2 && i < soundEnds:
			with = append(with, wait)
		case i > soundEnds+60:
			without = append(without, wait)
		}
	}
	slices.Sort(with)
	slices.Sort(without)
	if wait := with[len(with)/2]; wait < 100*time.Millisecond || wait > 400*time.Millisecond {
		t.Errorf("pictures wait for %v, sound is held back for some 180 ms", wait)
	}
	if wait := without[len(without)/2]; wait > 20*time.Millisecond {
		t.Errorf("without sound they wait for %v", wait)
	}
	t.Logf("with sound %v, without %v", with[len(with)/2], without[len(without)/2])
}
