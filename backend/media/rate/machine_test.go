package rate_test

import (
	"testing"
	"time"

	"github.com/porch-call/porch/backend/media/rate"
)

// TestAMachineBends: it carries 50 Mbit/s and is asked for 140. What it does not read in time it drops. What is
// delivered must be near to what it carries, and there is no limit once it is asked for less.
func TestAMachineBends(t *testing.T) {
	const carries, step = 50e6, 100 * time.Millisecond
	var m rate.Machine
	now := time.Unix(100, 0)
	dropped, backlog, delivered, lost := uint64(0), 0.0, 0.0, 0.0
	run := func(d time.Duration, asked float64) {
		for end := now.Add(d); now.Before(end); now = now.Add(step) {
			sent := asked
			if limit, ok := m.Limit(); ok {
				sent = min(asked, float64(limit))
			}
			backlog += (sent - carries) * step.Seconds()
			if backlog > 4e6 {
				dropped += uint64((backlog - 4e6) / 9600)
				lost += backlog - 4e6
				backlog = 4e6
			}
			backlog = max(backlog, 0)
			out := min(sent, carries)
			delivered += out * step.Seconds()
			m.Tick(now, dropped, backlog/4e6, rate.Bitrate(out))
		}
	}
	run(5*time.Second, 140e6)
	if !m.Overrun() && backlog > 2e6 {
		t.Error("it does not notice")
	}
	delivered, lost = 0, 0
	run(30*time.Second, 140e6)
	if got := delivered / carries / 30; got < 0.85 {
		t.Errorf("%.2f of what it carries is delivered", got)
	}
	if got := lost / (delivered + lost); got > 0.02 {
		t.Errorf("%.3f is lost", got)
	}
	run(60*time.Second, 20e6)
	if _, ok := m.Limit(); ok || m.Overrun() {
		t.Error("a limit without need")
	}
}

// TestASmallCallHasNoLimit: a machine that is busy with something else drops packets, too.
func TestASmallCallHasNoLimit(t *testing.T) {
	var m rate.Machine
	now := time.Unix(100, 0)
	for dropped := range uint64(50) {
		now = now.Add(100 * time.Millisecond)
		m.Tick(now, 10*dropped, 1, 3*rate.Mbit)
		if _, ok := m.Limit(); ok {
			t.Fatal("a limit")
		}
	}
	if !m.Overrun() {
		t.Error("what is dropped is not noticed")
	}
}
