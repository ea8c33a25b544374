package guest_test

import (
	"slices"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/guest"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/signalling"
)

// BenchmarkFirstKeyframe measures the time from Let in to the first packet of a keyframe from another participant,
// for a guest on this machine.
func BenchmarkFirstKeyframe(b *testing.B) {
	p := open(b)
	_, address := p.link()
	pressed := make(chan time.Time, 1)
	h := p.host
	p.policy(func(r hoststate.RequestView) {
		pressed <- time.Now()
		_ = h.Admit(p.ctx, r.ID) // the guest may be gone already
	})
	publisher := newVisitor(p)
	o := publisher.options("Publisher")
	o.OnMessage, o.OnTrack = nil, nil
	publisher.join(address, o)
	<-pressed
	defer publisher.send(1)()

	var all []time.Duration
	for b.Loop() {
		v := newVisitor(p)
		arrived := make(chan time.Time, 1)
		o := v.options("Viewer")
		o.OnMessage = nil
		o.OnTrack = func(t *guest.Track) {
			if t.Participant != publisher.ID() || t.Kind != signalling.KindVideo {
				return
			}
			go func() {
				for {
					packet, err := t.ReadRTP()
					if err != nil {
						return
					}
					if isKeyframe(packet.Payload) {
						arrived <- time.Now()
						return
					}
				}
			}()
		}
		v.join(address, o)
		select {
		case at := <-arrived:
			all = append(all, at.Sub(<-pressed))
		case <-p.ctx.Done():
			b.Fatal("no keyframe")
		}
		p.must(v.Leave())
	}
	slices.Sort(all)
	at := func(q float64) float64 { return float64(all[int(q*float64(len(all)-1))].Microseconds()) / 1000 }
	b.ReportMetric(at(0.5), "p50-ms")
	b.ReportMetric(at(0.95), "p95-ms")
	b.ReportMetric(0, "ns/op") // it would include knocking and leaving
}

// isKeyframe reports whether b is the first packet of a VP8 keyframe (RFC 7741 section 4.3).
func isKeyframe(b []byte) bool {
	if len(b) < 3 || b[0]&0x10 == 0 { // not the start of a partition
		return false
	}
	n := 1
	if b[0]&0x80 != 0 {
		x := b[1]
		n = 2
		if x&0x80 != 0 {
			n++
			if b[2]&0x80 != 0 {
				n++
			}
		}
		if x&0x40 != 0 {
			n++
		}
		if x&0x30 != 0 {
			n++
		}
	}
	return len(b) > n && b[n]&1 == 0
}
