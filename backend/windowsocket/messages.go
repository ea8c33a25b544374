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

// decodeWindow reads a message from the window: one that guests send, or enter, taken or keyframeWanted. Its faults
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
