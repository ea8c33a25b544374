package switchboard

import (
	"context"
	"sync"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/household"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// Switchboard connects guests with hosts by a link's id. Package switchboardtest
// has the suite that every implementation passes.
type Switchboard interface {
	// Attach makes id reachable. The caller has proved that it holds the keys of
	// id, whose public key is pub. accept is called once for each guest, on that
	// guest's goroutine. Calls may be concurrent, and a slow one delays only its
	// own guest.
	//
	// A second Attach of the same id takes it over: the first Attachment is lost
	// and its channels close with [signalling.CloseHostGone]. That lets a host
	// come back before the loss of its old connection is noticed.
	//
	// ctx bounds Attach itself, not the attachment.
	Attach(ctx context.Context, id sealed.LinkID, pub []byte, accept func(Frames)) (Attachment, error)

	// Dial opens a channel to the host of id and returns the host's public key
	// and the guest's end. Without a host the error is [fault.LinkUnavailable].
	// With too many guests on the link, or too many from remote.Key, it is
	// [fault.TooFast].
	Dial(ctx context.Context, id sealed.LinkID, remote RemoteInfo) (pub []byte, guestEnd Frames, err error)
}

// Attachment is a host's hold on an id.
type Attachment interface {
	// Detach gives the id up. Its channels close with [signalling.CloseHostGone],
	// and it accepts no further guest. A call of accept that is under way may
	// still finish, with a closed channel. Detaching again does nothing.
	Detach()
	// Lost is closed when the attachment has ended: detached, taken over, or
	// cut off.
	Lost() <-chan struct{}
}

// Memory is the switchboard of one process.
type Memory struct {
	perLink, perAddress int
	stall               time.Duration // as the constant; never changes

	mu    sync.Mutex // guards hosts, and the fields of attachments that name it
	hosts map[sealed.LinkID]*attachment

	// Queued bounds the queues of all channels. Set it before the first Attach.
	// nil means no bound.
	Queued *Budget
}

// Share returns how many of a link's places one address may take: a quarter, or
// eight for a family behind one address, if others keep half.
func Share(places int) int { return max(1, places/4, min(family, places/2)) }

const (
	// family is how many people of one household come to a call.
	family = 8

	// newcomers is how many guests of one address may be at one link without a
	// word of the host yet. The host speaks to guests who show the link's secret.
	// The others stay as long as the host and times.open let them.
	newcomers = family

	// stall is for how long a guest keeps a place that others want, without a word
	// of the host.
	stall = 250 * time.Millisecond
)

// NewMemory returns a switchboard in memory. It connects up to perLink guests to
// one link at a time, and up to perAddress of them from one address, so that one
// guest can't keep all others away. Of those to whom the host has said nothing
// yet, it connects at most eight from one address.
func NewMemory(perLink, perAddress int) *Memory {
	return &Memory{perLink: perLink, perAddress: perAddress, stall: stall, hosts: make(map[sealed.LinkID]*attachment)}
}

type attachment struct {
	board  *Memory
	id     sealed.LinkID
	pub    []byte
	accept func(Frames)
	lost   chan struct{}

	// Guarded by board.mu.
	ended    bool
	onLost   func()
	channels map[*channel]struct{}
	places   *household.Tally[string] // of channels; nil until there is a channel
	fresh    *household.Tally[string] // of those to which the host has said nothing yet
}

// stalled returns the channel that was there for longest without a word of the host,
// nil if none was for stall. It gives way when all places are taken, so that guests
// who say nothing, or do not know the secret, can not fill a link. The caller holds
// board.mu.
func (a *attachment) stalled() (oldest *channel) {
	for c := range a.channels {
		if !c.welcomed && !c.leaving && (oldest == nil || c.since.Before(oldest.since)) {
			oldest = c
		}
	}
	if oldest == nil || time.Since(oldest.since) < a.board.stall {
		return nil
	}
	return oldest
}

// Attach implements [Switchboard].
func (m *Memory) Attach(ctx context.Context, id sealed.LinkID, pub []byte, accept func(Frames)) (Attachment, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a := &attachment{
		board: m, id: id, pub: append([]byte(nil), pub...), accept: accept,
		lost: make(chan struct{}),
	}
	m.mu.Lock()
	before := m.hosts[id]
	m.hosts[id] = a
	m.mu.Unlock()
	if before != nil {
		before.Detach()
	}
	return a, nil
}

// Detach implements [Attachment].
func (a *attachment) Detach() {
	m := a.board
	m.mu.Lock()
	if a.ended {
		m.mu.Unlock()
		return
	}
	a.ended = true
	if m.hosts[a.id] == a {
		delete(m.hosts, a.id)
	}
	open := make([]*channel, 0, len(a.channels))
	for c := range a.channels {
		open = append(open, c)
	}
	onLost := a.onLost
	m.mu.Unlock()

	for _, c := range open {
		c.host.Close(signalling.CloseHostGone)
	}
	close(a.lost)
	if onLost != nil {
		go onLost()
	}
}

// afterLost calls f, on a goroutine of its own, when the attachment has ended. Call
// it at most once.
func (a *attachment) afterLost(f func()) {
	a.board.mu.Lock()
	defer a.board.mu.Unlock()
	if a.ended {
		go f()
		return
	}
	a.onLost = f
}

// Lost implements [Attachment].
func (a *attachment) Lost() <-chan struct{} { return a.lost }

// Dial implements [Switchboard].
func (m *Memory) Dial(ctx context.Context, id sealed.LinkID, remote RemoteInfo) ([]byte, Frames, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	pub, guest, accept, err := m.Connect(id, remote)
	if err != nil {
		return nil, nil, err
	}
	accept()
	return pub, guest, nil
}

// Connect is Dial without the call of the host's accept. The caller must call the
// accept that it returns once, on the guest's goroutine. Connect does not block.
// It is for switchboards that are spread over machines and keep the hosts of one
// machine in a Memory.
func (m *Memory) Connect(id sealed.LinkID, remote RemoteInfo) (pub []byte, guestEnd Frames, accept func(), err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.hosts[id]
	if a == nil || a.ended {
		return nil, nil, nil, fault.New(fault.LinkUnavailable, nil)
	}
	var stalled *channel
	if len(a.channels) >= m.perLink {
		if stalled = a.stalled(); stalled == nil {
			return nil, nil, nil, fault.Newf(fault.TooFast, "%d guests on one link", m.perLink)
		}
	}
	if a.channels == nil { // most links have no guest most of the time
		a.channels = make(map[*channel]struct{})
		a.places, a.fresh = household.ByKey(), household.ByKey()
	}
	if !a.places.Room(remote.Key, m.perAddress) {
		return nil, nil, nil, fault.Newf(fault.TooFast, "%d guests on one link from one address", m.perAddress)
	}
	if !a.fresh.Room(remote.Key, newcomers) {
		return nil, nil, nil, fault.Newf(fault.TooFast, "%d guests on one link from one address who are not welcomed yet", newcomers)
	}
	c := newChannel(remote)
	Charge(c.host, m.Queued)
	c.since = time.Now()
	welcome := func() {
		if !c.welcomed {
			c.welcomed = true
			a.fresh.Drop(remote.Key)
		}
	}
	c.onWelcome = func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		welcome()
	}
	c.onClose = func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		welcome()
		a.places.Drop(remote.Key)
		delete(a.channels, c)
	}
	a.channels[c] = struct{}{}
	a.places.Add(remote.Key)
	a.fresh.Add(remote.Key)
	if stalled != nil { // it gives way to c, and its end takes m.mu
		stalled.leaving = true
	}
	accept = func() {
		if stalled != nil {
			stalled.host.Close(signalling.CloseTooSlow)
		}
		accepted := false
		defer func() {
			if !accepted { // accept panicked: the place must become free again
				c.guest.Close(signalling.CloseHostGone)
			}
		}()
		a.accept(c.host)
		accepted = true
	}
	return append([]byte(nil), a.pub...), c.guest, accept, nil
}

// AfterLost calls f, on a goroutine of its own, when an attachment has ended. For
// the switchboard in memory no goroutine waits for that.
func AfterLost(a Attachment, f func()) {
	if m, ok := a.(*attachment); ok {
		m.afterLost(f)
		return
	}
	go func() {
		<-a.Lost()
		f()
	}()
}
