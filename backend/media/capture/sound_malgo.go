//go:build cgo && (linux || porch_native)

package capture

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"unsafe"

	"github.com/gen2brain/malgo"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/codec"
)

// miniaudio is the audioSystem of the real devices. Every device has a context of its own, because a context does not
// survive the restart of a PulseAudio server, and one that hangs must not block another.
type miniaudio struct{}

// soundPeriods is how many periods of 10 ms are buffered between us and the device.
const soundPeriods = 3

// backends leaves out miniaudio's null backend, because that would hide that there are no devices.
func backends() []malgo.Backend {
	switch runtime.GOOS {
	case "windows":
		return []malgo.Backend{malgo.BackendWasapi}
	case "darwin":
		return []malgo.Backend{malgo.BackendCoreaudio}
	}
	found := []malgo.Backend{malgo.BackendPulseaudio}
	// Without a sound card ALSA still lists devices, and complains about each on standard error.
	if _, err := os.Stat("/dev/snd"); err == nil {
		found = append(found, malgo.BackendAlsa)
	}
	return found
}

func openContext() (*malgo.AllocatedContext, error) {
	sound, err := malgo.InitContext(backends(), malgo.ContextConfig{}, nil)
	if err != nil {
		return nil, fmt.Errorf("open sound system: %w", err)
	}
	return sound, nil
}

func closeContext(sound *malgo.AllocatedContext) {
	_ = sound.Uninit() // nothing can be done about an error
	sound.Free()
}

func (miniaudio) devices() (microphones, speakers []Device, err error) {
	sound, err := openContext()
	if err != nil {
		return nil, nil, err
	}
	defer closeContext(sound)
	if microphones, err = listSound(sound, malgo.Capture); err != nil {
		return nil, nil, err
	}
	speakers, err = listSound(sound, malgo.Playback)
	return microphones, speakers, err
}

func listSound(sound *malgo.AllocatedContext, kind malgo.DeviceType) ([]Device, error) {
	infos, err := sound.Devices(kind)
	if err != nil {
		return nil, fmt.Errorf("list sound devices: %w", err)
	}
	list := make([]Device, 0, len(infos))
	for _, info := range infos {
		list = append(list, Device{ID: info.ID.String(), Name: info.Name(), Default: info.IsDefault != 0})
	}
	return list, nil
}

func (miniaudio) capture(id string, take func(pcm []int16)) (audioDevice, error) {
	return openSound(malgo.Capture, id, func(_, in []byte, _ uint32) { take(samples(in)) })
}

func (miniaudio) playback(id string, fill func(pcm []int16)) (audioDevice, error) {
	return openSound(malgo.Playback, id, func(out, _ []byte, _ uint32) { fill(samples(out)) })
}

// samples returns a driver's buffer, which miniaudio aligns, as 16-bit samples.
func samples(b []byte) []int16 {
	return unsafe.Slice((*int16)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/2)
}

// soundDevice is a running miniaudio device.
type soundDevice struct {
	sound  *malgo.AllocatedContext
	device *malgo.Device
	halted chan struct{}
	close  sync.Once
}

func openSound(kind malgo.DeviceType, id string, data malgo.DataProc) (_ audioDevice, err error) {
	missing, refused := fault.MicrophoneMissing, fault.MicrophoneRefused
	if kind == malgo.Playback {
		missing, refused = fault.SpeakerMissing, fault.SpeakerMissing // no system refuses access to a speaker
	}
	sound, err := openContext()
	if err != nil {
		return nil, fault.New(missing, err)
	}
	defer func() {
		if err != nil {
			closeContext(sound)
		}
	}()
	infos, err := sound.Devices(kind)
	if err != nil || len(infos) == 0 {
		return nil, fault.New(missing, err)
	}

	config := malgo.DefaultDeviceConfig(kind)
	config.SampleRate = codec.AudioClockRate
	config.PeriodSizeInFrames = blockSize
	config.Periods = soundPeriods
	config.PerformanceProfile = malgo.LowLatency
	half := &config.Capture
	if kind == malgo.Playback {
		half = &config.Playback
	}
	half.Format, half.Channels = malgo.FormatS16, 1
	var pinner runtime.Pinner
	defer pinner.Unpin()
	for i := range infos {
		if id != "" && infos[i].ID.String() == id {
			pinner.Pin(&infos[i].ID)
			half.DeviceID = unsafe.Pointer(&infos[i].ID)
		}
	}

	d := &soundDevice{sound: sound, halted: make(chan struct{})}
	var once sync.Once
	d.device, err = malgo.InitDevice(sound.Context, config, malgo.DeviceCallbacks{
		Data: data,
		Stop: func() { once.Do(func() { close(d.halted) }) },
	})
	if err != nil {
		return nil, soundFault(err, missing, refused)
	}
	if err = d.device.Start(); err != nil {
		d.device.Uninit()
		return nil, soundFault(err, missing, refused)
	}
	return d, nil
}

func soundFault(err error, missing, refused fault.Code) error {
	switch {
	case errors.Is(err, malgo.ErrAccessDenied):
		return fault.New(refused, err)
	case errors.Is(err, malgo.ErrNoDevice), errors.Is(err, malgo.ErrDoesNotExist):
		return fault.New(missing, err)
	}
	return err
}

func (d *soundDevice) stopped() <-chan struct{} { return d.halted }

// Close implements audioDevice.
func (d *soundDevice) Close() error {
	d.close.Do(func() {
		// Stop wakes the driver's thread. Uninit alone would wait for data that a dead sound server never sends.
		_ = d.device.Stop() // fails if the device has stopped by itself
		d.device.Uninit()
		closeContext(d.sound)
	})
	return nil
}
