package lobby

import (
	"context"
	"sync/atomic"
)

// Ticket is a guest's place in the lobby.
type Ticket struct {
	id      string
	device  string
	name    string
	bell    chan BellState
	done    chan struct{}
	verdict Verdict     // set before done is closed
	taken   atomic.Bool // Verdict has returned the verdict, or it is kept as a promise
	paced   bool        // never changes
}

func newTicket(id string, k Knock) *Ticket {
	return &Ticket{
		id: id, device: k.Device, name: k.Name,
		bell: make(chan BellState, 1), done: make(chan struct{}),
	}
}

// ID returns the id of the request.
func (t *Ticket) ID() string { return t.id }

// Paced reports whether the knock counted against its device's pace. A knock that only found its old place again did
// not, and should cause no costly work.
func (t *Ticket) Paced() bool { return t.paced }

// Bell carries the newest state of the bell. The first state is there at once, unless the ticket is already decided.
// States that were overtaken are left out. The channel is never closed, so select on Done as well.
func (t *Ticket) Bell() <-chan BellState { return t.bell }

// Done is closed when there is a verdict.
func (t *Ticket) Done() <-chan struct{} { return t.done }

// Verdict waits until the request is decided or ctx ends. If both have happened, it returns the verdict. Later calls
// return the same verdict.
func (t *Ticket) Verdict(ctx context.Context) (Verdict, error) {
	select {
	case <-t.done:
	case <-ctx.Done():
		select {
		case <-t.done:
		default:
			return Verdict{}, ctx.Err()
		}
	}
	t.taken.Store(true)
	return t.verdict, nil
}

// ring replaces the state of the bell. Only the lobby's goroutine calls it, so there is room in the channel when it
// sends.
func (t *Ticket) ring(b BellState) {
	select {
	case <-t.bell:
	default:
	}
	t.bell <- b
}

// decide answers the waiting guest. The queue calls it once for each ticket.
func (t *Ticket) decide(v Verdict) {
	t.verdict = v
	close(t.done)
}

// take reports whether the ticket carries a decision of the host that was not taken before, and marks it as taken. What
// a standing decision brought is not one: the guest's next knock is judged by what the host has decided by then. Only
// the lobby's goroutine calls it.
func (t *Ticket) take() bool {
	select {
	case <-t.done:
		v := t.verdict
		return (v.Outcome == Admitted && !v.Standing || v.Outcome == Declined) && t.taken.CompareAndSwap(false, true)
	default:
		return false
	}
}
