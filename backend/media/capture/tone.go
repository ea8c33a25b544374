package capture

import (
	"math"
	"sync"
	"time"

	"github.com/porch-call/porch/backend/media/codec"
)

const (
	toneFrequency = 440.0 // Hz
	toneBeat      = 0.5   // in Hz; how often the level rises and falls
	toneLoud      = 0.25  // of full scale, −12 dBFS
	toneSoft      = 0.05  // −26 dBFS
)

// tone is a sine whose level rises and falls, so that a meter moves.
type tone struct{ n int }

// fill writes the next len(pcm) samples.
func (t *tone) fill(pcm []int16) {
	for i := range pcm {
		at := float64(t.n) / codec.AudioClockRate
		level := toneSoft + (toneLoud-toneSoft)*(0.5-0.5*math.Cos(2*math.Pi*toneBeat*at))
		pcm[i] = int16(math.MaxInt16 * level * math.Sin(2*math.Pi*toneFrequency*at))
		// Both frequencies fit a whole number of times into two seconds.
		t.n = (t.n + 1) % (2 * codec.AudioClockRate)
	}
}

// syntheticAudio delivers a tone in real time, in blocks of 10 ms.
type syntheticAudio struct {
	done  chan struct{}
	ended chan struct{}
	close sync.Once
}

func newSyntheticAudio(take func(pcm []int16)) *syntheticAudio {
	a := &syntheticAudio{done: make(chan struct{}), ended: make(chan struct{})}
	go a.run(take)
	return a
}

func (a *syntheticAudio) run(take func(pcm []int16)) {
	defer close(a.ended)
	ticker := time.NewTicker(blockTime)
	defer ticker.Stop()
	var (
		t     tone
		block [blockSize]int16
		begin = time.Now()
		sent  time.Duration
	)
	for {
		select {
		case <-a.done:
			return
		case now := <-ticker.C:
			// Catch up with ticks that were dropped on a busy machine, but not with a suspended computer's night.
			if behind := now.Sub(begin) - sent; behind > time.Second {
				sent += behind
			}
			for ; sent < now.Sub(begin); sent += blockTime {
				t.fill(block[:])
				take(block[:])
			}
		}
	}
}

// stopped implements audioDevice. A tone does not stop by itself.
func (a *syntheticAudio) stopped() <-chan struct{} { return nil }

// Close implements audioDevice.
func (a *syntheticAudio) Close() error {
	a.close.Do(func() { close(a.done) })
	<-a.ended
	return nil
}
