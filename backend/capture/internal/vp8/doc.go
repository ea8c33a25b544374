// Package vp8 encodes VP8 (RFC 6386) through the system's libvpx, the way a
// call wants it: one pass, no lag, constant bitrate, keyframes only when asked
// for, and a speed that leaves the processor to others.
//
// mediadevices' own binding leaves libvpx's cpu-used at 0, which costs 69 % of
// a core for 640×360 at 30 frames a second; this one needs about a tenth of it.
// The package does not packetise and does not decode.
package vp8
