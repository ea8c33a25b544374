package windowsocket

import (
	"encoding/json"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

// enter is a window's first message.
type enter struct {
	Token string `json:"token"`
}

// taken says how many binary frames of an index the window has handled.
type taken struct {
	Index  uint16 `json:"index"`
	Frames uint64 `json:"frames"`
}

// KeyframeWanted is a message from the window. It asks for a keyframe of this participant.
type KeyframeWanted struct {
	Participant string `json:"participant"`
}

// ScreensWanted is a message from the window. It asks for [Screens].
type ScreensWanted struct{}

// ShareScreen is a message from the window. The native engine is to open a screen, or to close it if ID is "". The answer is
// [OwnScreen]. Whether the call is shown it is up to [signalling.Sharing].
type ShareScreen struct {
	ID string `json:"id"`
}

// maxScreenID is the most bytes that a screen's id has.
const maxScreenID = 256

// Screens is a message to the window with the screens that the native engine can share.
type Screens struct {
	Screens []Screen `json:"screens"` // not nil
	Fault   string   `json:"fault"`   // why there are none
}

// Screen is one of them.
type Screen struct {
	ID     string `json:"id"`
	Name   string `json:"name"` // as the system calls it; may be ""
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

// OwnScreen is a message to the window that says whether the native engine has a screen open. It also comes when that has
// ended by itself.
type OwnScreen struct {
	Open  bool   `json:"open"`
	Fault string `json:"fault"` // why it could not be opened
}

// source gives an index to a participant's frames.
type source struct {
	Index       uint16 `json:"index"`
	Participant string `json:"participant"`
}

// Devices is a message to the window with the state of the native engine's devices.
type Devices struct {
	Level  int      `json:"level"`  // of the microphone, in percent of the meter; 0 while muted
	Faults []string `json:"faults"` // of the devices that can't be used now; not nil
}

// Type implements [signalling.Message].
func (enter) Type() signalling.Type { return "enter" }

// Type implements [signalling.Message].
func (taken) Type() signalling.Type { return "taken" }

// Type implements [signalling.Message].
func (KeyframeWanted) Type() signalling.Type { return "keyframeWanted" }

// Type implements [signalling.Message].
func (source) Type() signalling.Type { return "source" }

// Type implements [signalling.Message].
func (Devices) Type() signalling.Type { return "devices" }

// Type implements [signalling.Message].
func (ScreensWanted) Type() signalling.Type { return "screensWanted" }

// Type implements [signalling.Message].
func (ShareScreen) Type() signalling.Type { return "shareScreen" }

// Type implements [signalling.Message].
func (Screens) Type() signalling.Type { return "screens" }

// Type implements [signalling.Message].
func (OwnScreen) Type() signalling.Type { return "ownScreen" }

// Validate implements [signalling.Message].
func (ScreensWanted) Validate() error { return nil }

// Validate implements [signalling.Message].
func (m ShareScreen) Validate() error {
	if len(m.ID) > maxScreenID {
		return fault.Newf(fault.MessageInvalid, "screen's id of %d bytes", len(m.ID))
	}
	return nil
}

// Validate implements [signalling.Message].
func (m Screens) Validate() error {
	if m.Screens == nil {
		return fault.Newf(fault.MessageInvalid, "screens: nil")
	}
	return nil
}

// Validate implements [signalling.Message].
func (OwnScreen) Validate() error { return nil }

// Validate implements [signalling.Message].
func (m Devices) Validate() error {
	if m.Level < 0 || m.Level > 100 || m.Faults == nil {
		return fault.Newf(fault.MessageInvalid, "devices: level %d", m.Level)
	}
	return nil
}

// Validate implements [signalling.Message].
func (m enter) Validate() error {
	if m.Token == "" {
		return fault.Newf(fault.MessageInvalid, "enter: no token")
	}
	return nil
}

// Validate implements [signalling.Message]. Conn checks the numbers, because their range depends on the frames that
// were sent.
func (taken) Validate() error { return nil }

// Validate implements [signalling.Message].
func (m KeyframeWanted) Validate() error { return checkParticipant(m.Participant) }

// Validate implements [signalling.Message].
func (m source) Validate() error { return checkParticipant(m.Participant) }

func checkParticipant(id string) error {
	if id == "" || len(id) > signalling.MaxID {
		return fault.Newf(fault.MessageInvalid, "participant's id of %d bytes", len(id))
	}
	return nil
}

// decodeWindow reads a message from the window: one that guests send, or enter, taken, keyframeWanted, screensWanted, shareScreen or saveFile. Its faults
// are those of [signalling.DecodeFromGuest].
func decodeWindow(b []byte) (signalling.Message, error) {
	m, err := signalling.DecodeFromGuest(b, signalling.MaxFrame)
	if fault.CodeOf(err) != fault.MessageUnknown {
		return m, err
	}
	// The form is already checked: one object, and no key twice.
	var envelope struct {
		Type    signalling.Type `json:"type"`
		Payload json.RawMessage `json:"payload"`
	}
	if err := json.Unmarshal(b, &envelope); err != nil {
		return nil, fault.New(fault.MessageMalformed, err)
	}
	switch envelope.Type {
	case enter{}.Type():
		return decodeAs[enter](envelope.Payload)
	case taken{}.Type():
		return decodeAs[taken](envelope.Payload)
	case KeyframeWanted{}.Type():
		return decodeAs[KeyframeWanted](envelope.Payload)
	case ScreensWanted{}.Type():
		return decodeAs[ScreensWanted](envelope.Payload)
	case ShareScreen{}.Type():
		return decodeAs[ShareScreen](envelope.Payload)
	case SaveFile{}.Type():
		return decodeAs[SaveFile](envelope.Payload)
	}
	return nil, err
}

func decodeAs[M signalling.Message](payload []byte) (signalling.Message, error) {
	var m M
	if len(payload) == 0 || payload[0] != '{' {
		return nil, fault.Newf(fault.MessageMalformed, "%s: payload is not an object", m.Type())
	}
	if err := json.Unmarshal(payload, &m); err != nil {
		return nil, fault.Newf(fault.MessageMalformed, "%s: %w", m.Type(), err)
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return m, nil
}
