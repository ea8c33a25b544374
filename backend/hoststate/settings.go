package hoststate

import (
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

// DefaultSettings are the settings until the host changes them.
func DefaultSettings() Settings {
	return Settings{Engine: EngineAuto, Theme: "system", BellSound: true, Notifications: true, KeepAwake: true, SeatsMove: true}
}

// maxDeviceID bounds the device ids of settings, in bytes.
const maxDeviceID = 512

// maxLanguage bounds the name of a language, in bytes. The window speaks another
// language if it does not know this one.
const maxLanguage = 35

// maxShareText is the longest text that goes with an address, in bytes.
const maxShareText = 4000

// Validate refuses settings that no window offers. Fault: MessageInvalid.
func (s Settings) Validate() error {
	switch s.Engine {
	case EngineAuto, EngineWebview, EngineNative:
	default:
		return fault.Newf(fault.MessageInvalid, "engine %q", s.Engine)
	}
	switch s.Theme {
	case "system", "light", "dark":
	default:
		return fault.Newf(fault.MessageInvalid, "theme %q", s.Theme)
	}
	switch s.Sound {
	case "", "noise", "gain", "noise gain", "music":
	default:
		return fault.Newf(fault.MessageInvalid, "sound of unknown words")
	}
	switch s.Effect {
	case "", "warm", "cool", "mono", "bright",
		"blur", "plain", "hills", "sea", "books", "hat", "glasses", "cat":
	default:
		return fault.Newf(fault.MessageInvalid, "unknown effect")
	}
	if len(s.Camera) > maxDeviceID || len(s.Microphone) > maxDeviceID || len(s.Speaker) > maxDeviceID {
		return fault.Newf(fault.MessageInvalid, "device id too long")
	}
	if len(s.Language) > maxLanguage {
		return fault.Newf(fault.MessageInvalid, "language of %d bytes", len(s.Language))
	}
	if len(s.ShareText) > maxShareText || signalling.CleanText(s.ShareText) != s.ShareText {
		return fault.Newf(fault.MessageInvalid, "share text of %d bytes", len(s.ShareText))
	}
	return nil
}
