package lobby

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/limit"
	"github.com/porch-call/porch/backend/signalling"
)

// Options are the limits and first settings of a lobby. Zero fields take the defaults.
type Options struct {
	Limit     int           // requests that may wait at the same time; default 64
	Timeout   time.Duration // from a device's first knock to TimedOut; default 30 minutes
	AwayGrace time.Duration // how long a guest whose connection is lost keeps the place; default 2 minutes
	Devices   int           // devices whose declines, blocks and pace are remembered; default 1,024
	Rate      limit.Rate    // knocks of one device; default 5 at once, then one in 10 s
	TotalRate limit.Rate    // new requests of all devices; default 128 at once, then 4 a second
	// AddressRate limits new requests from one address; default 64 at once, then 1 a second. It is lower than
	// TotalRate, so that one address does not use up the share of the others.
	AddressRate limit.Rate
	// Worked limits new requests of guests who have done the work; default 32 at once, then 4 a second. Invented guests
	// who do none use up TotalRate, and this one is kept for the others.
	Worked limit.Rate
	// Declines returns how often a device was declined in earlier lives of the lobby; nil means never. It must not block.
	Declines func(device string) int
	Locked   bool // as after SetLocked(true)
	Silenced bool // as after SetSilenced(true)

	// OnChange gets the newest snapshot after each change; nil is allowed. Snapshots that a newer one overtakes are
	// left out. It runs on its own goroutine, one call at a time, so it may block and may call the lobby.
	OnChange func(Snapshot)
}

func (o Options) withDefaults() Options {
	o.Limit = cmp.Or(o.Limit, 64)
	o.Timeout = cmp.Or(o.Timeout, 30*time.Minute)
	o.AwayGrace = cmp.Or(o.AwayGrace, 2*time.Minute)
	o.Devices = cmp.Or(o.Devices, 1024)
	o.Rate = cmp.Or(o.Rate, limit.Rate{Burst: 5, Every: 10 * time.Second})
	o.TotalRate = cmp.Or(o.TotalRate, limit.Rate{Burst: 128, Every: 250 * time.Millisecond})
	o.Worked = cmp.Or(o.Worked, limit.Rate{Burst: 32, Every: 250 * time.Millisecond})
	o.AddressRate = cmp.Or(o.AddressRate, limit.Rate{Burst: 64, Every: time.Second})
	return o
}

// Known is what the host's records say about a guest. The lobby passes it through.
type Known struct {
	TimesLetIn int    // how often this browser was let in before, on any link
	Name       string // the name under which it was let in last, if it is known by its key; "" otherwise
	NameKnown  bool   // another device was let in under this name before
	LooksLike  string // a name under which another device was let in before, and which this one resembles; "" for none
	Copy       string // name of the copy of the link by which the device came; "" for the link's own address
	Browser    int    // which of the browsers that came by this copy; 0 for the link's own address
}

// Knock is a guest's request to join.
type Knock struct {
	Device string // the browser's id, opaque here; one request per device
	Name   string // as validated by signalling
	Known  Known
	// Address is where the guest comes from, opaque here; "" for unknown, which is not counted. When the lobby is
	// full, the address with the most places gives up its newest one to a guest from an address with fewer places.
	Address string

	Local    bool   // the address is that of this computer, and says nothing of the guest
	Key      string // the browser's key as it was proved, opaque here; "" for none. One request per key.
	Standing bool   // the host has decided beforehand to let this browser in
	Work     Work
	Hints    string // what the host is told of the knock besides, opaque here
}

// Work says whether a guest has done the work that a busy lobby asks for.
type Work int

// The cases.
const (
	WorkCannot Work = iota // the guest's page does not know how
	WorkNotDone
	WorkDone
)

// ErrWork means that many knock at once: the guest should do some work and knock again.
var ErrWork = errors.New("lobby: work wanted")

// Request is a join request as the host sees it.
type Request struct {
	ID        string // unguessable and never used again; changes when the device knocks under another name
	Device    string // as in Knock
	Name      string
	Known     Known
	Key       string    // as in Knock
	Hints     string    // as in Knock
	Picture   string    // as given to Lobby.Picture
	Since     time.Time // the device's first knock of this wait
	Bell      signalling.Bell
	BellSince time.Time // when the bell rang last, was silent for the request, or the host asked to wait
	Rings     int       // how often the bell has rung for it
	Seen      bool      // the host has looked at it since the bell rang last
	WaitUntil time.Time // with BellAskWait: when the bell rings again; zero for not by itself
	Retry     bool      // the device was declined once
	Outside   bool      // the guest was in the call, and was put out of it to wait
	Away      bool      // the guest's connection is lost; the place is kept for Options.AwayGrace
}

// BellState is how the host was told of a request. Its fields are those of [Request].
type BellState struct {
	Bell  signalling.Bell
	Since time.Time
	Rings int
	Seen  bool
	Until time.Time
}

// Snapshot is the state of a lobby at one time. Receivers must not change it.
type Snapshot struct {
	Requests []Request // in the order of their knocks
	Locked   bool
	Silenced bool
	Closed   bool // this is the lobby's last snapshot
}

// Lobby is the waiting queue of one link. Its methods are safe for concurrent use. They wait only for the lobby's own
// goroutine, which never blocks.
type Lobby struct {
	ops   chan func(*queue, time.Time) // executed by run, which owns the queue
	ended chan struct{}                // closed when run has returned
	last  *queue                       // the queue; may be read once ended is closed
}

// New starts a lobby. Close ends it.
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
			snapshots <- q.snapshot() // there is room, because only run sends
			if at, ok := q.next(); ok {
				timer.Reset(time.Until(at))
			} else {
				timer.Stop()
			}
		}
	}
}

// tell passes snapshots to OnChange on its own goroutine. It ends after the last snapshot.
func (l *Lobby) tell(onChange func(Snapshot), snapshots <-chan Snapshot) {
	for s := range snapshots {
		if onChange != nil {
			onChange(s)
		}
	}
}

// do runs op on the lobby's goroutine and waits until it is done. It returns false, without running op, if the lobby
// or ctx has ended first.
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

// Knock adds a join request and returns at once. A device that is already waiting keeps its place and its time,
// whatever its pace, and its older ticket ends with Replaced. Under another name it makes a new request, and its pace
// counts. A device whose request was decided while it was away gets that decision.
//
// A guest with a standing decision of the host is let in at once, unless the lobby is locked or the guest is blocked. While
// many knock at once, a guest who can do work and has not gets ErrWork.
//
// Faults: LobbyFull, LobbyLocked, Blocked, DeclinedForGood, TooFast. A closed lobby returns LinkRemoved, LinkSpent,
// CallEnded, HostGone or ShuttingDown, by the outcome that it was closed with. If ctx ends before the lobby has
// accepted the knock, its error is returned.
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

// Picture shows the host a picture of a ticket's guest, opaque here. A newer picture replaces it. It is kept while
// the request waits. On a decided ticket this does nothing.
func (l *Lobby) Picture(t *Ticket, picture string) {
	l.do(context.Background(), func(q *queue, _ time.Time) { q.picture(t, picture) })
}

// Admit lets a request in. Fault: RequestGone, if it is decided or gone.
func (l *Lobby) Admit(id string) error { return l.command((*queue).admit, id) }

// Decline refuses a request. After the first decline its device may knock once more, and after the second not again
// in the life of this lobby. Fault: RequestGone.
func (l *Lobby) Decline(id string) error { return l.command((*queue).decline, id) }

// AskToWait tells the guest to wait and leaves the request undecided. After the given time the bell rings again; 0 means
// that it does not by itself. It may be called again. Fault: RequestGone.
func (l *Lobby) AskToWait(id string, wait time.Duration) error {
	return l.command(func(q *queue, id string, now time.Time) bool { return q.askToWait(id, wait, now) }, id)
}

// See says that the host has looked at requests, so that the bell does not go on for them.
func (l *Lobby) See(ids []string) {
	l.do(context.Background(), func(q *queue, _ time.Time) {
		for _, id := range ids {
			q.see(id)
		}
	})
}

// Block refuses a request and all later requests of its device. Fault: RequestGone.
func (l *Lobby) Block(id string) error { return l.command((*queue).block, id) }

// command runs one of the host's commands on one request.
func (l *Lobby) command(do func(*queue, string, time.Time) bool, id string) error {
	found := false
	l.do(context.Background(), func(q *queue, now time.Time) { found = do(q, id, now) })
	if !found {
		return fault.New(fault.RequestGone, nil)
	}
	return nil
}

// BlockDevice blocks a device: it refuses the device's waiting request, and later knocks return Blocked. It serves to
// remove participants who may not ask again.
func (l *Lobby) BlockDevice(device string) {
	l.do(context.Background(), func(q *queue, now time.Time) { q.blockDevice(device, now) })
}

// AdmitAll lets in those of ids that still wait, and returns them. The caller passes the requests that the host has
// seen, so that a knock just before the button was pressed is not admitted with the others.
func (l *Lobby) AdmitAll(ids []string) []string { return l.commandAll((*queue).admit, ids) }

// DeclineAll declines those of ids that still wait, and returns them.
func (l *Lobby) DeclineAll(ids []string) []string { return l.commandAll((*queue).decline, ids) }

func (l *Lobby) commandAll(do func(*queue, string, time.Time) bool, ids []string) (done []string) {
	l.do(context.Background(), func(q *queue, now time.Time) {
		done = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !do(q, id, now) })
	})
	return done
}

// SetLocked makes the lobby refuse new requests, or accept them again. Waiting guests stay, and may knock again.
func (l *Lobby) SetLocked(on bool) {
	l.do(context.Background(), func(q *queue, _ time.Time) { q.setLocked(on) })
}

// SetSilenced gives new requests BellSilenced. When the silence ends, requests that came during it ring.
func (l *Lobby) SetSilenced(on bool) {
	l.do(context.Background(), func(q *queue, now time.Time) { q.setSilenced(on, now) })
}

// Leave withdraws a ticket, because the guest gave up. On a decided ticket this does nothing.
func (l *Lobby) Leave(t *Ticket) {
	l.do(context.Background(), func(q *queue, now time.Time) { q.leave(t, now) })
}

// Away says that the connection to a ticket's guest is lost. The place is kept for Options.AwayGrace. So is a
// decision that was made in this time, or that Verdict has not returned yet: the device gets it with its next knock
// under the same name.
func (l *Lobby) Away(t *Ticket) {
	l.do(context.Background(), func(q *queue, now time.Time) { q.away(t, now) })
}

// Undelivered says that Verdict returned a verdict, and the guest was lost before it was carried out. The verdict is
// kept as by Away.
func (l *Lobby) Undelivered(t *Ticket) {
	l.do(context.Background(), func(q *queue, now time.Time) {
		t.taken.Store(false)
		q.away(t, now)
	})
}

// Snapshot returns the current state of the lobby.
func (l *Lobby) Snapshot() (s Snapshot) {
	if !l.do(context.Background(), func(q *queue, _ time.Time) { s = q.snapshot() }) {
		s = l.last.snapshot()
	}
	return s
}

// Close answers all waiting guests with o, one of the last five outcomes, and ends the lobby. It returns when all are
// answered, and does not wait for OnChange. A second call does nothing.
func (l *Lobby) Close(o Outcome) {
	if _, ok := o.closing(); !ok {
		o = Shutdown
	}
	l.do(context.Background(), func(q *queue, _ time.Time) { q.close(o) })
	<-l.ended
}
