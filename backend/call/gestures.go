package call

import (
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

// directs reports whether m may say things for all: whose picture is large, whose hand goes down, what newcomers read.
func (m *member) directs() bool { return m.profile.Host }

// raise handles a wish about a hand: m's own, or another's that m lowers.
func (c *Call) raise(m *member, h signalling.Hand) error {
	of := m
	var changed bool
	if h.Participant == "" || h.Participant == m.profile.ID {
		var err error
		if changed, err = m.gestures.Hand(h.Up, time.Now()); err != nil {
			return err
		}
	} else if of = c.member(h.Participant); of == nil || h.Up || !m.directs() {
		return fault.Newf(fault.MessageUnexpected, "%s of another", h.Type())
	} else {
		changed = of.gestures.Lower()
	}
	if changed {
		c.changed(of)
	}
	return nil
}

// react shows m's reaction to all participants.
func (c *Call) react(m *member, r signalling.React) error {
	if err := m.gestures.React(time.Now()); err != nil {
		return err
	}
	c.broadcast(signalling.Reaction{Participant: m.profile.ID, Reaction: r.Reaction})
	return nil
}

// spotlightOn makes a participant's picture large for all, at the wish of m; "" for none. Somebody who has left meanwhile
// is none.
func (c *Call) spotlightOn(m *member, id string) error {
	if !m.directs() {
		return fault.Newf(fault.MessageUnexpected, "spotlight")
	}
	if c.member(id) == nil {
		id = ""
	}
	if c.spotlight != id {
		c.spotlight = id
		c.broadcast(signalling.Spotlight{Participant: id})
	}
	return nil
}

// showEarlier says, at the wish of m, whether newcomers may read the chat of before they came.
func (c *Call) showEarlier(m *member, on bool) error {
	if !m.directs() {
		return fault.Newf(fault.MessageUnexpected, "earlier")
	}
	c.earlier = on
	return nil
}
