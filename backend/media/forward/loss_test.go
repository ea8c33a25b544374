package forward

import (
	"slices"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/media/gaps"
	"github.com/porch-call/porch/backend/media/mediatest"
)

func TestLossIsAskedForAndForwardedLate(t *testing.T) {
	r := newRig(t, 1)
	r.connect()
	v := mediatest.VideoSender{SSRC: 1, Sequence: 10}
	r.receive(v.Frame(true, 1)...)
	lost := v.Frame(false, 1)
	r.receive(v.Frame(false, 2)...)
	if !slices.Equal(r.upstream.asked, []uint16{11}) {
		t.Fatalf("asked for %v", r.upstream.asked)
	}
	r.receive(lost...)
	r.receive(lost...) // a second copy goes nowhere
	if got := r.writers[0].sequences(); !slices.Equal(got, []uint16{10, 12, 13, 11}) {
		t.Errorf("forwarded %v", got)
	}
}

// TestLossBeforeAPauseIsAskedFor checks that the connection is made to ask for a packet that counts as lost before
// another one arrives.
func TestLossBeforeAPauseIsAskedFor(t *testing.T) {
	r := newRig(t, 1)
	v := mediatest.VideoSender{SSRC: 1, Sequence: 10}
	r.receive(v.Frame(true, 1)...)
	v.Frame(false, 1)
	r.receive(v.Frame(false, 1)...)
	if got := r.upstream.mendAfter; !slices.Equal(got, []time.Duration{gaps.MaxReorder}) || len(r.upstream.asked) != 0 {
		t.Fatalf("to be mended after %v, asked for %v before it was more than late", got, r.upstream.asked)
	}
	r.in.MendGaps(r.now.Add(gaps.MaxReorder - time.Millisecond)) // because of another track
	if got := r.upstream.mendAfter; len(got) != 2 || got[1] != time.Millisecond || len(r.upstream.asked) != 0 {
		t.Fatalf("to be mended after %v, asked for %v before it was more than late", got, r.upstream.asked)
	}
	r.in.MendGaps(r.now.Add(gaps.MaxReorder))
	r.in.MendGaps(r.now.Add(2 * time.Second)) // asking again is for Tick
	if !slices.Equal(r.upstream.asked, []uint16{11}) || len(r.upstream.mendAfter) != 2 {
		t.Errorf("asked for %v, to be mended after %v", r.upstream.asked, r.upstream.mendAfter)
	}
}

// TestAnOldConnectionMendsNothing checks that a connection does not ask for packets of the one that took its place.
func TestAnOldConnectionMendsNothing(t *testing.T) {
	r := newRig(t, 1)
	r.connect()
	v := mediatest.VideoSender{SSRC: 1, Sequence: 10}
	r.receive(v.Frame(true, 1)...)
	v.Frame(false, 1)
	r.receive(v.Frame(false, 1)...)
	r.in.MendGaps(r.now.Add(gaps.MaxReorder))
	if len(r.upstream.asked) != 0 {
		t.Errorf("asked for %v", r.upstream.asked)
	}
}
