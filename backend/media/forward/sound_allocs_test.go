//go:build !race

package forward

import (
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"
)

// discard takes packets without a copy.
type discard struct{ packets int }

func (d *discard) Write(*rtp.Header, []byte, interceptor.Attributes) (int, error) {
	d.packets++
	return 0, nil
}

// TestSoundAllocatesNothing: neither in the middle of a word, nor at its beginning, nor redundant. It does not run with
// the race detector, which allocates.
func TestSoundAllocatesNothing(t *testing.T) {
	e := newEar(t)
	var d discard
	e.slot.SetWriter(&d)
	e.out.SetRedundant(true)
	payload := make([]byte, 80)
	p := new(packet)
	n := testing.AllocsPerRun(500, func() {
		for _, level := range []uint8{loud, loud, quiet, quiet, quiet} {
			e.sequence++
			e.stamp += 960
			e.now = e.now.Add(20 * time.Millisecond)
			*p = packet{ssrc: 1, sequence: e.sequence, timestamp: e.stamp, hasLevel: true, level: level, payload: payload}
			e.track.first().receive(e.upstream, p, false, e.now)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
	if d.packets < 4*500 {
		t.Errorf("%d packets", d.packets)
	}
}
