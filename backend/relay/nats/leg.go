package nats

import (
	"context"
	"errors"
	"sync"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/signalling"
)

// legKey names a channel: its guest's node, and the number there.
type legKey struct {
	guests  nodeID
	channel uint64
}

// leg is this node's half of a channel whose other half is at another node.
type leg struct {
	b      *Board
	key    legKey
	end    switchboard.Frames // what the other node sends goes in; what comes out goes to the other node
	out    way                // of what this node sends
	answer chan message       // the guest's leg: opened or refused
	public []byte             // the host's leg: the link's key

	// Of Board.mu.
	peer  nodeID // the other node; zero while nobody has answered
	quiet bool   // the other node knows that the channel has ended

	sending sync.Mutex // orders what is sent, and guards what follows
	running bool
	next    uint64 // number of what is sent next
	told    int    // the guest's limit, as the guest's node knows it
	tallied uint64 // next, at the last tally
	repeat  int    // tallies that shall name it still

	received uint64 // number of what must come next; of the goroutine of forNode
}

// guestEnd is a guest's end of a channel to another node. What it sends goes to
// the bus on the sender's goroutine, since a hand-over between goroutines is
// what a knock has to wait for where processors sleep.
type guestEnd struct {
	switchboard.Frames
	l *leg
}

// Send implements [switchboard.Frames].
func (e guestEnd) Send(frame []byte) error {
	select {
	case <-e.Done():
	default:
		if len(frame) > e.Limit() {
			break
		}
		if e.l.send(frame) == nil {
			return nil
		}
		e.l.end.Close(signalling.CloseHostGone) // the bus takes nothing
	}
	return e.Frames.Send(frame) // says what is wrong
}

// newGuestLeg makes the leg at a guest's node, and the guest's end.
func (b *Board) newGuestLeg(remote switchboard.RemoteInfo) (*leg, switchboard.Frames) {
	host, guest := switchboard.Pipe(remote, b.options.Queued)
	number := b.number.Add(1)
	l := &leg{
		b: b, key: legKey{b.seals.self, number}, end: host, out: way{toHost: true, channel: number},
		answer: make(chan message, 1),
	}
	b.mu.Lock()
	b.legs[l.key] = l
	ended := b.ended
	b.mu.Unlock()
	if ended {
		host.Close(signalling.CloseHostGone) // Close may not have seen it
	}
	return l, guestEnd{guest, l}
}

// giveUp ends a guest's leg that never ran.
func (l *leg) giveUp() {
	l.end.Close(signalling.CloseHostGone)
	l.b.mu.Lock()
	delete(l.b.legs, l.key)
	peer := l.peer
	l.b.mu.Unlock()
	if peer != (nodeID{}) {
		_ = l.b.publish(toNode(peer), "", gone{l.out}) // when it is lost, a tally shows it
	}
}

// answered hears the answer to open.
func (b *Board) answered(sender nodeID, channel uint64, m message) {
	_, isOpened := m.(opened)
	b.mu.Lock()
	l := b.legs[legKey{b.seals.self, channel}]
	wanted := l != nil && l.answer != nil && (l.peer == (nodeID{}) || l.peer == sender)
	if wanted && isOpened && l.peer == (nodeID{}) {
		l.peer = sender
	}
	b.mu.Unlock()
	switch {
	case wanted:
		offer(l.answer, m)
	case isOpened: // the guest is gone, or another node was faster
		b.soon(func() { _ = b.publish(toNode(sender), "", gone{way{toHost: true, channel: channel}}) })
	}
}

// takeGuest connects a guest of another node with a host of this one.
func (b *Board) takeGuest(sender nodeID, t token, m open) {
	key := legKey{sender, m.channel}
	b.mu.Lock()
	a, l := b.held[t], b.legs[key]
	b.mu.Unlock()
	switch {
	case l != nil: // the answer was lost, or is under way
		b.soon(func() { _ = b.publish(toNode(sender), "", opened{m.channel, [publicSize]byte(l.public)}) })
		return
	case a == nil:
		// The link has gone from here, and this node's interest in it is about to:
		// a refusal could be faster than the node to which the link has moved. Where
		// there is none, NATS says so at the next try.
		return
	}
	public, guest, accept, err := b.local.Connect(a.id, switchboard.RemoteInfo{Loopback: m.loopback, Key: m.key})
	if err != nil {
		b.refuse(sender, m.channel, fault.CodeOf(err) == fault.TooFast)
		return
	}
	if len(public) != publicSize || !b.enter() {
		guest.Close(signalling.CloseHostGone)
		b.refuse(sender, m.channel, false)
		return
	}
	l = &leg{
		b: b, key: key, end: guest, out: way{channel: m.channel}, public: public, peer: sender, told: guest.Limit(),
	}
	switchboard.OnLimit(guest, func() { b.soon(l.tellLimit) })
	b.mu.Lock()
	b.legs[key] = l
	b.mu.Unlock()
	go func() {
		defer b.wg.Done()
		if b.publish(toNode(sender), "", opened{m.channel, [publicSize]byte(public)}) != nil {
			guest.Close(signalling.CloseHostGone)
		}
		b.wg.Go(func() { b.serve(l) })
		accept()
	}()
}

func (b *Board) refuse(sender nodeID, channel uint64, full bool) {
	b.soon(func() { _ = b.publish(toNode(sender), "", refused{channel, full}) })
}

// legOf returns the leg that something from another node is for. With answer,
// the other node is told when there is none.
func (b *Board) legOf(sender nodeID, of way, answer bool) *leg {
	key := legKey{sender, of.channel}
	if !of.toHost {
		key.guests = b.seals.self
	}
	b.mu.Lock()
	l := b.legs[key]
	known := l != nil && l.peer == sender
	b.mu.Unlock()
	if known {
		return l
	}
	if answer {
		back := way{toHost: !of.toHost, channel: of.channel}
		b.soon(func() { _ = b.publish(toNode(sender), "", gone{back}) })
	}
	return nil
}

// serve runs a leg, whose panic ends its channel alone.
func (b *Board) serve(l *leg) {
	if !b.panics.Run(l.run) {
		l.finish(switchboard.Closed{Code: signalling.CloseHostGone})
	}
}

// Panics is how many channels have ended by a panic.
func (b *Board) Panics() uint64 { return b.panics.Count() }

// run carries to the other node what comes out of this one's end, until the
// channel has ended. A guest's frames don't: see guestEnd.
func (l *leg) run() {
	l.sending.Lock()
	l.running = true
	err := l.sendLimit() // tellLimit may have been here before
	l.sending.Unlock()
	for err == nil {
		var b []byte
		if b, err = l.end.Recv(context.Background()); err == nil { // ends with the channel
			err = l.send(b)
		}
	}
	l.finish(err)
}

// send sends one frame.
func (l *leg) send(b []byte) error {
	if len(b) > signalling.MaxFrame+switchboard.SealRoom {
		return switchboard.Closed{Code: signalling.CloseTooLarge}
	}
	l.sending.Lock()
	defer l.sending.Unlock()
	if err := l.sendLimit(); err != nil {
		return err
	}
	return l.say(frame{l.out, l.next, b})
}

// say sends a message of this channel, whose number is next. It is of sending.
func (l *leg) say(m message) error {
	err := l.b.publish(toNode(l.peer), "", m)
	if err == nil {
		l.next++
	}
	return err
}

// sendLimit tells the guest's node a limit that has changed. It is of sending.
func (l *leg) sendLimit() error {
	now := l.end.Limit()
	if l.out.toHost || now == l.told {
		return nil
	}
	l.told = now
	return l.say(limit{l.out, l.next, uint32(now)})
}

// tellLimit is sendLimit for a host that says nothing after it.
func (l *leg) tellLimit() {
	l.sending.Lock()
	defer l.sending.Unlock()
	if l.running && l.sendLimit() != nil {
		l.end.Close(signalling.CloseHostGone)
	}
}

// finish ends the leg, because of err.
func (l *leg) finish(err error) {
	code := signalling.CloseHostGone // the bus takes nothing
	var c switchboard.Closed
	if errors.As(err, &c) {
		code = c.Code
	}
	l.end.Close(code)
	l.b.mu.Lock()
	quiet := l.quiet
	l.b.mu.Unlock()
	l.sending.Lock()
	l.running = false
	if !quiet {
		_ = l.say(closed{l.out, l.next, code}) // when it is lost, the other node's tally is answered
	}
	l.sending.Unlock()
	// Only now: to what still comes for a leg that is not there the answer is gone,
	// which must not be faster than why.
	l.b.mu.Lock()
	delete(l.b.legs, l.key)
	l.b.mu.Unlock()
}

// order checks the number of what has come. A number that was there already is
// somebody playing it again, and nothing to the channel.
func (l *leg) order(number uint64) bool {
	if number != l.received {
		if number > l.received {
			l.lost()
		}
		return false
	}
	l.received++
	return true
}

// lost ends a channel of which something is missing.
func (l *leg) lost() { l.end.Close(signalling.CloseHostGone) }

// hush says that the other node need not be told of the end.
func (l *leg) hush() {
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	l.quiet = true
}

func (l *leg) onFrame(m frame) {
	if l.order(m.number) {
		_ = l.end.Send(m.data) // when the channel has ended, run says so
	}
}

func (l *leg) onLimit(m limit) {
	if l.order(m.number) {
		l.end.SetLimit(int(m.limit) - switchboard.SealRoom)
	}
}

func (l *leg) onClosed(m closed) {
	if m.number >= l.received {
		l.hush()
	}
	if l.order(m.number) {
		l.end.Close(m.code)
	}
}

func (l *leg) onGone() {
	l.hush()
	l.lost()
}
