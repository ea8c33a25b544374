// Package share decides who gets what of a call's media: which pictures a receiver looks at ([Demands]), at which layer
// and rate each is sent, and what every publisher is asked for ([Allocator]), what one more guest would change
// ([Forecaster]), and whose sound is forwarded ([Loudest]).
//
// Everything here is a decision and nothing else: no goroutine, no clock and no packet. The time is an argument. An
// [Allocator] and its kin belong to one goroutine and use their memory again; only [Loudest] is made for the packet
// path, where many goroutines ask it at once.
//
// Rates are in bit/s on the wire, with the headers of IP, UDP and SRTP, because that is what lines carry. Only
// [Ask.MaxBitrate] is what an encoder is told. Heights are in lines.
package share

// ID is a participant's number in its call. Whoever asks gives the numbers, and gives none twice in one call.
type ID uint32

// Kind is what a picture shows.
type Kind uint8

// Kinds of pictures.
const (
	Camera Kind = iota
	Screen
)

// TrackID names a picture by its publisher and kind.
type TrackID struct {
	Of   ID
	Kind Kind
}
