package lobby

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/limit"
	"github.com/porch-call/porch/backend/signalling"
)

// Options bound a lobby. A zero field takes its default.
type Options struct {
	Limit     int           // requests that wait at once; default 64
	Timeout   time.Duration // from the first knock to TimedOut; default 30 minutes
	AwayGrace time.Duration // how long a guest whose path is lost keeps its place; default 2 minutes
	Devices   int           // devices remembered, for declines, blocks and pace; default 1,024
	Rate      limit.Rate    // knocks of one device; default 5 at once, then one in 10 s
	TotalRate limit.Rate    // new requests of all devices; default 128 at once, then 4 a second
	// AddressRate is new requests from one address; default 64 at once, then 1 a
	// second: less than all, so that one address does not use up the others' share.
	AddressRate limit.Rate
	Locked      bool // as after SetLocked(true)
	Silenced    bool // as after SetSilenced(true)

	// OnChange is told the newest snapshot after each change; snapshots that
	// were overtaken are left out. It is called on a goroutine of its own, one
	// call at a time, so it may block and may call the lobby. nil is fine.
	OnChange func(Snapshot)
}

func (o Options) withDefaults() Options {
	o.Limit = cmp.Or(o.Limit, 64)
	o.Timeout = cmp.Or(o.Timeout, 30*time.Minute)
	o.AwayGrace = cmp.Or(o.AwayGrace, 2*time.Minute)
	o.Devices = cmp.Or(o.Devices, 1024)
	o.Rate = cmp.Or(o.Rate, limit.Rate{Burst: 5, Every: 10 * time.Second})
	o.TotalRate = cmp.Or(o.TotalRate, limit.Rate{Burst: 128, Every: 250 * time.Millisecond})
	o.AddressRate = cmp.Or(o.AddressRate, limit.Rate{Burst: 64, Every: time.Second})
	return o
}

// Known is what the host's records say of a guest; the lobby hands it through.
type Known struct {
	TimesLetIn int    // how often this device was let in before, on any link
	NameKnown  bool   // another device of this name was let in before
	LooksLike  string // the name of another device that was let in before, and that this one looks like; "" for none
}

// Knock is what a guest brings.
type Knock struct {
	Device string // the browser's id, opaque here; one entry per device
	Name   string // as signalling has validated it
	Known  Known
	// Address is where the guest is, opaque: when the lobby is full, the address
	// with the most places gives up its newest for a guest from another one that
	// has fewer. "" is not known, and not counted.
	Address string
}

// Request is a join request as the host sees it.
type Request struct {
	ID        string // unguessable, never used again; new when a replacing knock has another name
	Device    string // as in Knock
	Name      string
	Known     Known
	Picture   string    // as given to Lobby.Picture
	Since     time.Time // of the device's first knock in this wait
	Bell      signalling.Bell
	BellSince time.Time
	Retry     bool // was declined once
	Away      bool // the guest's path is lost; the place is kept for a while
}

// BellState is how a request was announced to the host, and since when.
type BellState struct {
	Bell  signalling.Bell
	Since time.Time
}

// Snapshot is the whole lobby at one moment. Receivers must not change it.
type Snapshot struct {
	Requests []Request // in the order in which they knocked
	Locked   bool
	Silenced bool
	Closed   bool // the last snapshot of a lobby
}

// Lobby is the queue of one link. Its methods are safe for concurrent use and
// wait for nothing but the lobby's own goroutine, which never blocks.
type Lobby struct {
	ops   chan func(*queue, time.Time) // carried out by run, which owns the queue
	ended chan struct{}                // closed when run has returned
	last  *queue                       // the queue, for reading once ended is closed
}

// New starts a lobby; Close ends it.
func New(o Options) *Lobby {
	l := &Lobby{
		ops:   make(chan func(*queue, time.Time)),
		ended: make(chan struct{}),
		last:  newQueue(o.withDefaults()),
	}
	snapshots := make(chan Snapshot, 1)
	go l.run(l.last, snapshots)
	go l.tell(o.OnChange, snapshots)
	return l
}

// run owns the queue until it is closed.
func (l *Lobby) run(q *queue, snapshots chan Snapshot) {
	defer close(snapshots)
	defer close(l.ended)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for q.closed == "" {
		select {
		case op := <-l.ops:
			op(q, time.Now())
		case <-timer.C:
			q.expire(time.Now())
		}
		if q.changed {
			q.changed = false
			select {
			case <-snapshots:
			default:
			}
			snapshots <- q.snapshot() // has room: run alone sends
			if at, ok := q.next(); ok {
				timer.Reset(time.Until(at))
			} else {
				timer.Stop()
			}
		}
	}
}

// tell hands snapshots to OnChange, off the lobby's goroutine. It ends after
// the last.
func (l *Lobby) tell(onChange func(Snapshot), snapshots <-chan Snapshot) {
	for s := range snapshots {
		if onChange != nil {
			onChange(s)
		}
	}
}

// do has the owner carry out op and waits for it. It is false, and op not
// called, if the lobby has ended or ctx ended first.
func (l *Lobby) do(ctx context.Context, op func(*queue, time.Time)) bool {
	done := make(chan struct{})
	select {
	case l.ops <- func(q *queue, now time.Time) {
		defer close(done)
		op(q, now)
	}:
		<-done
		return true
	case <-l.ended:
		return false
	case <-ctx.Done():
		return false
	}
}

// Knock adds a join request and returns at once. A device that waits already
// keeps its place and its time, whatever its pace, and its older ticket is
// Replaced; under another name it is another request, and pace counts. A device
// whose request was decided while it was away gets that decision. Faults:
// LobbyFull, LobbyLocked, Blocked, DeclinedForGood, TooFast, and, by what the
// lobby was closed with, LinkRemoved, LinkSpent, CallEnded, HostGone,
// ShuttingDown. If ctx ends before the lobby has taken the knock: ctx's error.
func (l *Lobby) Knock(ctx context.Context, k Knock) (t *Ticket, err error) {
	if !l.do(ctx, func(q *queue, now time.Time) { t, err = q.knock(k, now) }) {
		select {
		case <-l.ended:
			return l.last.knock(k, time.Time{})
		default:
			return nil, ctx.Err()
		}
	}
	return t, err
}

// Picture shows the host a picture of a ticket's guest, opaque here; the newest
// counts. It is kept for as long as the request waits. A no-op on a decided
// ticket.
func (l *Lobby) Picture(t *Ticket, picture string) {
	l.do(context.Background(), func(q *queue, _ time.Time) { q.picture(t, picture) })
}

// Admit lets a request in. On one that is decided or gone: RequestGone.
func (l *Lobby) Admit(id string) error { return l.command((*queue).admit, id) }

// Decline refuses a request. The first time its device may knock once more,
// after the second not in the life of this lobby. Fault: RequestGone.
func (l *Lobby) Decline(id string) error { return l.command((*queue).decline, id) }

// AskToWait answers without deciding. Twice is fine. Fault: RequestGone.
func (l *Lobby) AskToWait(id string) error { return l.command((*queue).askToWait, id) }

// Block refuses a request and every later one of its device. Fault: RequestGone.
func (l *Lobby) Block(id string) error { return l.command((*queue).block, id) }

// command carries out one of the host's commands on one request.
func (l *Lobby) command(do func(*queue, string, time.Time) bool, id string) error {
	found := false
	l.do(context.Background(), func(q *queue, now time.Time) { found = do(q, id, now) })
	if !found {
		return fault.New(fault.RequestGone, nil)
	}
	return nil
}

// BlockDevice makes later knocks of a device end in Blocked, and refuses the
// one that waits. For participants who are removed and must not ask again.
func (l *Lobby) BlockDevice(device string) {
	l.do(context.Background(), func(q *queue, now time.Time) { q.blockDevice(device, now) })
}

// AdmitAll lets in those of ids that still wait, and returns them. The caller
// names the requests that the host has seen: a knock that came in the moment
// before the button was pressed must not slip in with the others.
func (l *Lobby) AdmitAll(ids []string) []string { return l.commandAll((*queue).admit, ids) }

// DeclineAll declines those of ids that still wait, and returns them.
func (l *Lobby) DeclineAll(ids []string) []string { return l.commandAll((*queue).decline, ids) }

func (l *Lobby) commandAll(do func(*queue, string, time.Time) bool, ids []string) (done []string) {
	l.do(context.Background(), func(q *queue, now time.Time) {
		done = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !do(q, id, now) })
	})
	return done
}

// SetLocked refuses new requests, or takes them again. Those who wait stay, and
// may knock again.
func (l *Lobby) SetLocked(on bool) {
	l.do(context.Background(), func(q *queue, _ time.Time) { q.setLocked(on) })
}

// SetSilenced makes new requests come with BellSilenced. When the silence ends,
// those who came during it ring.
func (l *Lobby) SetSilenced(on bool) {
	l.do(context.Background(), func(q *queue, now time.Time) { q.setSilenced(on, now) })
}

// Leave takes a ticket back: the guest gave up. A no-op on a decided ticket.
func (l *Lobby) Leave(t *Ticket) {
	l.do(context.Background(), func(q *queue, now time.Time) { q.leave(t, now) })
}

// Away says that the path to a ticket's guest is lost. The place is kept for
// Options.AwayGrace and so is a decision taken meanwhile, or one that Verdict
// has not returned: the device's next knock under the same name gets it.
func (l *Lobby) Away(t *Ticket) {
	l.do(context.Background(), func(q *queue, now time.Time) { q.away(t, now) })
}

// Undelivered says that a ticket's guest was lost before the verdict, which
// Verdict has returned, came to anything. It is kept as by Away.
func (l *Lobby) Undelivered(t *Ticket) {
	l.do(context.Background(), func(q *queue, now time.Time) {
		t.taken.Store(false)
		q.away(t, now)
	})
}

// Snapshot returns the lobby as it is now.
func (l *Lobby) Snapshot() (s Snapshot) {
	if !l.do(context.Background(), func(q *queue, _ time.Time) { s = q.snapshot() }) {
		s = l.last.snapshot()
	}
	return s
}

// Close answers everybody who waits with o, one of the last five outcomes, and
// ends the lobby. It returns when all are answered; OnChange is told by itself.
// A second call is a no-op.
func (l *Lobby) Close(o Outcome) {
	if _, ok := o.closing(); !ok {
		o = Shutdown
	}
	l.do(context.Background(), func(q *queue, _ time.Time) { q.close(o) })
	<-l.ended
}
