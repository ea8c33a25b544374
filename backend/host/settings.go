package host

import (
	"context"
	"fmt"

	"github.com/porch-call/porch/backend/capture"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

// Keys in the settings of the store.
const (
	keyName       = "host-name"
	keySettings   = "settings"
	keyBackground = "said-background"
)

func defaultSettings() Settings {
	return Settings{Engine: EngineAuto, Theme: "system", BellSound: true, Notifications: true}
}

func (h *Host) loadSettings() error {
	h.me.Name = systemName()
	if _, err := h.keeper.Setting(keyName, &h.me.Name); err != nil {
		return fmt.Errorf("load the host's name: %w", err)
	}
	h.settings = defaultSettings()
	if _, err := h.keeper.Setting(keySettings, &h.settings); err != nil {
		return fmt.Errorf("load settings: %w", err)
	}
	if err := h.settings.validate(); err != nil { // written by another version
		h.settings = defaultSettings()
	}
	return nil
}

// maxDeviceID bounds the device ids of settings, in bytes.
const maxDeviceID = 512

func (s Settings) validate() error {
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
	if len(s.Camera) > maxDeviceID || len(s.Microphone) > maxDeviceID || len(s.Speaker) > maxDeviceID {
		return fault.Newf(fault.MessageInvalid, "device id too long")
	}
	return nil
}

// choice is the devices of the native engine.
func (s Settings) choice() capture.Choice {
	return capture.Choice{Camera: s.Camera, Microphone: s.Microphone, Speaker: s.Speaker}
}

// SetName sets the name that guests see. Fault: NameInvalid.
func (h *Host) SetName(ctx context.Context, name string) error {
	name = signalling.CleanName(name)
	if err := (signalling.Knock{Name: name}).Validate(); err != nil {
		return err
	}
	return h.do(ctx, func() error {
		if err := h.keeper.PutSetting(keyName, name); err != nil {
			return err
		}
		h.me.Name = name
		h.touch()
		return nil
	})
}

// SetSettings replaces the settings. Devices are switched at once; another
// engine is used from the next call on. Fault: MessageInvalid.
func (h *Host) SetSettings(ctx context.Context, s Settings) error {
	if err := s.validate(); err != nil {
		return err
	}
	return h.do(ctx, func() error {
		if err := h.keeper.PutSetting(keySettings, s); err != nil {
			return err
		}
		switched := s.choice() != h.settings.choice()
		h.settings = s
		if switched {
			for _, r := range h.rooms {
				if p := r.presence; p != nil && p.capture != nil {
					p.capture.Switch(s.choice())
				}
			}
		}
		h.touch()
		return nil
	})
}

// Devices lists the native engine's devices. Fault: EngineUnavailable.
func (h *Host) Devices(ctx context.Context) (DevicesView, error) {
	d, err := h.capture.Devices(ctx)
	if err != nil {
		return DevicesView{}, err
	}
	view := func(d capture.Device) DeviceView { return DeviceView(d) }
	return DevicesView{
		Cameras:     convert(d.Cameras, view),
		Microphones: convert(d.Microphones, view),
		Speakers:    convert(d.Speakers, view),
	}, nil
}

// WindowHidden says that the host closed the window while links are open, so
// that the app went into the background. The first time ever, a notice says so.
func (h *Host) WindowHidden(ctx context.Context) error {
	return h.do(ctx, func() error {
		var said bool
		if _, err := h.keeper.Setting(keyBackground, &said); err != nil || said {
			return err
		}
		h.say(NoticeBackground)
		return h.keeper.PutSetting(keyBackground, true)
	})
}

// say shows a notice, instead of the one before.
func (h *Host) say(code string) {
	h.notices++
	h.notice = &Notice{ID: h.notices, Code: code, Message: noticeSentence(code)}
	h.touch()
}

func noticeSentence(code string) string {
	switch code {
	case NoticeBackground:
		return "Porch keeps answering your links in the background. Open it again to see who knocks, or remove the links to stop."
	case NoticeNotifications:
		return "Your system doesn't let Porch notify you. Allow it in the system's settings, or keep this window in sight."
	case NoticeDamaged:
		return "Some of your links can't be read, so they don't open and are not shown. Create new ones in their place."
	case NoticePort:
		return "Another program uses Porch's port, so links that you shared before don't open. Close that program and start Porch again."
	default:
		return fault.Sentence(fault.Code(code))
	}
}

// DismissNotice takes a notice away once it was seen. An older id changes
// nothing.
func (h *Host) DismissNotice(ctx context.Context, id uint64) error {
	return h.do(ctx, func() error {
		if h.notice != nil && h.notice.ID == id {
			h.notice = nil
			h.touch()
		}
		return nil
	})
}

// CannotNotify says that the system shows no notifications.
func (h *Host) CannotNotify(ctx context.Context) {
	_ = h.do(ctx, func() error {
		h.say(NoticeNotifications)
		return nil
	})
}
