package rate

import (
	"math"
	"testing"
	"time"
)

func TestTollFollowsLoss(t *testing.T) {
	var o toll
	now := time.Duration(0)
	second := func(every int) {
		for n := range 100 {
			now += 10 * time.Millisecond
			o.fade(now)
			o.packet(every == 0 || n%every != 0)
		}
	}
	o.packet(false)
	if got := o.share(); got != 0 {
		t.Errorf("%.2f of a single packet", got)
	}
	for range 8 {
		second(10)
	}
	if got := o.share(); math.Abs(got-0.1) > 0.01 {
		t.Errorf("%.3f where a tenth is lost", got)
	}
	for range 8 {
		second(0)
	}
	if got := o.share(); got > 0.02 {
		t.Errorf("%.3f 8 s after the last loss", got)
	}
	for range 200 {
		o.late()
	}
	if got := o.share(); got != 0 {
		t.Errorf("%.3f when everything has arrived after all", got)
	}
}
