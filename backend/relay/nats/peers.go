package nats

import (
	"crypto/cipher"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/porch-call/porch/backend/signalling"
)

// maxPeers bounds the nodes of a cluster.
const maxPeers = 1024

// peer is another node, from when it was first heard until it is gone.
type peer struct {
	cipher     cipher.AEAD
	heard      time.Time
	beaten     bool // it has sent a beat
	generation uint32
	left       bool // for good; it is kept for as long as its messages may come late
}

// cipherOf returns the cipher of a node, which may be none.
func (b *Board) cipherOf(n nodeID) (cipher.AEAD, error) {
	b.mu.Lock()
	p := b.peers[n]
	b.mu.Unlock()
	if p != nil {
		return p.cipher, nil
	}
	return b.seals.of(n)
}

// heard notes a sign of life. A node that is new, or was off the bus, is told
// what it may have missed.
func (b *Board) heard(sender nodeID, c cipher.AEAD, m message) {
	now, beats := m.(beat)
	b.mu.Lock()
	p := b.peers[sender]
	appeared := p == nil && !b.ended && len(b.peers) < maxPeers
	if appeared {
		p = &peer{cipher: c}
		b.peers[sender] = p
	}
	if p != nil && !p.left {
		p.heard = time.Now()
		if beats {
			appeared = appeared || p.beaten && p.generation != now.generation
			p.beaten, p.generation = true, now.generation
		}
	}
	b.mu.Unlock()
	if appeared {
		b.sayAgain()
		b.soon(func() {
			_ = b.publish(toNode(sender), "", beat{b.generation.Load()}) // so that it need not wait for the next
			b.share(toNode(sender))
		})
	}
}

// others are the nodes that this one has heard lately.
func (b *Board) others() []nodeID {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]nodeID, 0, len(b.peers))
	for n, p := range b.peers {
		if !p.left {
			out = append(out, n)
		}
	}
	return out
}

// sayLeaving tells the other nodes that this one ends: those it knows after all
// else that they were told.
func (b *Board) sayLeaving() {
	for _, n := range b.others() {
		_ = b.publish(toNode(n), "", leaving{}) // who doesn't hear it hears the silence
	}
	_ = b.publish(everyone, "", leaving{})
}

// leave ends what led to a node that has left. What was said to all may
// overtake the last that was said to this node; then it must wait for that.
func (b *Board) leave(n nodeID, inOrder bool) {
	b.mu.Lock()
	now := b.peers[n] != nil && !b.peers[n].left
	if !inOrder {
		for _, l := range b.legs {
			now = now && l.peer != n
		}
	}
	if now {
		b.peers[n].left = true
	}
	b.mu.Unlock()
	if now {
		b.log.Info("nats: a node has left")
		b.sweep()
	}
}

// miss forgets the nodes that were silent for too long.
func (b *Board) miss() {
	now := time.Now()
	b.mu.Lock()
	missing := 0
	for n, p := range b.peers {
		if now.Sub(p.heard) > b.times.silence {
			delete(b.peers, n)
			if !p.left {
				missing++
			}
		}
	}
	left := len(b.peers)
	b.mu.Unlock()
	if missing > 0 {
		b.log.Warn("nats: nodes are silent", "count", missing, "left", left)
	}
	b.sweep()
}

// sweep ends the channels of nodes that are gone.
func (b *Board) sweep() {
	var over []*leg
	b.mu.Lock()
	for _, l := range b.legs {
		if l.peer == (nodeID{}) {
			continue
		}
		if p := b.peers[l.peer]; p == nil || p.left {
			l.quiet = true
			over = append(over, l)
		}
	}
	b.mu.Unlock()
	for _, l := range over {
		l.end.Close(signalling.CloseHostGone)
	}
}

// wholeTally is how often a tally names all channels, in beats. The others name
// those that were lately in use.
const wholeTally = 10

// keep does what has time, until the board has closed.
func (b *Board) keep() {
	tick := time.NewTicker(b.times.beat)
	defer tick.Stop()
	for n := 1; ; {
		select {
		case send := <-b.later:
			send()
		case <-b.wake:
			b.sayClaims()
		case <-tick.C:
			b.miss()
			if b.Connected() {
				_ = b.publish(everyone, "", beat{b.generation.Load()})
				b.sayTally(n%wholeTally == 0)
				n++
			}
		case <-b.lifetime.Done():
			return
		}
	}
}

// sayTally tells each node how much it was sent.
func (b *Board) sayTally(whole bool) {
	b.mu.Lock()
	legs := make([]*leg, 0, len(b.legs))
	peers := make([]nodeID, 0, len(b.legs))
	for _, l := range b.legs {
		if l.peer != (nodeID{}) {
			legs, peers = append(legs, l), append(peers, l.peer)
		}
	}
	b.mu.Unlock()
	of := make(map[nodeID]tally)
	for i, l := range legs {
		s, ok := l.count(whole)
		if !ok {
			continue
		}
		to := peers[i]
		of[to] = append(of[to], s)
		if len(of[to]) == maxEntries {
			_ = b.publish(toNode(to), "", of[to]) // the next one says it again
			delete(of, to)
		}
	}
	for to, t := range of {
		_ = b.publish(toNode(to), "", t)
	}
}

// count returns the leg's part of a tally, if it has one.
func (l *leg) count(whole bool) (sent, bool) {
	l.sending.Lock()
	defer l.sending.Unlock()
	if l.next != l.tallied {
		l.tallied, l.repeat = l.next, 2
	}
	if !l.running || !whole && l.repeat == 0 {
		return sent{}, false
	}
	l.repeat = max(l.repeat-1, 0)
	return sent{l.out, l.next}, true
}

// sayAgain has keep say this node's claims.
func (b *Board) sayAgain() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *Board) sayClaims() {
	b.mu.Lock()
	claims := make([]claim, 0, len(b.held))
	for t, a := range b.held {
		claims = append(claims, claim{t, a.epoch})
	}
	b.mu.Unlock()
	for _, c := range claims {
		if b.publish(toLink(c.token), "", c) != nil {
			return // off the bus: onBus says them
		}
	}
}

// offBus is told by NATS that the connection has ended.
func (b *Board) offBus() {
	if b.lifetime.Err() == nil {
		b.log.Warn("nats: the bus is out of reach")
	}
}

// onBus is told by NATS that the connection is back, with its subscriptions.
func (b *Board) onBus() {
	b.log.Info("nats: the bus is back")
	generation := b.generation.Add(1)
	b.soon(func() {
		_ = b.publish(everyone, "", beat{generation})
		b.share(everyone)
	})
	b.sayAgain()
}

// busError is told by NATS what went wrong beside the connection. Its errors
// name subjects, and stay out of the log.
func (b *Board) busError(_ *nats.Conn, _ *nats.Subscription, err error) {
	switch {
	case errors.Is(err, nats.ErrSlowConsumer):
		// Channels notice what they lack; a claim may be lacking as well.
		b.log.Warn("nats: messages were lost, this node is too slow")
		b.sayAgain()
	case errors.Is(err, nats.ErrPermissionViolation):
		b.log.Error("nats: NATS does not permit this node a subject below its prefix")
	default:
		b.log.Warn("nats: an error of the connection to NATS")
	}
}
