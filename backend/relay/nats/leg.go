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
	end    switchboard.Frames // frames of the other node go in; frames that come out go to the other node
	out    way                // the direction of what this node sends
	answer chan message       // at the guest's node: opened or refused
	public []byte             // at the host's node: the link's key

	// Guarded by Board.mu.
	peer  nodeID // the other node; zero before it has answered
	quiet bool   // the other node knows that the channel has ended

	sending sync.Mutex // guards what follows, and orders what is sent
	running bool
	next    uint64 // number of the next message
	told    int    // the guest's limit, as the guest's node knows it
	tallied uint64 // next at the time of the last tally
	repeat  int    // how many more tallies name it

	received uint64 // number of the message that must come next; only forNode's goroutine uses it
}

// guestEnd is a guest's end of a channel to another node. It publishes on the
// sender's goroutine, because a knock would have to wait for a hand-over between
// goroutines on machines whose processors sleep.
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
	return e.Frames.Send(frame) // returns the reason
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
		host.Close(signalling.CloseHostGone) // Close may have missed it
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
		_ = l.b.publish(toNode(peer), "", gone{l.out}) // if it is lost, a tally shows the end
	}
}

// answered handles the answer to open.
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
	case isOpened: // the guest has gone, or another node was faster
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
	case l != nil: // the answer was lost, or is on its way
		b.soon(func() { _ = b.publish(toNode(sender), "", opened{m.channel, [publicSize]byte(l.public)}) })
		return
	case a == nil:
		// The link has left this node, and this node's subscription to it is
		// about to end. A refusal could be faster than the answer of the node
		// that has the link now. If no node has it, NATS says so at the next try.
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

// legOf returns the leg that a message of another node is for. If there is none
// and answer is true, it tells the other node.
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

// serve runs a leg. A panic ends only the leg's channel.
func (b *Board) serve(l *leg) {
	if !b.panics.Run(l.run) {
		l.finish(switchboard.Closed{Code: signalling.CloseHostGone})
	}
}

// Panics returns how many channels have ended by a panic.
func (b *Board) Panics() uint64 { return b.panics.Count() }

// run sends what comes out of this node's end to the other node, until the
// channel has ended. A guest's frames go another way: see guestEnd.
func (l *leg) run() {
	l.sending.Lock()
	l.running = true
	err := l.sendLimit() // in case tellLimit ran before this
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

// say sends a message of this channel, whose number is next. The caller holds
// sending.
func (l *leg) say(m message) error {
	err := l.b.publish(toNode(l.peer), "", m)
	if err == nil {
		l.next++
	}
	return err
}

// sendLimit tells the guest's node the limit if it has changed. The caller holds
// sending.
func (l *leg) sendLimit() error {
	now := l.end.Limit()
	if l.out.toHost || now == l.told {
		return nil
	}
	l.told = now
	return l.say(limit{l.out, l.next, uint32(now)})
}

// tellLimit is sendLimit for a host that sends nothing after the change.
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
		_ = l.say(closed{l.out, l.next, code}) // if it is lost, the other node's tally is answered
	}
	l.sending.Unlock()
	// Only after that, because a message for a missing leg is answered with gone,
	// which must not arrive before the reason.
	l.b.mu.Lock()
	delete(l.b.legs, l.key)
	l.b.mu.Unlock()
}

// order checks the number of a message. One with a number that was there already
// is played again, and is ignored.
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

// lost ends a channel that lacks a message.
func (l *leg) lost() { l.end.Close(signalling.CloseHostGone) }

// hush records that the other node need not be told of the end.
func (l *leg) hush() {
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	l.quiet = true
}

func (l *leg) onFrame(m frame) {
	if l.order(m.number) {
		_ = l.end.Send(m.data) // if the channel has ended, run reports it
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
