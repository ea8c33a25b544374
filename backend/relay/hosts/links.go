package hosts

import (
	"context"
	"crypto/subtle"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/household"
	"github.com/porch-call/porch/backend/relay/metering"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// proof is an answer that a host owes before the relay acts.
type proof struct {
	public []byte
	want   []byte
	note   *[sealed.NoteSize]byte // nil: the link is to be announced
}

// hostLink is a link that a host connection has announced.
type hostLink struct {
	id         sealed.LinkID
	attachment switchboard.Attachment
	guests     int                      // guarded by tenants.mu, as is places
	places     *household.Tally[string] // of guests, by address
}

// challenge asks the host to prove that it holds a link's private key.
func (l *hostConn) challenge(public []byte, note *[sealed.NoteSize]byte) error {
	if l.proofs.Wait(l.s.o.Lifetime) != nil {
		return fault.New(fault.ShuttingDown, nil)
	}
	id := sealed.IDOf(public)
	challenge, want, err := sealed.NewChallenge(public)
	if err != nil {
		l.say(signalling.Unannounced{Link: string(id), Code: string(fault.CodeOf(err))})
		return nil
	}
	l.mu.Lock()
	if l.pending == nil {
		l.pending = make(map[sealed.LinkID]*proof)
	}
	if before := l.pending[id]; before != nil {
		l.forget(id, before)
	}
	announced, full := l.links[id] != nil, false
	switch {
	case note != nil:
		if full = l.notes >= pendingNotes; !full {
			l.notes++
		}
	case !announced:
		full = len(l.links)+len(l.pending)-l.notes >= l.grant.quotas.Links
	}
	if !full {
		l.pending[id] = &proof{public: public, want: want, note: note}
	}
	l.mu.Unlock()
	if full {
		l.say(signalling.Unannounced{Link: string(id), Code: string(fault.TooManyLinks)})
		return nil
	}
	l.say(signalling.Prove{Link: string(id), Challenge: b64.EncodeToString(challenge)})
	return nil
}

// forget takes a challenge back. The caller holds mu.
func (l *hostConn) forget(id sealed.LinkID, p *proof) {
	delete(l.pending, id)
	if p.note != nil {
		l.notes--
	}
}

// proved announces the link if the answer is right, or keeps its note.
func (l *hostConn) proved(id sealed.LinkID, answer []byte) {
	l.mu.Lock()
	p := l.pending[id]
	if p != nil {
		l.forget(id, p)
	}
	announced := l.links[id] != nil
	l.mu.Unlock()
	if p == nil {
		return // withdrawn meanwhile
	}
	if subtle.ConstantTimeCompare(answer, p.want) != 1 {
		l.unannounced(id, fault.SealBroken)
		return
	}
	switch {
	case p.note != nil:
		l.leave(id, *p.note)
		l.say(signalling.Noted{Link: string(id)})
	case announced:
		l.say(signalling.Announced{Link: string(id)})
	default:
		if err := l.announce(id, p.public); err != nil {
			l.unannounced(id, fault.CodeOf(err))
			return
		}
		l.say(signalling.Announced{Link: string(id)})
	}
}

func (l *hostConn) unannounced(id sealed.LinkID, code fault.Code) {
	l.s.o.Meter.Refused(metering.Links, code)
	l.say(signalling.Unannounced{Link: string(id), Code: string(code)})
}

// leave keeps the note of a link that has ended.
func (l *hostConn) leave(id sealed.LinkID, note [sealed.NoteSize]byte) {
	if l.s.o.OnNote != nil {
		l.s.o.OnNote(id, note)
	}
}

// announce takes the id of a link after the host has proved that it holds the
// keys.
func (l *hostConn) announce(id sealed.LinkID, public []byte) error {
	if !l.s.tenants.takeLink(l) {
		return fault.New(fault.TooManyLinks, nil)
	}
	ctx, cancel := context.WithTimeout(l.s.o.Lifetime, attachTimeout)
	defer cancel()
	link := &hostLink{id: id}
	a, err := l.s.o.Board.Attach(ctx, id, public, func(f switchboard.Frames) { l.accept(link, f) })
	if err != nil {
		l.s.tenants.releaseLink(l)
		return err
	}
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		a.Detach()
		return fault.New(fault.ShuttingDown, nil)
	}
	link.attachment = a
	if l.links == nil {
		l.links = make(map[sealed.LinkID]*hostLink)
	}
	l.links[id] = link
	l.others.Add(1)
	l.mu.Unlock()
	switchboard.AfterLost(a, func() {
		defer l.others.Done()
		l.lost(link)
	})
	return nil
}

// lost handles a link that this connection did not end: another announced it, or
// the switchboard was cut off.
func (l *hostConn) lost(link *hostLink) {
	l.mu.Lock()
	mine := l.links[link.id] == link
	if mine {
		delete(l.links, link.id)
	}
	l.mu.Unlock()
	if mine {
		l.s.tenants.releaseLink(l)
		l.unannounced(link.id, fault.IdentityTaken)
	}
}

// withdraw takes a link back. It keeps a note only if the host has proved this
// link. It does so before the link is gone, so that the link always has one or
// the other.
func (l *hostConn) withdraw(m signalling.Withdraw) {
	id := sealed.LinkID(m.Link)
	l.mu.Lock()
	link := l.links[id]
	delete(l.links, id)
	if p := l.pending[id]; p != nil && p.note == nil {
		l.forget(id, p)
	}
	l.mu.Unlock()
	if link == nil {
		return
	}
	if m.Note != "" {
		l.leave(id, [sealed.NoteSize]byte(decoded(m.Note)))
	}
	l.s.tenants.releaseLink(l)
	link.attachment.Detach()
}
