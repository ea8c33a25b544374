package call

import (
	"fmt"
	"testing"

	"github.com/porch-call/porch/backend/signalling"
)

func newTestCall(tb testing.TB, o Options) *Call {
	tb.Helper()
	e, err := NewEngine(o)
	must(tb, err)
	c, err := e.NewCall(Hooks{})
	must(tb, err)
	tb.Cleanup(func() { must(tb, e.Close()) })
	return c
}

// heard returns whom the guest has got packets of this kind from.
func (g *guest) heard(kind signalling.Kind) map[string]int {
	from := make(map[string]string)
	for _, s := range g.tracks.Slots {
		from[s.Mid] = s.Participant
	}
	n := make(map[string]int)
	for _, r := range g.packets {
		if r.kind == kind {
			n[from[r.mid]]++
		}
	}
	return n
}

func TestEightGuestsSeeAndHearOneAnother(t *testing.T) {
	const n = 8
	c := newTestCall(t, Options{})
	guests := make([]*guest, n)
	for i := range guests {
		guests[i] = join(t, c, guestOptions{profile: Profile{ID: fmt.Sprint("g", i), Name: fmt.Sprint("Guest ", i)}})
		guests[i].send()
	}
	for _, g := range guests {
		g.until("media of everybody", func() bool {
			return len(g.heard(signalling.KindAudio)) == n-1 && len(g.heard(signalling.KindVideo)) == n-1
		})
		g.until("feedback", func() bool { return g.twcc > 0 && g.reports > 0 && g.srs > 0 })
	}
	s := c.Stats()
	t.Logf("%+v", s)
	if s.UnadmittedMedia != 0 || s.Malformed != 0 || s.Participants != n {
		t.Errorf("stats: %+v", s)
	}
}
