package host

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/signalling"
)

// needed is what the computer was last told.
type needed struct{ atomic.Bool }

func (n *needed) Keep(on bool) { n.Store(on) }

func (n *needed) until(t *testing.T, want bool) {
	t.Helper()
	for end := time.Now().Add(patience); n.Load() != want; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("awake: %v, want %v", !want, want)
		}
	}
}

func TestTheComputerIsNeededWhileAGuestIsIn(t *testing.T) {
	var n needed
	f := start(t, setup{awake: &n})
	l := f.link()
	waits := f.knock(l, "Waits")
	if n.Load() {
		t.Fatal("a guest who waits keeps the computer awake")
	}
	f.admit("Waits")
	waits.seated()
	n.until(t, true)
	second := f.enter(l, "Second")
	waits.send(signalling.Leave{})
	f.untilLink(l.ID, "one in the call", func(l hoststate.LinkView) bool { return l.InCall == 1 })
	if !n.Load() {
		t.Fatal("the computer may sleep while a guest is in")
	}
	second.vanish() // may come back
	f.until("the guest is away", func(s hoststate.State) bool { return len(s.Calls) == 1 && s.Calls[0].Participants[0].Away })
	if !n.Load() {
		t.Fatal("the computer may sleep while a guest is expected back")
	}
	f.must(f.host.EndCall(f.ctx, l.ID))
	n.until(t, false)

	f.enter(f.link(), "Third")
	n.until(t, true)
	choice := f.host.Snapshot().Settings
	if !choice.KeepAwake {
		t.Error("off before anybody has switched it off")
	}
	for _, on := range []bool{false, true} { // the switch counts at once
		choice.KeepAwake = on
		f.must(f.host.SetSettings(f.ctx, choice))
		n.until(t, on)
	}
	f.host.Close()
	n.until(t, false)
}
