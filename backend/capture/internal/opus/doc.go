// Package opus encodes and decodes Opus (RFC 6716) through the system's
// libopus: mono, 48 kHz, 20 ms, for speech; with in-band forward error
// correction on the way out, and concealment of lost packets on the way in.
//
// mediadevices brings a libopus of its own, but its headers and archive are
// out of reach for another package, its binding cannot decode, and it sets
// neither error correction nor discontinuous transmission. libvpx has to come
// from the system anyway, so libopus comes from the same place.
package opus
