package ratetest

import (
	"math"
	"time"
)

// TCP is an upload, with the congestion control of CUBIC (RFC 9438) and without timeouts.
type TCP struct {
	RTT   time.Duration // without queue
	Begin time.Duration
	End   time.Duration // 0 for never

	Acked int // bytes

	window, most, threshold float64 // packets
	epoch                   time.Duration
	flying                  []flight
	recover                 time.Duration
}

// flight is a packet on its way, with the time when the sender hears of it.
type flight struct {
	sent, heard time.Duration
	lost        bool
}

const segment = 1500 // bytes

// tick sends what the window allows.
func (t *TCP) tick(w *World) {
	if w.now < t.Begin || t.End > 0 && w.now >= t.End {
		return
	}
	if t.window == 0 {
		t.window, t.threshold = 10, math.Inf(1)
	}
	for len(t.flying) > 0 && t.flying[0].heard <= w.now {
		f := t.flying[0]
		t.flying = append(t.flying[:0], t.flying[1:]...)
		switch {
		case f.lost && f.sent >= t.recover:
			t.most, t.window = t.window, max(0.7*t.window, 2)
			t.threshold = t.window
			t.epoch, t.recover = w.now, w.now
		case f.lost:
		case t.window < t.threshold:
			t.Acked += segment
			t.window++
		default:
			t.Acked += segment
			k := math.Cbrt(t.most * 0.3 / 0.4)
			since := (w.now - t.epoch + t.RTT).Seconds()
			target := 0.4*(since-k)*(since-k)*(since-k) + t.most
			reno := 0.7*t.most + 0.53*(w.now-t.epoch).Seconds()/(w.now-f.sent).Seconds()
			target = max(target, reno)
			t.window += min(max(target-t.window, 0.01), 0.5*t.window) / t.window
		}
	}
	for float64(len(t.flying)) < t.window {
		at, ok := w.Out.Pass(w.now, segment, w.Random)
		if !ok {
			at = w.now + w.Out.Waiting(w.now)
		}
		f := flight{w.now, at + t.RTT, !ok}
		if n := len(t.flying); n > 0 {
			f.heard = max(f.heard, t.flying[n-1].heard)
		}
		t.flying = append(t.flying, f)
	}
}
