//go:build cgo && (linux || porch_native) && !race

package capture

import (
	"math/rand/v2"
	"testing"
)

// What is kept of the sound is kept by the real module: noise stays, and a soft voice stays soft.
func TestSoundKeeps(t *testing.T) {
	hiss := func(p *soundProcessor) (energy float64) {
		random := rand.New(rand.NewPCG(1, 2))
		block := make([]int16, blockSize)
		for i := range 400 {
			for n := range block {
				block[n] = int16(random.IntN(2000) - 1000)
			}
			p.capture(block)
			for _, sample := range block {
				if i >= 300 { // it needs a while to know noise from voice
					energy += float64(sample) * float64(sample)
				}
			}
		}
		return energy
	}
	measured := make(map[string]float64)
	for _, kept := range []string{"", "noise", "gain", "noise gain", "music"} {
		p, err := newSoundProcessor(kept)
		if err != nil {
			t.Fatal(err)
		}
		measured[kept] = hiss(p)
		p.close()
	}
	plain := measured["music"]
	for kept, energy := range measured {
		t.Logf("%q: %.3f of the noise", kept, energy/plain)
	}
	if measured["gain"] > plain/10 {
		t.Errorf("noise is suppressed to %.2f", measured["gain"]/plain)
	}
	if kept := measured["noise gain"]; kept < plain/2 || kept > 2*plain {
		t.Errorf("noise that is kept is %.2f of what came", kept/plain)
	}

	p, err := newSoundProcessor("")
	if err != nil {
		t.Fatal(err)
	}
	p.keep("noise gain")
	if kept := hiss(p); kept < plain/2 {
		t.Errorf("changed while it is open, it keeps %.2f", kept/plain)
	}
	p.close()
	p.keep("music") // must not panic
	block := []int16{1, 2, 3}
	p.capture(block)
	p.close()
}
