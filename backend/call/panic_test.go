package call

import (
	"testing"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/path"
	"github.com/porch-call/porch/backend/signalling"
)

// TestPanicEndsOnePeer checks that a panic caused by one guest ends that guest
// only, whether it happens in handling their messages or in reading their
// media, which the goroutine does for all.
func TestPanicEndsOnePeer(t *testing.T) {
	for name, meet := range map[string]func(p *peer){
		"messages": func(p *peer) { p.enqueue(func() { panic("a fault") }) },
		"media": func(p *peer) {
			p.direct.Store(new(path.SRTPPath)) // has no keys, and will dereference them
			p.takeContained([]byte{0x80, codec.VideoPayloadType, 0, 0})
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTestCall(t, Options{})
			a, b, bad := join(t, c, as("a")), join(t, c, as("b")), join(t, c, as("bad"))
			a.send()
			b.untilSees("a")
			meet(c.member("bad").connection.Load())
			bad.until("it is told why", func() bool { return bad.ended == signalling.EndFault })
			b.until("it is gone", func() bool { return len(b.roster) == 2 })
			if c.engine.panics.Count() == 0 { // media may cause more than one
				t.Error("no panic is counted")
			}
			join(t, c, as("c")).untilSees("a")
		})
	}
}

// TestContainingCostsNothing checks that containing panics on the packet path
// allocates nothing.
func TestContainingCostsNothing(t *testing.T) {
	c := newTestCall(t, Options{})
	join(t, c, as("a"))
	p := c.member("a").connection.Load()
	b := []byte{0x80, codec.VideoPayloadType, 0, 0}
	if n := testing.AllocsPerRun(100, func() { p.takeContained(b) }); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}
