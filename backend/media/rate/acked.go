package rate

import "time"

const (
	meterStep = 10 * time.Millisecond
	meterSize = 128 // steps; the longest window is one step shorter
)

// meter measures a rate over the last 150 ms to 1 s, in steps of 10 ms. The zero
// value is ready to use.
type meter struct {
	steps   [meterSize]struct{ bytes, packets int32 }
	newest  int64 // step
	begun   int64 // step of the first packet
	started bool
}

// add counts a packet of size bytes at a time.
func (m *meter) add(at time.Duration, size int) {
	step := int64(at / meterStep)
	if !m.started {
		m.started, m.newest, m.begun = true, step, step
	}
	m.advance(step)
	if step > m.newest-meterSize {
		s := &m.steps[step&(meterSize-1)]
		s.bytes += int32(size)
		s.packets++
	}
}

// advance clears the steps up to one.
func (m *meter) advance(step int64) {
	for n := max(m.newest+1, step-meterSize+1); n <= step; n++ {
		m.steps[n&(meterSize-1)].bytes, m.steps[n&(meterSize-1)].packets = 0, 0
	}
	m.newest = max(m.newest, step)
}

// rate returns the bits per second, and the packets, of the whole steps that end before now, in a window.
func (m *meter) rate(now, window time.Duration) (bits float64, packets int) {
	if !m.started {
		return 0, 0
	}
	step := int64(now / meterStep)
	m.advance(step)
	from := max(step-int64(window/meterStep), m.begun, m.newest-meterSize+1)
	if step-from < 5 {
		return 0, 0 // too short to say
	}
	bytes := 0
	for n := from; n < step; n++ {
		s := m.steps[n&(meterSize-1)]
		bytes += int(s.bytes)
		packets += int(s.packets)
	}
	return float64(bytes) * 8 / (time.Duration(step-from) * meterStep).Seconds(), packets
}

// extremes keeps the largest of some values of the last ten steps. Of negated values it keeps the smallest.
type extremes struct {
	step   time.Duration // 0 for a second
	values [10]float64
	filled [10]bool
	newest int64
}

// add takes a value.
func (e *extremes) add(now time.Duration, v float64) {
	step := e.at(now)
	e.advance(step)
	i := step % int64(len(e.values))
	if !e.filled[i] || v > e.values[i] {
		e.values[i], e.filled[i] = v, true
	}
}

// at returns the step of a time.
func (e *extremes) at(now time.Duration) int64 {
	if e.step == 0 {
		return int64(now / time.Second)
	}
	return int64(now / e.step)
}

// advance forgets what is older than ten steps.
func (e *extremes) advance(step int64) {
	for n := max(e.newest+1, step-int64(len(e.values))+1); n <= step; n++ {
		e.filled[n%int64(len(e.filled))] = false
	}
	e.newest = max(e.newest, step)
}

// largest returns the largest value. ok is false if there is none.
func (e *extremes) largest(now time.Duration) (v float64, ok bool) {
	e.advance(e.at(now))
	for i, filled := range e.filled {
		if filled && (!ok || e.values[i] > v) {
			v, ok = e.values[i], true
		}
	}
	return v, ok
}
