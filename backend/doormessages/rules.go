package doormessages

import (
	"bytes"
	"time"

	"github.com/porch-call/porch/backend/fault"
)

// Limits of messages.
const (
	MaxSize    = 20 << 20  // bytes of one
	MaxTotal   = 200 << 20 // bytes of all
	MaxPerLink = 20
	MaxSeconds = 60
	MaxAtOnce  = 4                   // that arrive at the same time
	idle       = 15 * time.Second    // without a part, after which one gives way to another
	KeptFor    = 30 * 24 * time.Hour // unless the host keeps it
)

// Kind is what a message consists of.
type Kind string

// The kinds.
const (
	Sound Kind = "sound"
	Video Kind = "video"
	Note  Kind = "note" // UTF-8 text
)

// Message is what is known of a message without opening it.
type Message struct {
	ID      string    `json:"-"` // unguessable
	Link    string    `json:"link"`
	Device  string    `json:"device"` // the browser that left it
	Name    string    `json:"name"`   // as the guest gave it
	Kind    Kind      `json:"kind"`
	Seconds int       `json:"seconds"` // as the guest says; 0 for a note
	At      time.Time `json:"at"`
	Size    int64     `json:"size"`
	Type    string    `json:"-"` // a media type, by the first bytes; "" for what nothing is known to play
	Kept    bool      `json:"-"`
}

// admit reports why a message has no room: the fault MessagesFull or MessageInvalid. arriving are those that are not
// saved yet. kept and arriving hold all messages of all links.
func admit(m Message, saved, arriving []Message) error {
	switch {
	case m.Size <= 0 || m.Size > MaxSize || m.Seconds < 0 || m.Seconds > MaxSeconds:
		return fault.Newf(fault.MessageInvalid, "a door message of %d bytes, %d s", m.Size, m.Seconds)
	case len(arriving) >= MaxAtOnce:
		return &fault.Error{Code: fault.TooFast, After: 10 * time.Second}
	}
	total, ofLink := m.Size, 1
	for _, other := range append(saved[:len(saved):len(saved)], arriving...) {
		total += other.Size
		if other.Link == m.Link {
			ofLink++
		}
	}
	if total > MaxTotal || ofLink > MaxPerLink {
		return fault.New(fault.MessagesFull, nil)
	}
	return nil
}

// expired reports whether a message is to be deleted.
func expired(m Message, now time.Time) bool {
	return !m.Kept && now.Sub(m.At) > KeptFor
}

// typeOf says by its first bytes what a message may be played as.
func typeOf(kind Kind, first []byte) string {
	media := "video"
	if kind == Sound {
		media = "audio"
	}
	switch {
	case kind == Note:
		return "text/plain"
	case bytes.HasPrefix(first, []byte{0x1a, 0x45, 0xdf, 0xa3}): // EBML, RFC 8794 section 11.2.1
		return media + "/webm"
	case len(first) >= 8 && string(first[4:8]) == "ftyp": // ISO/IEC 14496-12 section 4.3
		return media + "/mp4"
	case bytes.HasPrefix(first, []byte("OggS")): // RFC 3533 section 6
		return media + "/ogg"
	default:
		return ""
	}
}
