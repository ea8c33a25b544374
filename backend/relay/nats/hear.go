package nats

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
)

// answer handles messages to the links of this node.
func (b *Board) answer() {
	for {
		select {
		case msg := <-b.opens:
			b.forLink(msg)
		case <-b.lifetime.Done():
			return
		}
	}
}

// read opens a message from the bus, and records its sender's sign of life.
func (b *Board) read(at place, msg *nats.Msg) (nodeID, message, bool) {
	sender, err := senderOf(msg.Data)
	if err != nil || sender == b.seals.self {
		return sender, nil, false
	}
	aead, err := b.cipherOf(sender)
	if err != nil {
		return sender, nil, false
	}
	m, err := openEnvelope(aead, at, msg.Data)
	if errors.Is(err, errForged) {
		return sender, nil, false
	}
	b.heard(sender, aead, m)
	return sender, m, err == nil
}

// forLink handles a message to one link of this node.
func (b *Board) forLink(msg *nats.Msg) {
	name, ok := strings.CutPrefix(msg.Subject, b.base+"link.")
	raw, err := b64.DecodeString(name)
	if !ok || err != nil || len(raw) != tokenSize {
		return
	}
	t := token(raw)
	sender, m, ok := b.read(toLink(t), msg)
	if !ok {
		return
	}
	switch m := m.(type) {
	case open:
		b.takeGuest(sender, t, m)
	case ask:
		if a := b.holder(t); a != nil {
			b.soon(func() { _ = b.publish(toNode(sender), "", holds{m.number, a.epoch}) })
		}
	case claim:
		if m.token == t {
			b.compare(sender, m)
		}
	}
}

func (b *Board) holder(t token) *attachment {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held[t]
}

// compare gives a link to the newer of two holders.
func (b *Board) compare(sender nodeID, theirs claim) {
	a := b.holder(theirs.token)
	if a == nil {
		return
	}
	if a.epoch > theirs.epoch || a.epoch == theirs.epoch && bytes.Compare(b.seals.self[:], sender[:]) > 0 {
		b.soon(func() { _ = b.publish(toNode(sender), "", claim{a.token, a.epoch}) })
		return
	}
	b.log.Debug("nats: another node has taken over a link")
	a.drop()
	b.soon(func() { _ = b.subscribe(a.token) })
}

// forNode handles messages for this node.
func (b *Board) forNode(msg *nats.Msg) {
	self := toNode(b.seals.self)
	name := strings.TrimPrefix(msg.Subject, b.base+string(self)+".")
	if name != "m" {
		if number, err := strconv.ParseUint(name, 10, 64); err == nil && msg.Header.Get("Status") == "503" {
			b.nobody(number)
		}
		return
	}
	sender, m, ok := b.read(self, msg)
	if !ok {
		return
	}
	switch m := m.(type) {
	case opened:
		b.answered(sender, m.channel, m)
	case refused:
		b.answered(sender, m.channel, m)
	case frame:
		if l := b.legOf(sender, m.of, true); l != nil {
			l.onFrame(m)
		}
	case limit:
		if l := b.legOf(sender, m.of, true); l != nil {
			l.onLimit(m)
		}
	case closed:
		if l := b.legOf(sender, m.of, false); l != nil {
			l.onClosed(m)
		}
	case gone:
		if l := b.legOf(sender, m.of, false); l != nil {
			l.onGone()
		}
	case tally:
		for _, s := range m {
			if l := b.legOf(sender, s.of, true); l != nil && l.received < s.number {
				l.lost()
			}
		}
	case holds:
		b.answerTo(m.number, m.epoch)
	case mark:
		b.soon(func() { _ = b.publish(toNode(sender), "", marked(m)) })
	case marked:
		b.answerTo(m.number, 0)
	case claim:
		b.compare(sender, m)
	case leaving:
		b.leave(sender, true)
	case notes:
		b.onNotes(m)
	case revocations:
		b.onRevocations(m)
	}
}

// offer passes an answer to the goroutine that waits for one. Only the first
// counts.
func offer[T any](to chan T, v T) {
	select {
	case to <- v:
	default: // no goroutine waits, or it has an answer
	}
}

// nobody handles NATS' own answer: no node listens to that link.
func (b *Board) nobody(number uint64) {
	b.answerTo(number, 0)
	b.mu.Lock()
	l := b.legs[legKey{b.seals.self, number}]
	b.mu.Unlock()
	if l != nil {
		offer(l.answer, message(refused{channel: number}))
	}
}

// forAll handles messages for all nodes.
func (b *Board) forAll(msg *nats.Msg) {
	sender, m, ok := b.read(everyone, msg)
	if !ok {
		return
	}
	switch m := m.(type) {
	case leaving:
		b.leave(sender, false)
	case notes:
		b.onNotes(m)
	case revocations:
		b.onRevocations(m)
	}
}
