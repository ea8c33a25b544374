//go:build !cgo || (!linux && !porch_native)

package capture

import (
	"context"
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

// Available reports whether this build has the native engine.
func Available() bool { return false }

// Engine is the native media engine, which this build does not have.
type Engine struct{}

// Open returns an engine. It never fails because of a device.
func Open(Options) (*Engine, error) {
	return &Engine{}, nil
}

// Close ends the engine's sessions and releases its devices.
func (*Engine) Close() error { return nil }

// Devices returns fault.EngineUnavailable.
func (*Engine) Devices(context.Context) (Devices, error) {
	return Devices{}, fault.New(fault.EngineUnavailable, nil)
}

// Screens returns fault.ScreenMissing.
func (*Engine) Screens(context.Context) ([]Screen, error) {
	return nil, fault.New(fault.ScreenMissing, nil)
}

// Start returns fault.EngineUnavailable.
func (*Engine) Start(context.Context, Setup, Sink) (*Session, error) {
	return nil, fault.New(fault.EngineUnavailable, nil)
}

// Session is one call's capture and playback.
type Session struct{}

// SetMuted stops and resumes the sending of audio.
func (*Session) SetMuted(bool) {}

// SetCameraOff closes the camera and stops the encoder, or opens the camera again.
func (*Session) SetCameraOff(bool) {}

// SetUnseen says whether the host's picture is seen neither in the call nor in the window.
func (*Session) SetUnseen(bool) {}

// AssumeLoss says which share of the host's sound receivers are assumed to lose.
func (*Session) AssumeLoss(float64) {}

// Limit says what others can have of the host's picture.
func (*Session) Limit(int, int) {}

// ForceKeyframe makes the next picture a keyframe.
func (*Session) ForceKeyframe() {}

// ShareScreen returns fault.ScreenMissing.
func (*Session) ShareScreen(string, func()) error { return fault.New(fault.ScreenMissing, nil) }

// StopScreen ends ShareScreen.
func (*Session) StopScreen() {}

// Presenting reports whether a screen is shared.
func (*Session) Presenting() bool { return false }

// LimitScreen says whether others look at the shared screen.
func (*Session) LimitScreen(bool, int) {}

// ForceScreenKeyframe makes a keyframe of the shared screen.
func (*Session) ForceScreenKeyframe() {}

// Switch changes to other devices.
func (*Session) Switch(Choice) {}

// ReceiveRTP takes a packet of another participant.
func (*Session) ReceiveRTP(string, signalling.Kind, *rtp.Packet, time.Duration) {}

// Close ends the session.
func (*Session) Close() error { return nil }
