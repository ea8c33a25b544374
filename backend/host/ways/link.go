package ways

import (
	"github.com/porch-call/porch/backend/call"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/host/turncredentials"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/relay/client"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
)

// Accept takes a guest's channel. credentials are nil for a guest who needs none.
type Accept func(f switchboard.Frames, credentials *turncredentials.Credentials)

// Link is a link that can be opened, as far as its ways go.
type Link struct {
	ways   *Ways           // never changes
	keys   sealed.LinkKeys // never changes
	relay  string          // base of the public relay on which it lives, or ""; never changes
	accept Accept          // never changes

	withdraw func() // takes the link back from the relay inside the app
	door     []byte // identity of its direct door; nil for none
	shut     func() // closes the door
	// at is the relay on which the link lives, or nil while there is none. leave
	// takes the link back from there, and leaves a note.
	at          *public
	leave       func(note *[sealed.NoteSize]byte)
	credentials *turncredentials.Credentials // the host's own, in the call
	asking      func()                       // ends Engine.Prepare, which asks STUN servers before the call; nil if it is not running
}

// Link makes the ways of a link. It does not announce the link.
func (w *Ways) Link(l links.Link, accept Accept) *Link {
	made := &Link{
		ways: w, keys: l.Keys, door: l.Door, relay: l.Relay, accept: accept,
		withdraw: func() {}, shut: func() {}, leave: func(*[sealed.NoteSize]byte) {},
	}
	w.links[made] = struct{}{}
	return made
}

// Announce makes the link reachable: on this computer and its network, through its
// direct door if it has one, and at the public relay on which the link lives.
func (l *Link) Announce() error {
	w := l.ways
	withdraw, err := w.parts.Inside.Announce(w.parts.Context, l.keys, func(f switchboard.Frames) { l.accept(f, nil) })
	if err != nil {
		return err
	}
	l.withdraw = withdraw
	l.renewDoor()
	if r := w.relays.of(l.relay); r != nil {
		l.announceAt(r)
	}
	return nil
}

// announceAt makes the link reachable at the public relay on which it lives.
func (l *Link) announceAt(r *public) {
	if r.remote == nil || l.ways.choice.who() != WhoAnywhere {
		return
	}
	leave, err := r.remote.Announce(l.ways.parts.Context, l.keys, func(f switchboard.Frames) { l.accept(f, r.newCredentials()) })
	if err != nil {
		l.ways.parts.Logger.Error("announce a link at a relay", "code", fault.CodeOf(err))
		return
	}
	l.at, l.leave = r, leave
}

// Depart takes the link back from all relays, and leaves the note, if there is one,
// at its relay. Nothing else may be called after it.
func (l *Link) Depart(note *[sealed.NoteSize]byte) {
	delete(l.ways.links, l)
	l.withdraw()
	l.shut()
	l.leave(note)
	l.StopAsking()
}

// ownCredentials returns the host's own credentials in the link's call.
func (l *Link) ownCredentials() *turncredentials.Credentials {
	if p := l.credentials; p != nil && l.at != nil && p.IsFrom(l.at.source) {
		return p
	}
	l.credentials.End()
	l.credentials = l.at.newCredentials()
	return l.credentials
}

// ForCall returns how a call that begins now is reached from outside.
func (l *Link) ForCall() call.ICEConfig {
	own := l.ownCredentials()
	if own == nil {
		if r := l.ways.knowsOutside(); r != nil {
			return call.ICEConfig{STUN: r.stun(), Relay: r.address}
		}
		return call.ICEConfig{}
	}
	return call.ICEConfig{STUN: l.at.stun(), Servers: own.Own, Relay: l.at.address, RelayOnly: l.ways.choice.RelayOnly}
}

// knowsOutside returns a relay whose STUN servers tell guests of the address from
// outside a path to this computer. It returns nil if no such guest can come, or if
// no relay is connected: then no server of strangers is asked.
func (w *Ways) knowsOutside() *public {
	if w.choice.Own.Origin == "" || w.choice.who() != WhoAnywhere {
		return nil
	}
	for _, r := range w.relays {
		if r.status.State == client.StateConnected && len(r.status.Offer.STUN) > 0 {
			return r
		}
	}
	return nil
}

// CallEnded takes back the credentials that the host had in the call.
func (l *Link) CallEnded() {
	l.credentials.End()
	l.credentials = nil
}

// Prepare prepares what the host will need for a call that has not begun: the
// answers of STUN servers, or credentials for TURN if the call may use no other
// address.
func (l *Link) Prepare(engine *call.Engine) {
	if l.at == nil {
		if r := l.ways.knowsOutside(); r != nil && l.asking == nil {
			l.asking = engine.Prepare(r.stun(), r.address)
		}
		return
	}
	if l.ways.choice.RelayOnly {
		l.ownCredentials().Prepare()
		return
	}
	if l.asking == nil {
		l.asking = engine.Prepare(l.at.stun(), l.at.address)
	}
}

// StopAsking undoes Prepare, once the call asks by itself or no guest waits.
func (l *Link) StopAsking() {
	if l.asking != nil {
		l.asking()
		l.asking = nil
	}
}
