package lobby

import "context"

// Lobby is the queue of one link. Its methods are safe for concurrent use.
type Lobby struct{}

// New starts a lobby; Close ends it.
func New(o Options) *Lobby { panic("unwritten") }

// Knock adds a join request and returns at once. A device that waits already
// keeps its place and its time, and the older ticket is Replaced. Faults:
// LobbyFull, LobbyLocked, Blocked, DeclinedForGood, TooFast, and the reason of
// closing: LinkRemoved, LinkSpent, CallEnded, HostGone, ShuttingDown.
func (l *Lobby) Knock(ctx context.Context, k Knock) (*Ticket, error) { panic("unwritten") }

// Admit lets a request in. On one that is decided or gone: RequestGone.
func (l *Lobby) Admit(id string) error { panic("unwritten") }

// Decline refuses a request. The first time the device may knock once more,
// after the second not in the life of this lobby. Fault: RequestGone.
func (l *Lobby) Decline(id string) error { panic("unwritten") }

// AskToWait answers without deciding. Fault: RequestGone.
func (l *Lobby) AskToWait(id string) error { panic("unwritten") }

// Block refuses a request and every later one of its device. Fault: RequestGone.
func (l *Lobby) Block(id string) error { panic("unwritten") }

// BlockDevice makes later knocks of a device end in Blocked, and refuses the
// one that waits. For participants who are removed and must not ask again.
func (l *Lobby) BlockDevice(device string) { panic("unwritten") }

// AdmitAll lets in those of ids that still wait, and returns them. The caller
// names the requests that the host has seen: a knock that came a moment before
// the button was pressed must not slip in with the others.
func (l *Lobby) AdmitAll(ids []string) []string { panic("unwritten") }

// DeclineAll declines those of ids that still wait, and returns them.
func (l *Lobby) DeclineAll(ids []string) []string { panic("unwritten") }

// SetLocked refuses new requests. Those who wait stay.
func (l *Lobby) SetLocked(bool) { panic("unwritten") }

// SetSilenced makes later requests come with BellSilenced. When the silence
// ends, those who came during it ring.
func (l *Lobby) SetSilenced(bool) { panic("unwritten") }

// Leave takes a ticket back: the guest gave up. No-op on a decided ticket.
func (l *Lobby) Leave(t *Ticket) { panic("unwritten") }

// Away says that the path to a ticket's guest is lost. The place is kept for
// Options.AwayGrace, and a decision taken meanwhile too: the device's next
// knock gets it at once.
func (l *Lobby) Away(t *Ticket) { panic("unwritten") }

// Snapshot returns the lobby as it is now.
func (l *Lobby) Snapshot() Snapshot { panic("unwritten") }

// Close answers everybody who waits with the outcome, one of the last five, and
// ends the lobby. It returns when all are answered; a second call is a no-op.
func (l *Lobby) Close(o Outcome) { panic("unwritten") }

// Ticket is a guest's place in the lobby.
type Ticket struct{}

// ID is the request's id.
func (t *Ticket) ID() string { panic("unwritten") }

// Bell carries the newest state of the bell; the first is there at once.
// States that were overtaken are left out. It is never closed.
func (t *Ticket) Bell() <-chan BellState { panic("unwritten") }

// Done is closed when the verdict is there.
func (t *Ticket) Done() <-chan struct{} { panic("unwritten") }

// Verdict parks until the request is decided or ctx ends. The verdict never
// changes; asking again returns the same. A decided ticket answers even if ctx
// has ended.
func (t *Ticket) Verdict(ctx context.Context) (Verdict, error) { panic("unwritten") }
