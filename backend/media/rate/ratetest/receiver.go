package ratetest

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"time"
)

// arrival is a packet at a receiver.
type arrival struct {
	at     time.Duration
	number int64
}

// reporter reports what arrives, as Chromium and Firefox do: every 50 to 62 ms, each number once, what is missing as not
// received.
type reporter struct {
	every, next time.Duration
	clock       time.Duration // offset of the receiver's clock
	waiting     []arrival     // by time
	first       int64         // the first number of the next report
	begun       bool
	count       uint8
	batch       []arrival
	raw         []byte
}

// arrive takes a packet.
func (r *reporter) arrive(a arrival) {
	i := len(r.waiting)
	for i > 0 && r.waiting[i-1].at > a.at {
		i--
	}
	r.waiting = slices.Insert(r.waiting, i, a)
}

// report returns a feedback on what has arrived until now, nil if nothing has.
func (r *reporter) report(now time.Duration) []byte {
	n := 0
	for n < len(r.waiting) && r.waiting[n].at <= now {
		n++
	}
	if n == 0 {
		return nil
	}
	r.batch = append(r.batch[:0], r.waiting[:n]...)
	r.waiting = append(r.waiting[:0], r.waiting[n:]...)
	slices.SortFunc(r.batch, func(a, b arrival) int { return int(a.number - b.number) })
	base := r.batch[0].number
	if r.begun {
		base = min(base, r.first)
	}
	r.begun = true
	r.first = max(r.first, r.batch[n-1].number+1)
	r.raw = Feedback(r.raw[:0], base, r.batch[n-1].number, r.count, func(number int64) (time.Duration, bool) {
		for len(r.batch) > 0 && r.batch[0].number < number {
			r.batch = r.batch[1:]
		}
		if len(r.batch) == 0 || r.batch[0].number != number {
			return 0, false
		}
		return r.batch[0].at + r.clock, true
	})
	r.count++
	return r.raw
}

// Feedback appends a transport-wide feedback on the numbers from first to last to dst. arrived says when one arrived; it
// is asked for each number twice.
func Feedback(dst []byte, first, last int64, count uint8, arrived func(int64) (time.Duration, bool)) []byte {
	const tick = 250 * time.Microsecond
	begin := len(dst)
	dst = append(dst, 0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2)
	dst = binary.BigEndian.AppendUint16(dst, uint16(first))
	dst = binary.BigEndian.AppendUint16(dst, uint16(last-first+1))
	reference, before := int64(-1), int64(0)
	var deltas [4096]int16
	var known [4096]uint8 // symbols
	for n := first; n <= last; n++ {
		at, ok := arrived(n)
		if !ok {
			continue
		}
		ticks := int64(at / tick)
		if reference < 0 {
			reference = ticks / 256
			before = reference * 256
		}
		d := ticks - before
		before = ticks
		deltas[n-first], known[n-first] = int16(d), 1
		if d < 0 || d > 255 {
			known[n-first] = 2
		}
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(reference)<<8|uint32(count))
	total := int(last - first + 1)
	for i := 0; i < total; {
		run := 1
		for i+run < total && known[i+run] == known[i] && run < 8191 {
			run++
		}
		if run > 7 {
			dst = binary.BigEndian.AppendUint16(dst, uint16(known[i])<<13|uint16(run))
			i += run
			continue
		}
		chunk := uint16(0xc000)
		for k := 0; k < 7 && i < total; k++ {
			chunk |= uint16(known[i]) << (12 - 2*k)
			i++
		}
		dst = binary.BigEndian.AppendUint16(dst, chunk)
	}
	for i, k := range known[:total] {
		switch k {
		case 1:
			dst = append(dst, byte(deltas[i]))
		case 2:
			dst = binary.BigEndian.AppendUint16(dst, uint16(deltas[i]))
		}
	}
	if odd := (len(dst) - begin) % 4; odd != 0 {
		padding := 4 - odd
		dst = append(dst, make([]byte, padding)...)
		dst[len(dst)-1] = byte(padding)
		dst[begin] |= 0x20
	}
	binary.BigEndian.PutUint16(dst[begin+2:], uint16((len(dst)-begin)/4-1))
	return dst
}

func newReporter(random *rand.Rand) reporter {
	every := 51 * time.Millisecond
	if random.IntN(2) == 0 {
		every = 62 * time.Millisecond
	}
	return reporter{every: every, next: every, clock: time.Duration(random.Int64N(int64(100 * time.Hour)))}
}
