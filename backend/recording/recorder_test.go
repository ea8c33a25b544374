package recording

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4/pkg/media/ivfreader"
	"go.uber.org/goleak"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/signalling"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// silence is an Opus packet of 20 ms of silence.
var silence = []byte{0xf8, 0xff, 0xfe}

// clip returns the frames of a moving picture, as libvpx makes them, the first of which is a keyframe.
func clip(t *testing.T, size string, frames int) (pictures [][]byte) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=s="+size+":r=25",
		"-frames:v", strconv.Itoa(frames), "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-auto-alt-ref", "0",
		"-g", "1000", "-b:v", "500k", "-f", "ivf", "-").Output()
	if err != nil {
		t.Fatalf("ffmpeg (make setup installs it): %v", err)
	}
	r, _, err := ivfreader.NewWith(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	for {
		frame, _, err := r.ParseNextFrame()
		if errors.Is(err, io.EOF) {
			return pictures
		}
		if err != nil {
			t.Fatal(err)
		}
		pictures = append(pictures, frame)
	}
}

// clock is the time of a test.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 30, 18, 45, 12, 0, time.UTC)} }

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// sender makes the packets of one participant.
type sender struct {
	name       string
	sound      rtp.Header
	picture    rtp.Header
	packetiser codecs.VP8Payloader
}

func newSender(name string) *sender {
	return &sender{
		name: name, packetiser: codecs.VP8Payloader{EnablePictureID: true},
		sound:   rtp.Header{SSRC: rand.Uint32(), SequenceNumber: 65_500, Timestamp: 4_294_900_000},
		picture: rtp.Header{SSRC: rand.Uint32(), SequenceNumber: 65_530, Timestamp: 4_294_960_000},
	}
}

// say returns the next 20 ms of sound.
func (s *sender) say() *rtp.Packet {
	p := &rtp.Packet{Header: s.sound, Payload: silence}
	s.sound.SequenceNumber++
	s.sound.Timestamp += codec.AudioClockRate / 50
	return p
}

// show returns the packets of a picture, which stands for 40 ms.
func (s *sender) show(frame []byte) (packets []*rtp.Packet) {
	payloads := s.packetiser.Payload(1100, frame)
	for i, payload := range payloads {
		h := s.picture
		h.Marker = i == len(payloads)-1
		packets = append(packets, &rtp.Packet{Header: h, Payload: payload})
		s.picture.SequenceNumber++
	}
	s.picture.Timestamp += codec.VideoClockRate / 25
	return packets
}

// stream is what ffprobe says of a track.
type stream struct {
	Index  int               `json:"index"`
	Codec  string            `json:"codec_name"`
	Type   string            `json:"codec_type"`
	Width  int               `json:"width"`
	Height int               `json:"height"`
	Tags   map[string]string `json:"tags"`
}

// probed is what ffprobe says of a file.
type probed struct {
	Streams []stream `json:"streams"`
	Format  struct {
		Name     string `json:"format_name"`
		Duration string `json:"duration"`
	} `json:"format"`
	Packets []struct {
		Stream int    `json:"stream_index"`
		Time   string `json:"pts_time"`
		Flags  string `json:"flags"`
	} `json:"packets"`
}

// probe reads a file with ffprobe, and checks that ffmpeg decodes all of it.
func probe(t *testing.T, path string) (p probed) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-show_format", "-show_streams", "-show_packets", "-of", "json", path).Output()
	if err != nil {
		t.Fatalf("ffprobe: %v", err)
	}
	if err := json.Unmarshal(out, &p); err != nil {
		t.Fatal(err)
	}
	said, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-i", path, "-map", "0", "-fps_mode", "passthrough", "-enc_time_base:v", "1:1000", "-f", "null", "-").CombinedOutput()
	if err != nil || len(said) > 0 {
		t.Errorf("ffmpeg: %v: %s", err, said)
	}
	return p
}

// times returns when the blocks of a track are, in seconds.
func (p probed) times(t *testing.T, track int) (at []float64) {
	t.Helper()
	for _, packet := range p.Packets {
		if packet.Stream == track {
			seconds, err := strconv.ParseFloat(packet.Time, 64)
			if err != nil {
				t.Fatal(err)
			}
			at = append(at, seconds)
		}
	}
	if !slices.IsSorted(at) {
		t.Errorf("track %d: times go back: %v", track, at)
	}
	return at
}

// play lets a sender's sound and pictures arrive for the length of the pictures, in steps of 20 ms.
func play(r *Recorder, now *clock, pictures [][]byte, senders ...*sender) {
	for n := range 2 * len(pictures) {
		for _, s := range senders {
			r.ReceiveRTP(s.name, signalling.KindAudio, s.say(), 0)
			if n%2 == 0 {
				for _, p := range s.show(pictures[n/2]) {
					r.ReceiveRTP(s.name, signalling.KindVideo, p, 0)
				}
			}
		}
		now.advance(20 * time.Millisecond)
	}
}

func open(t *testing.T, o Options) *Recorder {
	t.Helper()
	if o.Folder == "" {
		o.Folder = filepath.Join(t.TempDir(), "recordings")
	}
	r, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if got < want-within || got > want+within {
		t.Errorf("%s: %.3f s, want %.3f", what, got, want)
	}
}

// TestARecordingHasATrackForEachWhoAgrees records three participants, of whom one comes later, one agrees not, and one
// withdraws, and reads the file as a player does.
func TestARecordingHasATrackForEachWhoAgrees(t *testing.T) {
	now := newClock()
	r := open(t, Options{Now: now.read})
	pictures, small := clip(t, "640x360", 50), clip(t, "320x180", 25)
	ada, bob, eve := newSender("ada"), newSender("bob"), newSender("eve")
	r.Agree("ada", "Ada Ω")
	play(r, now, pictures, ada, eve)
	r.Agree("bob", "Bob")
	play(r, now, small, ada, bob, eve) // ada's pictures become smaller here, with a keyframe
	for r.Written() < 3*time.Second {
		time.Sleep(time.Millisecond)
	}
	r.Withdraw("bob")
	play(r, now, pictures, ada, bob)
	r.Close()

	info, err := os.Stat(r.Path())
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 || filepath.Base(r.Path()) != "Porch 2026-11-30 18.45.12.mkv" {
		t.Errorf("%s has mode %v", r.Path(), info.Mode())
	}
	p := probe(t, r.Path())
	var kinds []string
	for _, s := range p.Streams {
		kinds = append(kinds, s.Codec+" "+s.Tags["title"])
		if s.Codec == "vp8" && s.Tags["title"] == "Ada Ω" && (s.Width != 640 || s.Height != 360) {
			t.Errorf("%d × %d", s.Width, s.Height)
		}
	}
	if want := []string{"opus Ada Ω", "vp8 Ada Ω", "opus Bob", "vp8 Bob"}; !slices.Equal(kinds, want) {
		t.Fatalf("tracks %q, want %q", kinds, want)
	}
	length, err := strconv.ParseFloat(p.Format.Duration, 64)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "length", length, 5, 0.1)
	for track, want := range []struct {
		count    int
		from, to float64
	}{{250, 0, 4.98}, {125, 0, 4.96}, {50, 2, 2.98}, {26, 2, 3}} { // the last of bob's pictures is black
		at := p.times(t, track)
		if len(at) != want.count {
			t.Errorf("track %d has %d blocks, want %d", track, len(at), want.count)
			continue
		}
		near(t, "first of track "+strconv.Itoa(track), at[0], want.from, 0.1)
		near(t, "last of track "+strconv.Itoa(track), at[len(at)-1], want.to, 0.1)
	}
}

// TestSoundIsInStep checks that pictures which take 150 ms longer than sound to arrive are written at the time of their
// sound, because the clocks of their sender say so, and that late and swapped packets are put right.
func TestSoundIsInStep(t *testing.T) {
	now := newClock()
	r := open(t, Options{Now: now.read})
	r.Agree("ada", "Ada")
	s, pictures := newSender("ada"), clip(t, "320x180", 100)
	sound0, picture0 := s.sound.Timestamp, s.picture.Timestamp
	const lag = 150 * time.Millisecond
	type due struct {
		at   time.Duration
		kind signalling.Kind
		p    *rtp.Packet
	}
	var arrivals []due
	for n := range 200 {
		made := time.Duration(n) * 20 * time.Millisecond
		jitter := time.Duration(rand.IntN(60)) * time.Millisecond
		if n == 0 { // a track begins with what comes first, and what was sent before that is not in it
			jitter = 0
		}
		arrivals = append(arrivals, due{made + jitter, signalling.KindAudio, s.say()})
		if n%2 == 0 {
			for _, p := range s.show(pictures[n/2]) {
				arrivals = append(arrivals, due{made + lag + jitter, signalling.KindVideo, p})
			}
		}
	}
	slices.SortStableFunc(arrivals, func(a, b due) int { return int(a.at - b.at) })
	for passed, next := time.Duration(0), 0; next < len(arrivals); passed += 10 * time.Millisecond {
		if passed%(200*time.Millisecond) == 0 {
			r.ReceiveClock("ada", signalling.KindAudio, sound0+uint32(passed*codec.AudioClockRate/time.Second))
			r.ReceiveClock("ada", signalling.KindVideo, picture0+uint32(passed*codec.VideoClockRate/time.Second))
		}
		for next < len(arrivals) && arrivals[next].at <= passed {
			r.ReceiveRTP("ada", arrivals[next].kind, arrivals[next].p, 0)
			next++
		}
		now.advance(10 * time.Millisecond)
	}
	r.Close()
	p := probe(t, r.Path())
	sound, picture := p.times(t, 0), p.times(t, 1)
	if len(sound) != 200 || len(picture) != 100 {
		t.Fatalf("%d and %d blocks", len(sound), len(picture))
	}
	for n := range picture[10:] {
		near(t, "picture "+strconv.Itoa(10+n), picture[10+n]-sound[2*(10+n)], 0, 0.015)
	}
}

// TestALossCostsPicturesUntilAKeyframe checks that a hole is asked about, and that nothing is written that can't be
// decoded.
func TestALossCostsPicturesUntilAKeyframe(t *testing.T) {
	now := newClock()
	r := open(t, Options{Now: now.read})
	asked := make(chan string, 100)
	r.AskBy(func(name string) { asked <- name })
	r.Agree("ada", "Ada")
	s, pictures := newSender("ada"), clip(t, "320x180", 25)
	play(r, now, pictures, s)
	s.picture.SequenceNumber += 3
	play(r, now, pictures[1:], s)
	select {
	case name := <-asked:
		if name != "ada" {
			t.Errorf("asked %q", name)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("no keyframe was asked for")
	}
	play(r, now, pictures, s)
	r.Close()
	p := probe(t, r.Path())
	if at := p.times(t, 1); len(at) != 50 {
		t.Errorf("%d pictures", len(at))
	}
	if at := p.times(t, 0); len(at) != 148 {
		t.Errorf("%d packets of sound", len(at))
	}
}

// TestStrangeTimestampsStayInBounds checks that timestamps which leap make neither long nor negative times.
func TestStrangeTimestampsStayInBounds(t *testing.T) {
	now := newClock()
	r := open(t, Options{Now: now.read})
	r.Agree("eve", "Eve")
	s := newSender("eve")
	for range 500 {
		p := s.say()
		p.Timestamp = rand.Uint32()
		r.ReceiveRTP("eve", signalling.KindAudio, p, 0)
		if rand.IntN(10) == 0 {
			r.ReceiveClock("eve", signalling.KindAudio, rand.Uint32())
		}
		now.advance(20 * time.Millisecond)
	}
	r.Close()
	at := probe(t, r.Path()).times(t, 0)
	if len(at) != 500 || at[0] < 0 || at[499] > 11 {
		t.Errorf("%d blocks, from %v to %v s", len(at), at[0], at[len(at)-1])
	}
}

// disk is a file that fails, or answers late.
type disk struct {
	*os.File
	room  int
	stuck chan struct{} // closed when it goes on
}

func (d *disk) Write(b []byte) (int, error) {
	if d.stuck != nil {
		<-d.stuck
	}
	if d.room -= len(b); d.room < 0 {
		return 0, &os.PathError{Op: "write", Err: syscall.ENOSPC}
	}
	return d.File.Write(b)
}

// TestAFullDiskEndsTheRecordingAndKeepsIt checks what is told, and that what was written can be opened.
func TestAFullDiskEndsTheRecordingAndKeepsIt(t *testing.T) {
	now := newClock()
	trouble := make(chan fault.Code, 1)
	r := open(t, Options{Now: now.read, OnTrouble: func(c fault.Code) { trouble <- c }, Create: func(path string) (File, error) {
		f, err := os.Create(path)
		return &disk{File: f, room: frontSize + 60_000}, err
	}})
	r.Agree("ada", "Ada")
	s, pictures := newSender("ada"), clip(t, "640x360", 25)
	for range 100 {
		play(r, now, pictures, s)
	}
	if c := <-trouble; c != fault.DiskFull {
		t.Errorf("told %q", c)
	}
	r.Close()
	if p := probe(t, r.Path()); len(p.Streams) != 2 || len(p.Packets) < 20 {
		t.Errorf("%d tracks, %d blocks", len(p.Streams), len(p.Packets))
	}
}

// TestASlowDiskHoldsNothingUp checks that packets are dropped while a disk does not answer, which is told, and that it
// goes on afterwards.
func TestASlowDiskHoldsNothingUp(t *testing.T) {
	now := newClock()
	trouble := make(chan fault.Code, 1)
	stuck := make(chan struct{})
	d := &disk{room: 1 << 30}
	r := open(t, Options{Now: now.read, OnTrouble: func(c fault.Code) { trouble <- c }, Create: func(path string) (f File, err error) {
		d.File, err = os.Create(path)
		return d, err
	}})
	d.stuck = stuck // the goroutine that writes has nothing to do yet
	r.Agree("ada", "Ada")
	s, pictures := newSender("ada"), clip(t, "640x360", 25)
	began := time.Now()
	for range 400 {
		play(r, now, pictures, s)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("%v for packets of 400 s", took)
	}
	r.queue.mu.Lock()
	bytes := r.queue.bytes
	r.queue.mu.Unlock()
	if bytes > maxQueue {
		t.Errorf("%d bytes wait", bytes)
	}
	close(stuck)
	if c := <-trouble; c != fault.RecordingBehind {
		t.Errorf("told %q", c)
	}
	r.Close()
	probe(t, r.Path())
}

// TestAKilledRecordingCanBeOpened kills a process in the middle of a recording.
func TestAKilledRecordingCanBeOpened(t *testing.T) {
	if folder := os.Getenv("PORCH_TEST_RECORD"); folder != "" {
		r, err := Open(Options{Folder: folder})
		if err != nil {
			panic(err)
		}
		r.Agree("ada", "Ada")
		s, pictures := newSender("ada"), clip(t, "320x180", 25)
		for n := 0; ; n++ {
			r.ReceiveRTP("ada", signalling.KindAudio, s.say(), 0)
			if n%50 == 0 {
				r.Agree(strconv.Itoa(n), "Somebody with a name of some length")
				other := newSender(strconv.Itoa(n))
				r.ReceiveRTP(other.name, signalling.KindAudio, other.say(), 0)
			}
			if n%2 == 0 {
				for _, p := range s.show(pictures[n/2%25]) {
					r.ReceiveRTP("ada", signalling.KindVideo, p, 0)
				}
			}
			time.Sleep(2 * time.Millisecond) // ten times as fast as a call
		}
	}
	folder := t.TempDir()
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestAKilledRecordingCanBeOpened$")
	cmd.Env = append(os.Environ(), "PORCH_TEST_RECORD="+folder)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var path string
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		files, err := filepath.Glob(filepath.Join(folder, "*.mkv"))
		if err != nil || time.Now().After(deadline) {
			t.Fatal("nothing was recorded", err)
		}
		if len(files) == 1 {
			path = files[0]
			if info, err := os.Stat(path); err == nil && info.Size() > frontSize+100_000 {
				break
			}
		}
	}
	kill() // SIGKILL
	_ = cmd.Wait()
	p := probe(t, path)
	pictures := slices.ContainsFunc(p.Streams, func(s stream) bool { return s.Codec == "vp8" && s.Width == 320 })
	if len(p.Streams) < 4 || !pictures || len(p.Packets) < 100 {
		t.Errorf("%d tracks, %d blocks", len(p.Streams), len(p.Packets))
	}
	if p.Format.Duration == "" {
		t.Error("no length")
	}
}

// TestNothingIsOpenedInTheWay checks that a file of before is not touched, and that a folder that can't be made is told.
func TestNothingIsOpenedInTheWay(t *testing.T) {
	now := newClock()
	folder := t.TempDir()
	first := open(t, Options{Folder: folder, Now: now.read})
	second := open(t, Options{Folder: folder, Now: now.read})
	if first.Path() == second.Path() {
		t.Error("one file for two")
	}
	if _, err := Open(Options{Folder: filepath.Join(first.Path(), "folder")}); fault.CodeOf(err) != fault.RecordingFailed {
		t.Error(err)
	}
}
