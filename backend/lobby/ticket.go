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
	taken   atomic.Bool // Verdict has returned it, or it is kept as a promise
	paced   bool        // never changes
}

func newTicket(id string, k Knock) *Ticket {
	return &Ticket{
		id: id, device: k.Device, name: k.Name,
		bell: make(chan BellState, 1), done: make(chan struct{}),
	}
}

// ID is the request's id.
func (t *Ticket) ID() string { return t.id }

// Paced tells whether the knock was counted against its device's pace. One that
// was not, since it only found its place again, is worth no costly work.
func (t *Ticket) Paced() bool { return t.paced }

// Bell carries the newest state of the bell; the first is there at once, unless
// the ticket is decided from the start. States that were overtaken are left
// out. The channel is never closed: select on Done beside it.
func (t *Ticket) Bell() <-chan BellState { return t.bell }

// Done is closed when the verdict is there.
func (t *Ticket) Done() <-chan struct{} { return t.done }

// Verdict parks until the request is decided or ctx ends. A verdict never
// changes: asking again returns the same, and it goes before the end of ctx if
// both are there.
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

// ring replaces the state of the bell. Only the lobby's goroutine calls it, so
// the place that it has made is still free when it sends.
func (t *Ticket) ring(b BellState) {
	select {
	case <-t.bell:
	default:
	}
	t.bell <- b
}

// decide answers whoever is parked. The queue calls it once a ticket.
func (t *Ticket) decide(v Verdict) {
	t.verdict = v
	close(t.done)
}

// take takes the host's decision off a ticket, if it carries one that nobody
// has taken yet. Only the lobby's goroutine calls it.
func (t *Ticket) take() bool {
	select {
	case <-t.done:
		return (t.verdict.Outcome == Admitted || t.verdict.Outcome == Declined) && t.taken.CompareAndSwap(false, true)
	default:
		return false
	}
}
