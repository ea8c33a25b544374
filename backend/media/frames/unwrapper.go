package frames

// Unwrapper extends a counter of few bits beyond its range. Values may be out of order by less than half the range.
type Unwrapper struct {
	last  int64
	begun bool
}

// Next returns the extended form of a value that has so many bits.
func (u *Unwrapper) Next(value uint64, bits uint) int64 {
	if !u.begun {
		// Begin one range up, so that earlier values stay positive.
		u.begun, u.last = true, int64(value)+1<<bits
		return u.last
	}
	half, size := int64(1)<<(bits-1), int64(1)<<bits
	step := (int64(value) - u.last) & (size - 1)
	if step >= half {
		step -= size
	}
	if step > 0 {
		u.last += step
		return u.last
	}
	return u.last + step
}
