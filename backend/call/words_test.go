package call

import (
	"slices"
	"testing"

	"github.com/porch-call/porch/backend/signalling"
)

// TestAPausedPictureSaysWhy: a guest whose own line is too poor for a picture is told which one waits, and that it is
// their line, until it has room again. A page that takes no such words gets none.
func TestAPausedPictureSaysWhy(t *testing.T) {
	c := newTestCall(t, Options{})
	a := join(t, c, guestOptions{profile: Profile{ID: "a"}})
	b := join(t, c, guestOptions{profile: Profile{ID: "b", Muted: true, CameraOff: true}})
	a.send()
	view := looking("a")
	view.Takes = append(view.Takes, signalling.TakesLine)
	b.look(view)
	a.look(looking("b"))
	b.until("a's picture", func() bool { return b.pictures() > 5 })
	stop := b.claims(70_000)
	paused := []signalling.Pause{{Participant: "a", Reason: signalling.PauseLine}}
	b.until("the pause", func() bool { return slices.Equal(b.line().Paused, paused) })
	b.until("that the line is slow", func() bool { return b.line().SlowDown })
	stop()
	b.mu.Lock()
	told := len(b.lines)
	b.mu.Unlock()
	if told > 3 {
		t.Errorf("told %d times", told)
	}
	defer b.claims(2_000_000)()
	b.until("that it goes on", func() bool { return len(b.line().Paused) == 0 })
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.lines) != 0 {
		t.Errorf("a page that takes no lines is told %+v", a.lines)
	}
}

// line returns what g was told last of its line. The caller holds g.mu.
func (g *guest) line() signalling.Line {
	if len(g.lines) == 0 {
		return signalling.Line{}
	}
	return g.lines[len(g.lines)-1]
}
