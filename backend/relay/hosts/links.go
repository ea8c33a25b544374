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
func (h *hostConn) challenge(public []byte, note *[sealed.NoteSize]byte) error {
	if h.proofs.Wait(h.s.o.Lifetime) != nil {
		return fault.New(fault.ShuttingDown, nil)
	}
	id := sealed.IDOf(public)
	challenge, want, err := sealed.NewChallenge(public)
	if err != nil {
		h.say(signalling.Unannounced{Link: string(id), Code: string(fault.CodeOf(err))})
		return nil
	}
	h.mu.Lock()
	if h.pending == nil {
		h.pending = make(map[sealed.LinkID]*proof)
	}
	if before := h.pending[id]; before != nil {
		h.forget(id, before)
	}
	announced, full := h.links[id] != nil, false
	switch {
	case note != nil:
		if full = h.notes >= pendingNotes; !full {
			h.notes++
		}
	case !announced:
		full = len(h.links)+len(h.pending)-h.notes >= h.grant.quotas.Links
	}
	if !full {
		h.pending[id] = &proof{public: public, want: want, note: note}
	}
	h.mu.Unlock()
	if full {
		h.say(signalling.Unannounced{Link: string(id), Code: string(fault.TooManyLinks)})
		return nil
	}
	h.say(signalling.Prove{Link: string(id), Challenge: b64.EncodeToString(challenge)})
	return nil
}

// forget takes a challenge back. The caller holds mu.
func (h *hostConn) forget(id sealed.LinkID, p *proof) {
	delete(h.pending, id)
	if p.note != nil {
		h.notes--
	}
}

// proved announces the link if the answer is right, or keeps its note.
func (h *hostConn) proved(id sealed.LinkID, answer []byte) {
	h.mu.Lock()
	p := h.pending[id]
	if p != nil {
		h.forget(id, p)
	}
	announced := h.links[id] != nil
	h.mu.Unlock()
	if p == nil {
		return // withdrawn meanwhile
	}
	if subtle.ConstantTimeCompare(answer, p.want) != 1 {
		h.unannounced(id, fault.SealBroken)
		return
	}
	switch {
	case p.note != nil:
		h.leave(id, *p.note)
		h.say(signalling.Noted{Link: string(id)})
	case announced:
		h.say(signalling.Announced{Link: string(id)})
	default:
		if err := h.announce(id, p.public); err != nil {
			h.unannounced(id, fault.CodeOf(err))
			return
		}
		h.say(signalling.Announced{Link: string(id)})
	}
}

func (h *hostConn) unannounced(id sealed.LinkID, code fault.Code) {
	h.s.o.Meter.Refused(metering.Links, code)
	h.say(signalling.Unannounced{Link: string(id), Code: string(code)})
}

// leave keeps the note of a link that has ended.
func (h *hostConn) leave(id sealed.LinkID, note [sealed.NoteSize]byte) {
	if h.s.o.OnNote != nil {
		h.s.o.OnNote(id, note)
	}
}

// announce takes the id of a link after the host has proved that it holds the
// keys.
func (h *hostConn) announce(id sealed.LinkID, public []byte) error {
	if !h.s.tenants.takeLink(h) {
		return fault.New(fault.TooManyLinks, nil)
	}
	ctx, cancel := context.WithTimeout(h.s.o.Lifetime, attachTimeout)
	defer cancel()
	link := &hostLink{id: id}
	a, err := h.s.o.Board.Attach(ctx, id, public, func(f switchboard.Frames) { h.accept(link, f) })
	if err != nil {
		h.s.tenants.releaseLink(h)
		return err
	}
	h.mu.Lock()
	if h.ended {
		h.mu.Unlock()
		a.Detach()
		return fault.New(fault.ShuttingDown, nil)
	}
	link.attachment = a
	if h.links == nil {
		h.links = make(map[sealed.LinkID]*hostLink)
	}
	h.links[id] = link
	h.others.Add(1)
	h.mu.Unlock()
	switchboard.AfterLost(a, func() {
		defer h.others.Done()
		h.lost(link)
	})
	return nil
}

// lost handles a link that this connection did not end: another announced it, or
// the switchboard was cut off.
func (h *hostConn) lost(link *hostLink) {
	h.mu.Lock()
	mine := h.links[link.id] == link
	if mine {
		delete(h.links, link.id)
	}
	h.mu.Unlock()
	if mine {
		h.s.tenants.releaseLink(h)
		h.unannounced(link.id, fault.IdentityTaken)
	}
}

// withdraw takes a link back. It keeps a note only if the host has proved this
// link. It does so before the link is gone, so that the link always has one or
// the other.
func (h *hostConn) withdraw(m signalling.Withdraw) {
	id := sealed.LinkID(m.Link)
	h.mu.Lock()
	link := h.links[id]
	delete(h.links, id)
	if p := h.pending[id]; p != nil && p.note == nil {
		h.forget(id, p)
	}
	h.mu.Unlock()
	if link == nil {
		return
	}
	if m.Note != "" {
		h.leave(id, [sealed.NoteSize]byte(decoded(m.Note)))
	}
	h.s.tenants.releaseLink(h)
	link.attachment.Detach()
}
