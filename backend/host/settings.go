package host

import (
	"context"
	"fmt"

	"github.com/porch-call/porch/backend/host/ownname"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/media/capture"
	"github.com/porch-call/porch/backend/signalling"
)

// Keys in the store's settings.
const (
	keyName       = "host-name"
	keySettings   = "settings"
	keyBackground = "said-background"
	keyIdentity   = "host-identity"
)

func (h *Host) loadSettings() error {
	h.me.Name = ownname.OfSystem()
	if _, err := h.keeper.Setting(keyName, &h.me.Name); err != nil {
		return fmt.Errorf("load the host's name: %w", err)
	}
	h.shape = signalling.ShapeOf(h.me.Name)
	if err := h.loadIdentity(); err != nil {
		return err
	}
	h.settings = hoststate.DefaultSettings()
	if _, err := h.keeper.Setting(keySettings, &h.settings); err != nil {
		return fmt.Errorf("load settings: %w", err)
	}
	if err := h.settings.Validate(); err != nil { // another version may have written them
		h.settings = hoststate.DefaultSettings()
	}
	return nil
}

// devicesOf returns the devices that the host chose for the native engine.
func devicesOf(s hoststate.Settings) capture.Choice {
	return capture.Choice{Camera: s.Camera, Microphone: s.Microphone, Speaker: s.Speaker, Sound: s.Sound, Effect: s.Effect}
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
		h.me.Name, h.shape = name, signalling.ShapeOf(name)
		h.touch()
		return nil
	})
}

// SetSettings replaces the settings. Devices are switched at once. A change of
// engine takes effect in the next call. Fault: MessageInvalid.
func (h *Host) SetSettings(ctx context.Context, s hoststate.Settings) error {
	if err := s.Validate(); err != nil {
		return err
	}
	return h.do(ctx, func() error {
		if err := h.keeper.PutSetting(keySettings, s); err != nil {
			return err
		}
		switched := devicesOf(s) != devicesOf(h.settings)
		h.settings = s
		if switched {
			for _, o := range h.openLinks {
				if seat := o.hostSeat; seat != nil && seat.capture != nil {
					seat.capture.Switch(devicesOf(s))
				}
			}
		}
		h.touch()
		return nil
	})
}

// Devices lists the native engine's devices. Fault: EngineUnavailable.
func (h *Host) Devices(ctx context.Context) (hoststate.DevicesView, error) {
	d, err := h.capture.Devices(ctx)
	if err != nil {
		return hoststate.DevicesView{}, err
	}
	view := func(d capture.Device) hoststate.DeviceView { return hoststate.DeviceView(d) }
	return hoststate.DevicesView{
		Cameras:     convert(d.Cameras, view),
		Microphones: convert(d.Microphones, view),
		Speakers:    convert(d.Speakers, view),
	}, nil
}

// WindowHidden says that the host closed the window while links are open, so
// the app now runs in the background. The first time ever, a notice says so.
func (h *Host) WindowHidden(ctx context.Context) error {
	return h.do(ctx, func() error {
		var said bool
		if _, err := h.keeper.Setting(keyBackground, &said); err != nil || said {
			return err
		}
		h.say(hoststate.NoticeBackground)
		return h.keeper.PutSetting(keyBackground, true)
	})
}

// say shows a notice in place of the earlier one.
func (h *Host) say(code string) {
	h.notices++
	h.notice = &hoststate.Notice{ID: h.notices, Code: code, Message: hoststate.NoticeSentence(code)}
	h.touch()
}

// DismissNotice removes a notice that the host has seen. It ignores an older
// id.
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
		h.say(hoststate.NoticeNotifications)
		return nil
	})
}
