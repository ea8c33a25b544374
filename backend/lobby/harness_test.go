package lobby

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/porch-call/porch/backend/fault"
)

// porch is a lobby in a synctest bubble, where the test controls the time.
type porch struct {
	*testing.T
	*Lobby
}

func inBubble(t *testing.T, o Options, f func(p porch)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := New(o)
		f(porch{t, l})
		l.Close(Shutdown)
	})
}

func (p porch) knock(device, name string) *Ticket {
	p.Helper()
	ticket, err := p.Knock(p.Context(), Knock{Device: device, Name: name})
	if err != nil {
		p.Fatalf("%s knocks: %v", device, err)
	}
	return ticket
}

func (p porch) refused(device string, want fault.Code) {
	p.Helper()
	if _, err := p.Knock(p.Context(), Knock{Device: device, Name: "Ann"}); fault.CodeOf(err) != want {
		p.Errorf("%s knocks: %v, want %s", device, err, want)
	}
}

// verdict returns the verdict of a decided ticket.
func (p porch) verdict(ticket *Ticket) Verdict {
	p.Helper()
	synctest.Wait()
	ctx, cancel := context.WithCancel(p.Context())
	cancel()
	v, err := ticket.Verdict(ctx)
	if err != nil {
		p.Errorf("no verdict: %v", err)
	}
	return v
}

func (p porch) waits(ticket *Ticket) {
	p.Helper()
	synctest.Wait()
	select {
	case <-ticket.Done():
		p.Errorf("decided: %+v", ticket.verdict)
	default:
	}
}

func (p porch) names() []string {
	var names []string
	for _, r := range p.Snapshot().Requests {
		names = append(names, r.Name)
	}
	return names
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
