// Package vp8 encodes VP8 (RFC 6386) with the system's libvpx, set up for calls: one pass, no lag, constant bitrate,
// keyframes only on request, and a speed that leaves processor time for others.
//
// mediadevices' own binding leaves libvpx's cpu-used at 0, which costs 69 % of a core for 640×360 at 30 frames a
// second. This package needs about a tenth of that. It neither packetises nor decodes.
package vp8
