package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/media/capture"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/signalling"
	"github.com/porch-call/porch/backend/studio"
)

// soon is the time within which a guest must learn that the host can't be heard
// or seen.
const soon = time.Second

// sees waits until the guest is told that the host is muted, or has the camera
// off.
func (v *visitor) sees(muted, cameraOff bool) {
	v.f.t.Helper()
	for {
		p := expect[signalling.Joined](v).Participant
		if p.ID == codec.HostID && p.Muted == muted && p.CameraOff == cameraOff {
			return
		}
	}
}

// host returns the host's entry in the roster.
func (v *visitor) host() signalling.Participant {
	for _, p := range v.roster.Participants {
		if p.ID == codec.HostID {
			return p
		}
	}
	return signalling.Participant{}
}

func nativeOnly(t *testing.T) {
	t.Helper()
	if !capture.Available() {
		t.Skip("this build has no native engine")
	}
}

// seize ends the capture of the host in a link's call, and returns its window
// sink. From then on the test says how the devices are.
func (f *fixture) seize(l hoststate.LinkView) *studio.WindowSink {
	f.t.Helper()
	var (
		sink  *studio.WindowSink
		ended *capture.Session
	)
	for ended == nil { // capture starts in the background
		f.must(f.host.doLink(f.ctx, l.ID, func(o *openLink) error {
			if s := o.hostSeat; s != nil {
				sink, ended = s.windowSink, s.capture
			}
			return nil
		}))
	}
	f.must(ended.Close())
	return sink
}

// TestGuestsSeeWhatTheHostsDevicesGive checks that guests are told the true state
// of the host's devices, not what was asked for.
func TestGuestsSeeWhatTheHostsDevicesGive(t *testing.T) {
	nativeOnly(t)
	f := start(t, setup{})
	l := f.link()
	w := f.window(l, hoststate.EngineNative)
	ada := f.enter(l, "Ada")
	if h := ada.host(); h.Muted || h.CameraOff {
		t.Fatalf("%+v", h)
	}
	sink := f.seize(l)
	state := func(codes ...fault.Code) {
		s := capture.State{Faults: codes}
		for _, code := range codes {
			s.NoCamera = s.NoCamera || strings.HasPrefix(string(code), "camera")
			s.NoMicrophone = s.NoMicrophone || strings.HasPrefix(string(code), "microphone")
		}
		sink.State(s)
	}
	for _, c := range []struct {
		lost             []fault.Code
		muted, cameraOff bool
	}{
		{[]fault.Code{fault.CameraLost}, false, true},
		{[]fault.Code{fault.CameraBusy, fault.MicrophoneLost}, true, true},
		{[]fault.Code{fault.MicrophoneRefused}, true, false},
		{nil, false, false},
		{[]fault.Code{fault.CameraMissing, fault.SpeakerLost}, false, true},
		{[]fault.Code{fault.SpeakerLost}, false, false},
	} {
		begin := time.Now()
		state(c.lost...)
		ada.sees(c.muted, c.cameraOff)
		if took := time.Since(begin); took > soon {
			t.Errorf("%q: told after %v", c.lost, took)
		}
	}
	if p := f.host.Snapshot().Settings; p.Camera != "" || p.Microphone != "" {
		t.Errorf("the choice has changed: %+v", p)
	}

	// A switch that the host makes in the meantime counts once the device is
	// back.
	state(fault.CameraLost, fault.MicrophoneLost)
	ada.sees(true, true)
	w.send(signalling.MediaState{Muted: true})
	w.send(signalling.MediaState{Muted: true, CameraOff: true})
	w.send(signalling.MediaState{Muted: true})
	w.send(signalling.Say{Text: "handled after those"})
	expect[signalling.Chat](ada)
	state()
	ada.sees(true, false)
	w.send(signalling.MediaState{})
	ada.sees(false, false)

	// Without a window there are no devices. A new window brings them back.
	_ = w.ws.CloseNow()
	ada.sees(true, true)
	sink.State(capture.State{}) // of a session that is ending
	again := f.window(l, hoststate.EngineNative)
	again.message("source")
	ada.sees(false, false)
	sink.State(capture.State{NoCamera: true}) // and then reports something else
	ada.send(signalling.Say{Text: "still here"})
	for {
		m, err := ada.next()
		f.must(err)
		if _, ok := m.(signalling.Chat); ok {
			break
		}
		if j, ok := m.(signalling.Joined); ok && j.Participant.CameraOff {
			t.Fatalf("an old session is believed: %+v", j)
		}
	}
}

// TestDevicesOfThisMachine lets the engine look for real devices where there are
// none, and then adds a microphone.
func TestDevicesOfThisMachine(t *testing.T) {
	nativeOnly(t)
	if _, err := exec.LookPath("pulseaudio"); err != nil {
		t.Skip("pulseaudio is not installed: real sound devices are not tested")
	}
	for _, there := range []string{"/dev/snd", "/dev/video0"} {
		if _, err := os.Stat(there); err == nil {
			t.Skipf("this machine has %s", there)
		}
	}
	dir := t.TempDir()
	for _, name := range []string{"HOME", "XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH"} {
		t.Setenv(name, dir)
	}
	socket := filepath.Join(dir, "pulse.socket")
	t.Setenv("PULSE_SERVER", "unix:"+socket)

	f := start(t, setup{devices: true})
	l := f.link()
	w := f.window(l, hoststate.EngineNative)
	devices := w.message("devices")
	for !strings.Contains(devices, string(fault.CameraMissing)) || !strings.Contains(devices, string(fault.MicrophoneMissing)) {
		devices = w.message("devices") // the window shows a sentence for it
	}
	ada := f.enter(l, "Ada")
	if h := ada.host(); !h.Muted || !h.CameraOff {
		ada.sees(true, true)
	}

	cmd := exec.Command("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes",
		"-L", "module-native-protocol-unix auth-anonymous=1 socket="+socket,
		"-L", "module-null-sink sink_name=room rate=48000 channels=1")
	f.must(cmd.Start())
	stop := func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	defer stop()
	ada.sees(false, true) // without further action
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for f.host.Stats().ReceivedPackets < 100 { // two seconds of sound, so that the buffer has settled
		select {
		case <-ticker.C:
		case <-f.ctx.Done():
			t.Fatal("no sound")
		}
	}
	begin := time.Now()
	stop()
	ada.sees(true, true)
	t.Logf("told %v after the sound server died", time.Since(begin))
	if took := time.Since(begin); took > soon {
		t.Errorf("told after %v", took)
	}
}
