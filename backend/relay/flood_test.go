package relay

import (
	"testing"
	"time"

	"github.com/porch-call/porch/backend/relay/switchboard"
)

func TestBudget(t *testing.T) {
	limit := 1000
	b := &budget{limit: func() int { return limit }, fill: time.Second}
	now := time.Unix(1000, 0)
	burst := switchboard.Held(limit) * 3 / 4
	if !b.allow(burst-1, now) || b.allow(100, now) {
		t.Errorf("not %d bytes at once", burst)
	}
	if !b.allow(burst/2-100, now.Add(500*time.Millisecond)) || b.allow(burst/2, now.Add(500*time.Millisecond)) {
		t.Error("not half as many in half the time")
	}
	limit = 100_000
	if !b.allow(limit, now.Add(500*time.Millisecond)) {
		t.Error("a higher limit does not count")
	}
}
