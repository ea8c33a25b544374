//go:build cgo && linux && !porch_native

package capture

import (
	"context"
	"encoding/json"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/mediatest"
	"github.com/porch-call/porch/backend/media/pcm"
	"github.com/porch-call/porch/backend/signalling"
)

// pulse is a PulseAudio server for one test. Its default microphone hears what is played into its sink "room", like a
// loudspeaker and a microphone in one room.
type pulse struct {
	t      *testing.T
	socket string
	cmd    *exec.Cmd
}

// startPulse starts a server and makes this process's sound use it.
func startPulse(t *testing.T) *pulse {
	t.Helper()
	if _, err := exec.LookPath("pulseaudio"); err != nil {
		t.Skip("pulseaudio is not installed: real sound devices are not tested")
	}
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("XDG_RUNTIME_DIR", dir)
	t.Setenv("PULSE_RUNTIME_PATH", dir)
	t.Setenv("PULSE_SERVER", "unix:"+filepath.Join(dir, "pulse.socket"))
	p := &pulse{t: t, socket: filepath.Join(dir, "pulse.socket")}
	p.start()
	t.Cleanup(p.stop)
	return p
}

func (p *pulse) start() {
	p.t.Helper()
	p.cmd = exec.Command("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes",
		"-L", "module-native-protocol-unix auth-anonymous=1 socket="+p.socket,
		"-L", "module-null-sink sink_name=room rate=48000 channels=1",
		"-L", "module-null-sink sink_name=street rate=48000 channels=1")
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.await("the server", func() bool { _, err := p.ctl("set-default-source", "room.monitor"); return err == nil })
	if _, err := p.ctl("set-default-sink", "room"); err != nil {
		p.t.Fatal(err)
	}
}

// stop kills the server.
func (p *pulse) stop() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func (p *pulse) ctl(args ...string) ([]byte, error) {
	return exec.Command("pactl", append([]string{"--server=unix:" + p.socket}, args...)...).Output()
}

// await polls, because a sound server reports none of this.
func (p *pulse) await(what string, ok func() bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			p.t.Fatalf("waited in vain for %s", what)
		case <-ticker.C:
		}
	}
}

// play plays sound into a sink until the test ends.
func (p *pulse) play(sink string, pcm []int16) {
	p.t.Helper()
	cmd := exec.Command("pacat", "--server=unix:"+p.socket, "--device="+sink, "--rate=48000", "--channels=1", "--format=s16le", "--raw")
	raw := make([]byte, 0, 2*len(pcm))
	for _, s := range pcm {
		raw = append(raw, byte(s), byte(uint16(s)>>8))
	}
	cmd.Stdin = strings.NewReader(string(raw))
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// listen records what is played into the room, with a microphone of its own.
func (p *pulse) listen() *ear {
	p.t.Helper()
	e := &ear{changed: make(chan struct{})}
	dev, err := miniaudio{}.capture("", e.hear)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = dev.Close() })
	return e
}

func openReal(t *testing.T) *Engine {
	t.Helper()
	e, err := Open(Options{Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// babble returns sound that noise suppression takes for speech: a buzz of changing pitch and level, in syllables.
// Under the race detector it takes as long to make as to hear, so long sounds repeat it.
func babble(seconds float64, loudness float64, seed int) []int16 {
	pcm := make([]int16, int(seconds*codec.AudioClockRate))
	phase := 0.0
	for i := range pcm {
		at := float64(i)/codec.AudioClockRate + float64(seed)
		pitch := 130 + 40*math.Sin(2*math.Pi*0.7*at) + 25*math.Sin(2*math.Pi*2.3*at) + float64(seed%7)*17
		phase += 2 * math.Pi * pitch / codec.AudioClockRate
		syllable := math.Max(0, math.Sin(2*math.Pi*3.1*at)) * (0.6 + 0.4*math.Sin(2*math.Pi*0.9*at))
		sum := 0.0
		for h := 1; h <= 14; h++ {
			formant := math.Exp(-math.Pow((float64(h)*pitch-(500+250*math.Sin(2*math.Pi*1.3*at)))/400, 2)) +
				0.5*math.Exp(-math.Pow((float64(h)*pitch-(1500+400*math.Sin(2*math.Pi*0.8*at)))/500, 2))
			sum += formant * math.Sin(float64(h)*phase)
		}
		pcm[i] = int16(math.MaxInt16 * loudness * syllable * math.Tanh(sum/2))
	}
	return pcm
}

func TestPulseDevices(t *testing.T) {
	startPulse(t)
	d, err := openReal(t).Devices(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Speakers) != 2 || len(d.Microphones) != 2 {
		b, _ := json.Marshal(d)
		t.Fatalf("%s", b)
	}
	for _, list := range [][]Device{d.Speakers, d.Microphones} {
		defaults := 0
		for _, device := range list {
			defaults += one(device.Default)
			if device.ID == "" || device.Name == "" {
				t.Errorf("%+v", device)
			}
		}
		if defaults != 1 {
			t.Errorf("%d defaults in %+v", defaults, list)
		}
	}
}

func TestPulseMicrophoneIsHeard(t *testing.T) {
	p := startPulse(t)
	sink := newRecorder()
	s := begin(t, openReal(t), Setup{CameraOff: true}, sink)
	sink.until(t, "sound", func() bool { return len(sink.packets[signalling.KindAudio]) >= 5 })
	p.play("room", slices.Repeat(babble(4, 0.5, 1), 5))
	// Loud packets mean that a voice is heard.
	loud := 0
	sink.until(t, "speech", func() bool {
		packets := sink.packets[signalling.KindAudio]
		loud += one(levelOf(t, packets[len(packets)-1]) < 40)
		return loud >= 20
	})
	_ = s.Close()
}

func TestPulseSpeakerPlaysWhatIsReceived(t *testing.T) {
	p := startPulse(t)
	sink := newRecorder()
	far := newRecorder()
	e := openReal(t)
	synthetic := openSynthetic(t)

	listener := begin(t, e, Setup{CameraOff: true, Muted: true, Choice: Choice{}}, sink)
	heard := p.listen()
	source := begin(t, synthetic, Setup{CameraOff: true}, relaySink{far, func(pkt *rtp.Packet) {
		listener.ReceiveRTP("guest", signalling.KindAudio, pkt, 0)
	}})
	defer func() { _ = source.Close() }()
	heard.until(t, "the tone", func(sound []int16) bool {
		if len(sound) < codec.AudioClockRate {
			return false
		}
		last := sound[len(sound)-codec.AudioClockRate/2:]
		return pcm.Power(last) > 500*500 && math.Abs(mediatest.Frequency(last)-toneFrequency) < 10
	})
}

func TestPulseServerRestart(t *testing.T) {
	p := startPulse(t)
	sink := newRecorder()
	s := begin(t, openReal(t), Setup{CameraOff: true}, sink)
	sink.until(t, "sound", func() bool { return len(sink.packets[signalling.KindAudio]) >= 5 })
	p.stop()
	sink.until(t, "the faults", func() bool {
		return hasFault(sink, fault.MicrophoneLost) && hasFault(sink, fault.SpeakerLost)
	})
	sink.mu.Lock()
	before := len(sink.packets[signalling.KindAudio])
	sink.mu.Unlock()
	p.start()
	sink.until(t, "sound again", func() bool { return len(sink.packets[signalling.KindAudio]) >= before+10 })
	_ = s.Close()
}

func TestPulseSwitchMicrophone(t *testing.T) {
	p := startPulse(t)
	e := openReal(t)
	d, err := e.Devices(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var street string
	for _, m := range d.Microphones {
		if !m.Default {
			street = m.ID
		}
	}
	sink := newRecorder()
	s := begin(t, e, Setup{CameraOff: true}, sink)
	p.play("street", slices.Repeat(babble(4, 0.5, 2), 15))
	sink.until(t, "quiet sound", func() bool { return len(sink.packets[signalling.KindAudio]) >= 25 })
	s.Switch(Choice{Microphone: street})
	loud := 0
	sink.until(t, "the street", func() bool {
		packets := sink.packets[signalling.KindAudio]
		loud += one(levelOf(t, packets[len(packets)-1]) < 40)
		return loud >= 20
	})
	_ = s.Close()
}

func TestNoSoundServer(t *testing.T) {
	if _, err := os.Stat("/dev/snd"); err == nil {
		t.Skip("this machine has sound cards that would be found without PulseAudio")
	}
	t.Setenv("PULSE_SERVER", "unix:"+filepath.Join(t.TempDir(), "nobody"))
	sink := newRecorder()
	s := begin(t, openReal(t), Setup{CameraOff: true}, sink)
	sink.until(t, "the faults", func() bool {
		return hasFault(sink, fault.MicrophoneMissing) && hasFault(sink, fault.SpeakerMissing)
	})
	_ = s.Close()
}
