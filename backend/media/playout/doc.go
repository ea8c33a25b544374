// Package playout turns the packets of a call's other participants into sound for a speaker and pictures for a screen.
//
// Sound goes through a jitter buffer, which holds it back for as long as packets are late, then through a decoder and,
// where it must catch up or wait, through a time stretcher, and is mixed. Packets of video become whole VP8 frames,
// which wait until the sound of the same moment is heard. [Receiver] joins these parts, and is all that other packages
// need.
//
// The parts (jitterBuffer, delayEstimator, lipSync, and frames.Assembler) have no I/O and no clock: they take the time as an
// argument. The package opens no device, and decodes no picture.
package playout
