// Package frames makes whole VP8 frames of RTP packets. It has no I/O and no clock: it takes the time as an argument.
package frames
