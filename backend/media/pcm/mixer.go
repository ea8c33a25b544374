package pcm

import "math"

const (
	// mixCeiling is the largest sample of a mix, −1 dBFS: full scale minus the overshoot of a speaker's resampler.
	mixCeiling = 29_200
	// mixRelease is the part of the remaining difference by which the gain recovers with each 10 ms block: half of it
	// in 140 ms.
	mixRelease = 0.05
)

// Mixer adds voices and keeps their sum from clipping. Its gain falls at once when the sum is too loud, and recovers
// slowly. The zero Mixer is ready to use. It is not safe for concurrent use.
type Mixer struct {
	sum  []int32
	gain float64 // 0 before the first block
}

// Begin starts a block of n samples.
func (m *Mixer) Begin(n int) {
	if cap(m.sum) < n {
		m.sum = make([]int32, n)
	}
	m.sum = m.sum[:n]
	clear(m.sum)
	if m.gain == 0 {
		m.gain = 1
	}
}

// Add adds a voice, which is at most as long as the block.
func (m *Mixer) Add(voice []int16) {
	for i, s := range voice[:min(len(voice), len(m.sum))] {
		m.sum[i] += int32(s)
	}
}

// Finish writes the mix to out, which is as long as the block.
func (m *Mixer) Finish(out []int16) {
	var peak int32
	for _, s := range m.sum {
		peak = max(peak, s, -s)
	}
	from := m.gain
	to := from + (1-from)*mixRelease
	if float64(peak)*to > mixCeiling {
		to = mixCeiling / float64(peak)
	}
	if to < from && float64(peak)*from > mixCeiling {
		from = to // without a fade, because the peak may be the first sample
	}
	step := (to - from) / float64(max(len(m.sum), 1))
	gain := from
	for i, s := range m.sum {
		gain += step
		out[i] = int16(math.Round(float64(s) * gain))
	}
	m.gain = to
}
