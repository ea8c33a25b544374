// Package opus encodes and decodes Opus (RFC 6716) with the system's libopus: mono, 48 kHz, 20 ms, for speech. The
// encoder adds in-band forward error correction, and the decoder conceals lost packets.
//
// mediadevices has a libopus of its own, but other packages can't reach its headers and archive. Its binding can't
// decode, and sets neither error correction nor discontinuous transmission. libvpx has to come from the system
// anyway, so libopus comes from the same place.
package opus
