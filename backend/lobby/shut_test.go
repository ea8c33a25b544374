package lobby

import (
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
)

// TestABlockedGuestsAddress: after a block, browsers that nobody knows may not knock from that address for a while, however
// often they are cleared. Other addresses, known browsers and this computer are not affected.
func TestABlockedGuestsAddress(t *testing.T) {
	q := newQueue(Options{}.withDefaults())
	now := time.Unix(1_800_000_000, 0)
	knock := func(k Knock) (*Ticket, error) {
		k.Name = "Ann"
		return q.knock(k, now)
	}
	bad, err := knock(Knock{Device: "bad", Address: "there"})
	must(t, err)
	q.block(bad.ID(), now)
	_, err = knock(Knock{Device: "cleared", Address: "there"})
	if fault.CodeOf(err) != fault.TooFast || fault.AfterOf(err) != shutFor {
		t.Errorf("cleared, from the same address: %v", err)
	}
	for _, k := range []Knock{
		{Device: "other", Address: "elsewhere"},
		{Device: "known", Address: "there", Key: "key", Known: Known{TimesLetIn: 1}},
	} {
		if _, err := knock(k); err != nil {
			t.Errorf("%s: %v", k.Device, err)
		}
	}
	now = now.Add(shutFor)
	if _, err := knock(Knock{Device: "later", Address: "there"}); err != nil {
		t.Errorf("after %v: %v", shutFor, err)
	}
	here, err := knock(Knock{Device: "here", Address: "this", Local: true})
	must(t, err)
	q.block(here.ID(), now)
	if _, err := knock(Knock{Device: "also here", Address: "this", Local: true}); err != nil {
		t.Errorf("on this computer: %v", err)
	}
}
