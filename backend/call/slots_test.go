package call

import (
	"fmt"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/signalling"
)

// quiet is a guest with microphone and camera off.
func quiet(id string) guestOptions {
	o := as(id)
	o.profile.Muted, o.profile.CameraOff = true, true
	return o
}

// slotPairs returns how many pairs of slots a participant has.
func slotPairs(t *testing.T, c *Call, id string) (n int) {
	t.Helper()
	m := c.member(id)
	must(t, c.do(func() { n = len(m.pairs) }))
	return n
}

// TestSlotsAreForThoseWhoSend: in a call of one who speaks to many, nobody has slots for all the others. Whoever begins
// to send is seen and heard all the same, without an offer as long as there are only a few.
func TestSlotsAreForThoseWhoSend(t *testing.T) {
	const n = 9
	c := newTestCall(t, Options{})
	speaker := join(t, c, as("speaker"))
	speaker.send()
	guests := make([]*guest, n)
	for i := range guests {
		guests[i] = join(t, c, quiet(fmt.Sprint("g", i)))
		guests[i].untilSees("speaker")
	}
	pairs := 0
	for i := range guests {
		pairs += slotPairs(t, c, fmt.Sprint("g", i))
	}
	if most := n * (1 + quietPairs + grownPairs - 1); pairs > most {
		t.Errorf("%d pairs for %d guests, want %d at most", pairs, n, most)
	}
	if pairs := slotPairs(t, c, "speaker"); pairs > sparePairs+grownPairs {
		t.Errorf("%d pairs for the speaker", pairs)
	}
	// Pages send nothing if their call has no slots in use.
	speaker.until("slots", func() bool { return len(speaker.tracks.Slots) > 0 })

	// The last one is in nobody's slots yet.
	late, ear := guests[n-1], guests[0]
	offers := 0
	ear.update(func() { offers = ear.offers })
	late.send()
	begin := time.Now()
	must(t, late.p.Handle(signalling.MediaState{}))
	ear.untilSees(fmt.Sprint("g", n-1), "speaker")
	t.Logf("seen and heard %v after the press", time.Since(begin))
	ear.update(func() {
		if ear.offers != offers {
			t.Error("it took an offer")
		}
	})

	// Now all begin at once.
	for _, g := range guests[:n-1] {
		g.send()
		must(t, g.p.Handle(signalling.MediaState{Muted: true}))
	}
	ear.until("pictures of all", func() bool { return len(ear.heard(signalling.KindVideo)) == n })
	speaker.until("pictures of all", func() bool { return len(speaker.heard(signalling.KindVideo)) == n })

	// A place that becomes free is given away.
	guests[1].until("pictures of all", func() bool { return len(guests[1].heard(signalling.KindVideo)) == n })
	must(t, guests[1].p.Handle(signalling.Leave{}))
	ear.until("eight others", func() bool { return len(ear.tracks.Slots) == 2*(n-1) })
}

// TestACallOfFewHasSlotsForAll: nothing is assigned anew when somebody mutes and unmutes there.
func TestACallOfFewHasSlotsForAll(t *testing.T) {
	c := newTestCall(t, Options{})
	a, b := join(t, c, as("a")), join(t, c, quiet("b"))
	d := join(t, c, quiet("d"))
	for _, g := range []*guest{a, b, d} {
		g.until("slots for the others", func() bool { return len(g.tracks.Slots) == 4 })
	}
	var before signalling.Tracks
	a.update(func() { before = a.tracks })
	b.send()
	must(t, b.p.Handle(signalling.MediaState{}))
	a.untilSees("b")
	a.update(func() {
		if fmt.Sprint(a.tracks) != fmt.Sprint(before) {
			t.Errorf("%+v, then %+v", before, a.tracks)
		}
	})
}
