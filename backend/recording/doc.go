// Package recording writes a call into one Matroska file: for each participant who has agreed a track of sound and one
// of pictures, as they arrive (Opus and VP8), without coding anything anew. It knows nothing of calls: whoever uses it
// says whose packets count, and from when until when.
//
// A [Recorder] takes packets on the goroutines that read from the network and never holds them up: it copies them into
// a queue of bounded size, and a goroutine of its own writes. A disk that is too slow costs packets of the recording,
// and a full one ends it; what was written stays and can be opened.
package recording
