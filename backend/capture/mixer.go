package capture

import "math"

const (
	// mixCeiling is the loudest a mix may get, −1 dBFS: full scale, less what a
	// speaker's resampler may overshoot.
	mixCeiling = 29_200
	// mixRelease is by how much of the rest the gain recovers with each block
	// of 10 ms: half of it in 140 ms.
	mixRelease = 0.05
)

// mixer adds voices up and keeps their sum from clipping: a gain that falls at
// once when the sum is too loud and comes back slowly. It is pure and not safe
// for concurrent use.
type mixer struct {
	sum  []int32
	gain float64 // 0 before the first block
}

// begin starts a block of n samples.
func (m *mixer) begin(n int) {
	if cap(m.sum) < n {
		m.sum = make([]int32, n)
	}
	m.sum = m.sum[:n]
	clear(m.sum)
	if m.gain == 0 {
		m.gain = 1
	}
}

// add adds a voice, at most the block's length of it.
func (m *mixer) add(voice []int16) {
	for i, s := range voice[:min(len(voice), len(m.sum))] {
		m.sum[i] += int32(s)
	}
}

// finish writes the mix into out, which has the block's length.
func (m *mixer) finish(out []int16) {
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
		from = to // no time to fade down: the peak may be the first sample
	}
	step := (to - from) / float64(max(len(m.sum), 1))
	gain := from
	for i, s := range m.sum {
		gain += step
		out[i] = int16(math.Round(float64(s) * gain))
	}
	m.gain = to
}
