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

// peer is another node, from its first message until it is gone.
type peer struct {
	cipher     cipher.AEAD
	heard      time.Time
	beaten     bool // it has sent a beat
	generation uint32
	left       bool // for good; kept while its messages may still arrive
}

// cipherOf returns the cipher of a node. The node need not exist.
func (b *Board) cipherOf(n nodeID) (cipher.AEAD, error) {
	b.mu.Lock()
	p := b.peers[n]
	b.mu.Unlock()
	if p != nil {
		return p.cipher, nil
	}
	return b.seals.of(n)
}

// heard records a sign of life. It tells a node that is new, or was off the bus,
// what that node may have missed.
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
			_ = b.publish(toNode(sender), "", beat{b.generation.Load()}) // now, so that it need not wait for the next beat
			b.share(toNode(sender))
		})
	}
}

// others returns the nodes that this one has heard within times.silence, and that
// have not left.
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

// sayLeaving tells the other nodes that this one ends. To those that it knows, it
// says so after all that it has sent them.
func (b *Board) sayLeaving() {
	for _, n := range b.others() {
		_ = b.publish(toNode(n), "", leaving{}) // a node that misses it notices the silence
	}
	_ = b.publish(everyone, "", leaving{})
}

// leave ends all channels to a node that has left. What that node said to all
// (inOrder is false) may overtake its last message to this node. If there are
// channels, leave then does nothing, because the same word follows in order.
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

// miss removes the nodes that were silent for too long.
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

// wholeTally is the number of beats from one tally that names all channels to the
// next. The tallies between name the channels that were in use within two beats.
const wholeTally = 10

// keep does the work that can wait, until the board has closed.
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

// sayTally tells each node how much was sent to it.
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
			_ = b.publish(toNode(to), "", of[to]) // the next one repeats it
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

// sayAgain makes keep publish this node's claims again.
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
			return // off the bus: onBus publishes them
		}
	}
}

// offBus is called by NATS when the connection has ended.
func (b *Board) offBus() {
	if b.lifetime.Err() == nil {
		b.log.Warn("nats: the bus is out of reach")
	}
}

// onBus is called by NATS when the connection is back, with its subscriptions.
func (b *Board) onBus() {
	b.log.Info("nats: the bus is back")
	generation := b.generation.Add(1)
	b.soon(func() {
		_ = b.publish(everyone, "", beat{generation})
		b.share(everyone)
	})
	b.sayAgain()
}

// busError is called by NATS with errors that leave the connection open. They
// name subjects, so they are not logged.
func (b *Board) busError(_ *nats.Conn, _ *nats.Subscription, err error) {
	switch {
	case errors.Is(err, nats.ErrSlowConsumer):
		// Channels notice missing messages themselves; claims do not.
		b.log.Warn("nats: messages were lost, this node is too slow")
		b.sayAgain()
	case errors.Is(err, nats.ErrPermissionViolation):
		b.log.Error("nats: NATS does not permit this node a subject below its prefix")
	default:
		b.log.Warn("nats: an error of the connection to NATS")
	}
}
