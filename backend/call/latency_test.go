package call

import (
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/media/vp8"
	"github.com/porch-call/porch/backend/signalling"
)

// BenchmarkJoin measures from Join to the first packet of a keyframe at a
// guest, while two participants with a camera are in the call:
//
//	go test -run '^$' -bench Join -benchtime 40x ./backend/call
func BenchmarkJoin(b *testing.B) {
	c := newTestCall(b, Options{})
	s := new(sink)
	l, err := c.JoinLocal(Profile{ID: "host"}, s, newOutbox())
	must(b, err)
	feeding := feed(b, l, s)
	b.Cleanup(feeding)
	a := join(b, c, as("a"))
	a.send()
	a.untilSees("host")
	api := newGuestAPI(b, nil, nil)
	var all []time.Duration
	for i := 0; b.Loop(); i++ {
		var once sync.Once
		keyframe := make(chan time.Time, 1)
		o := as(strconv.Itoa(i))
		o.onRTP = func(r received) {
			if r.kind == signalling.KindVideo && vp8.Parse(r.packet.Payload).Keyframe {
				once.Do(func() { keyframe <- r.at })
			}
		}
		g := newGuestWith(b, c, o, api)
		start := time.Now()
		g.p, err = c.Join(o.profile, g.out)
		must(b, err)
		g.start()
		select {
		case at := <-keyframe:
			all = append(all, at.Sub(start))
		case <-time.After(patience):
			b.Fatal("no keyframe")
		}
		g.close()
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(all[len(all)*95/100].Microseconds())/1000, "p95-ms")
}
