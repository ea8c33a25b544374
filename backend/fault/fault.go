package fault

import (
	"errors"
	"fmt"
	"time"
)

// Code identifies a fault. Codes are part of the protocol and of the
// translations. They are never renamed, only added.
type Code string

// The codes. Each has a sentence in sentences.
const (
	// Internal is every error that has no code of its own.
	Internal Code = "internal"

	// Links.
	LinkUnavailable Code = "link-unavailable" // unknown, removed, spent or offline: one answer
	LinkMalformed   Code = "link-malformed"
	LinkRemoved     Code = "link-removed"
	LinkSpent       Code = "link-spent"
	LinkNameInvalid Code = "link-name-invalid"
	LinkNotFound    Code = "link-not-found" // host's own commands only
	LinkNotOpen     Code = "link-not-open"  // it opens later
	TimesInvalid    Code = "times-invalid"  // it would end before it opens, or has ended
	CopiesFull      Code = "copies-full"    // the link has as many copies as it may have

	// Channel and messages.
	VersionUnsupported Code = "version-unsupported"
	SecretWrong        Code = "secret-wrong"
	KeyMismatch        Code = "key-mismatch"
	SealBroken         Code = "seal-broken"
	FrameTooLarge      Code = "frame-too-large"
	FrameTruncated     Code = "frame-truncated"
	FrameReplayed      Code = "frame-replayed"
	FrameOutOfOrder    Code = "frame-out-of-order"
	MessageMalformed   Code = "message-malformed"
	MessageUnknown     Code = "message-unknown"
	MessageInvalid     Code = "message-invalid"
	MessageUnexpected  Code = "message-unexpected" // well formed, but not now
	TooFast            Code = "too-fast"
	TooSlow            Code = "too-slow" // a peer that does not read its queue
	RelayUnreachable   Code = "relay-unreachable"
	RelayRefused       Code = "relay-refused"
	OriginRefused      Code = "origin-refused"
	TokenRefused       Code = "token-refused"
	IdentityTaken      Code = "identity-taken"

	// Recording a call.
	DiskFull        Code = "disk-full"
	RecordingFailed Code = "recording-failed" // the disk
	RecordingBehind Code = "recording-behind" // the disk is too slow; it goes on
	RecordingRuns   Code = "recording-runs"   // one at a time

	// A host and a public relay.
	RelayAddressInvalid Code = "relay-address-invalid"
	RelayAbsent         Code = "relay-absent"    // an answer comes, but not from a relay that takes hosts
	RelayUntrusted      Code = "relay-untrusted" // its certificate can't be trusted
	RelayVersion        Code = "relay-version"
	RelayFull           Code = "relay-full"
	InvitationWanted    Code = "invitation-wanted"
	InvitationRefused   Code = "invitation-refused"
	HostNotAllowed      Code = "host-not-allowed"
	LineReplaced        Code = "line-replaced" // another connection registered with the same key
	TooManyLinks        Code = "too-many-links"
	TurnUnavailable     Code = "turn-unavailable"
	TurnUsedUp          Code = "turn-used-up"
	RelayIsLink         Code = "relay-is-link"   // the address of a call instead of a relay's
	RelayNotFound       Code = "relay-not-found" // host's own commands only
	RelaysFull          Code = "relays-full"     // the host's list of relays is full
	DoorUnavailable     Code = "door-unavailable"
	InvitationInvalid   Code = "invitation-invalid"

	// The host's own address from outside.
	OutsideUnreachable Code = "outside-unreachable"
	OutsideUntrusted   Code = "outside-untrusted" // its certificate can't be trusted
	OutsideElsewhere   Code = "outside-elsewhere" // something else answers there
	OutsideHost        Code = "outside-host"      // the Host header does not arrive
	OutsideSockets     Code = "outside-sockets"   // WebSockets don't get through
	FunnelMissing      Code = "funnel-missing"
	FunnelRefused      Code = "funnel-refused"

	// Lobby.
	NameInvalid     Code = "name-invalid"
	LobbyFull       Code = "lobby-full"
	LobbyLocked     Code = "lobby-locked"
	Declined        Code = "declined"
	DeclinedForGood Code = "declined-for-good"
	Blocked         Code = "blocked"
	KnockTimedOut   Code = "knock-timed-out"
	KnockReplaced   Code = "knock-replaced"
	RequestGone     Code = "request-gone"
	HostGone        Code = "host-gone"
	MessagesFull    Code = "messages-full" // no room for one more door message
	MessageGone     Code = "message-gone"  // a door message; host's own commands only

	// Call.
	CallEnded       Code = "call-ended"
	CallFull        Code = "call-full"
	RemovedByHost   Code = "removed-by-host"
	SeatExpired     Code = "seat-expired"
	SeatTaken       Code = "seat-taken" // a newer page took over the seat
	NotInCall       Code = "not-in-call"
	ConnectFailed   Code = "connect-failed"
	MediaBlocked    Code = "media-blocked"   // messages arrive, but media finds no way
	UDPUnavailable  Code = "udp-unavailable" // the host's system opens no UDP socket for Porch
	SDPInvalid      Code = "sdp-invalid"
	ChatInvalid     Code = "chat-invalid"
	FileInvalid     Code = "file-invalid" // empty, too large, or without a name
	FileGone        Code = "file-gone"    // not offered any more
	FileRefused     Code = "file-refused" // it is not what was offered
	FileStopped     Code = "file-stopped" // its sender has stopped, or left
	FilesFull       Code = "files-full"
	ParticipantGone Code = "participant-gone"
	NotCoHost       Code = "not-co-host"
	PageTooOld      Code = "page-too-old"   // the guest's page does not know what is asked of it
	MoveForbidden   Code = "move-forbidden" // the host lets no guest go on with another device

	// The host's machine.
	CameraMissing        Code = "camera-missing"
	CameraRefused        Code = "camera-refused"
	CameraLost           Code = "camera-lost"
	CameraBusy           Code = "camera-busy"
	MicrophoneMissing    Code = "microphone-missing"
	MicrophoneRefused    Code = "microphone-refused"
	MicrophoneLost       Code = "microphone-lost"
	SpeakerMissing       Code = "speaker-missing"
	SpeakerLost          Code = "speaker-lost"
	ScreenMissing        Code = "screen-missing"
	ScreenWayland        Code = "screen-wayland"
	EngineUnavailable    Code = "engine-unavailable"
	ClipboardUnavailable Code = "clipboard-unavailable"
	OpenerUnavailable    Code = "opener-unavailable"
	NotifyUnavailable    Code = "notify-unavailable"
	StoreUnavailable     Code = "store-unavailable"
	StoreTooNew          Code = "store-too-new"
	StoreInUse           Code = "store-in-use"  // another process has the file open
	StoreDamaged         Code = "store-damaged" // the file is left as it is
	PortTaken            Code = "port-taken"
	LoginUnavailable     Code = "login-unavailable" // the system's entry for the login can't be written
	VersionsMissing      Code = "versions-missing"  // the list of versions
	VersionsTampered     Code = "versions-tampered" // its signature does not fit
	VersionsOld          Code = "versions-old"      // it has expired, or a newer one was seen
	VersionsTooBig       Code = "versions-too-big"
	VersionsElsewhere    Code = "versions-elsewhere" // it has moved, or leads to another server
	ShuttingDown         Code = "shutting-down"
)

// Error is a fault with its cause. The cause is for logs, never for people.
type Error struct {
	Code  Code
	Cause error // may be nil
	// After is how long to wait before the same is worth another try. It comes
	// with TooFast. 0 means that waiting does not help, or that the time is not
	// known.
	After time.Duration
}

// New returns a fault. cause may be nil.
func New(code Code, cause error) *Error { return &Error{Code: code, Cause: cause} }

// Newf returns a fault whose cause is made by fmt.Errorf.
func Newf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Cause: fmt.Errorf(format, args...)}
}

// Error implements error. It shows the code and the cause, for logs.
func (e *Error) Error() string {
	if e.Cause == nil {
		return string(e.Code)
	}
	return string(e.Code) + ": " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is makes errors.Is(err, fault.New(code, nil)) match by code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// CodeOf returns the code of the first fault in err's chain, "" for nil and
// [Internal] for an error without a fault.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var f *Error
	if errors.As(err, &f) {
		return f.Code
	}
	return Internal
}

// AfterOf returns After of the first fault in err's chain, 0 for an error without
// one.
func AfterOf(err error) time.Duration {
	var f *Error
	if errors.As(err, &f) {
		return f.After
	}
	return 0
}

// Sentence is what a person reads: one English sentence that says what
// happened and what to do. Front ends translate by code and use this as the
// fallback.
func Sentence(code Code) string {
	if s, ok := sentences[code]; ok {
		return s
	}
	return sentences[Internal]
}
