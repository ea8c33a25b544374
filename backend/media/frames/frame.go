package frames

import "time"

// Frame is one whole VP8 frame.
type Frame struct {
	Key     bool
	At      time.Duration // media time; grows for each participant, from any zero
	Ticks   int64         // the same in ticks of 90 kHz, see [Assembler.Ticks]
	Payload []byte        // the receiver may keep it
}
