// Package codec holds the numbers of the call's media that every part must agree on: payload types, clock rates, ids
// of header extensions, and the id of the host's participant. The call always makes the offer, so these numbers hold
// in both directions.
package codec

import "strings"

// Payload types (RFC 3551 section 6: dynamic).
const (
	AudioPayloadType          = 111 // Opus, RFC 7587
	VideoPayloadType          = 96  // VP8, RFC 7741
	RetransmissionPayloadType = 97  // of VP8, RFC 4588
	RedundantPayloadType      = 63  // Opus twice (RED), RFC 2198; only to receivers
)

// Clock rates of RTP timestamps, in 1/s.
const (
	AudioClockRate = 48_000
	VideoClockRate = 90_000
)

// Ids of the RTP header extensions (RFC 8285). Offers register the extensions in this order, and pion numbers them
// from one.
const (
	AudioLevelID        = 1 // RFC 6464, senders only
	AbsSendTimeID       = 2 // http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time, receivers only
	TransportSequenceID = 3 // transport-wide-cc-01
	MidID               = 4 // RFC 9143, senders only
	RIDID               = 5 // RFC 8852, video senders only
	RepairedRIDID       = 6 // RFC 8852, video senders only
)

// HostID is the id of the host's participant in every call.
const HostID = "host"

// screenSuffix can't be part of a participant's id.
const screenSuffix = ".screen"

// ScreenOf returns the name of a participant's shared screen among the participants of a receiver that knows no other
// pictures than one for each of them.
func ScreenOf(participant string) string { return participant + screenSuffix }

// OfScreen returns the participant of a name. screen reports whether it is that of the participant's screen.
func OfScreen(name string) (participant string, screen bool) {
	return strings.CutSuffix(name, screenSuffix)
}
