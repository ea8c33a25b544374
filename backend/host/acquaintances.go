package host

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/porch-call/porch/backend/acquaintances"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/lobby"
	"github.com/porch-call/porch/backend/notetakers"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// A browser keeps a key for this host, and proves it with each knock. So the host
// knows a browser again whatever name it gives, and nobody else can come as it.

// loadIdentity reads how guests' browsers tell this host from others, or makes it.
func (h *Host) loadIdentity() error {
	found, err := h.keeper.Setting(keyIdentity, &h.identity)
	if err == nil && !found {
		h.identity = randomID()
		err = h.keeper.PutSetting(keyIdentity, h.identity)
	}
	if err != nil {
		return fmt.Errorf("load how browsers know the host: %w", err)
	}
	return nil
}

// ask returns what the lobby is told of a knock of a browser, "" for one that keeps no
// key. What is known of the key goes before what is known of the device, which is only
// claimed. worked means that the guest has done the work that was asked for.
func (s *guestSession) ask(k signalling.Knock, browser string, worked bool) lobby.Knock {
	h, o := s.host, s.link
	by := s.known(k.Name)
	facts := h.acquaintances.Facts(browser, k.Name, string(o.id))
	known := lobby.Known{
		TimesLetIn: by.TimesLetIn, NameKnown: by.NameKnown || facts.NameKnown, LooksLike: by.LooksLike,
		Copy: by.Copy, Browser: by.Browser,
	}
	if known.LooksLike == "" {
		known.LooksLike = facts.LooksLike
	}
	if facts.Times > 0 {
		known.TimesLetIn, known.Name = facts.Times, facts.Name
	}
	work := lobby.WorkCannot
	switch {
	case worked:
		work = lobby.WorkDone
	case wordList(k.Takes).has(signalling.TakesWork):
		work = lobby.WorkNotDone
	}
	remote := s.frames.Remote()
	return lobby.Knock{
		Device: s.device, Key: browser, Name: k.Name, Known: known,
		Address: remote.Key, Local: remote.Loopback,
		Standing: facts.Always && !o.leaving.Load() && !h.acquaintances.IsOut(string(o.id), lobby.IDs([]string{s.device}, browser)...),
		Work:     work,
		Hints:    notetakers.Hint(notetakers.Knock{Name: k.Name, Automated: k.Automated, Bare: k.Bare, At: h.now()}),
	}
}

// AlwaysLetIn lets the browser of a request in, and from now on without asking:
// through its link, or through all. Faults: RequestGone, also if the browser has
// proved no key under which it was let in before.
func (h *Host) AlwaysLetIn(ctx context.Context, requestID string, everywhere bool) error {
	return h.doRequest(ctx, requestID, func(o *openLink, q lobby.Request) error {
		link := string(o.id)
		if everywhere {
			link = ""
		}
		if q.Key == "" {
			return fault.New(fault.RequestGone, nil)
		}
		if err := h.acquaintances.Always(q.Key, link); err != nil {
			return err
		}
		return o.letIn(requestID)
	})
}

// StopAlways takes back that a browser is always let in: through a link, or through
// all where linkID is "".
func (h *Host) StopAlways(ctx context.Context, browser, linkID string) error {
	return h.do(ctx, func() error {
		defer h.touch()
		return h.acquaintances.Stop(browser, linkID)
	})
}

// forgetDecisions forgets what was decided at links that have ended. It writes in the
// background.
func (h *Host) forgetDecisions() {
	h.background.TryGo(func() {
		if err := h.acquaintances.KeepLinks(func(id string) bool {
			l, err := h.book.Get(sealed.LinkID(id))
			return err == nil && !l.State.Ended()
		}); err != nil {
			h.log.Error("forget decisions", "code", fault.CodeOf(err))
		}
		h.loop.Post("decisions", h.touch)
	})
}

// standings returns who is always let in.
func (h *Host) standings() []hoststate.StandingView {
	return convert(h.acquaintances.Standings(), func(v acquaintances.View) hoststate.StandingView {
		view := hoststate.StandingView{Browser: v.Browser, Name: v.Name, LinkID: v.LinkID}
		if o := h.openLinks[sealed.LinkID(v.LinkID)]; o != nil {
			l, _ := h.book.Get(o.id) // an open link is in the book
			view.LinkName = l.Name
		}
		return view
	})
}

// cameByThemselves tells the host of a guest who was let in by a standing decision.
// Nobody has pressed a button, so the host is not brought in.
func (s *guestSession) cameByThemselves(name string) {
	h := s.host
	h.loop.Post("arrival", func() {
		h.notices++
		h.arrival = &hoststate.ArrivalView{ID: h.notices, LinkID: string(s.link.id), Name: name}
		h.touch()
	})
}

// blocked reports whether the guest's device or browser is blocked at the link.
func (s *guestSession) blocked(browser string) bool {
	book, link := s.host.book, s.link.id
	return slices.ContainsFunc(lobby.IDs([]string{s.device}, browser), func(id string) bool { return book.Blocked(link, id) })
}

// block keeps a device, and the browser that has proved a key, from knocking at a
// link again.
func (o *openLink) block(device, browser string) error {
	if err := o.host.book.Block(o.id, device); err != nil || browser == "" {
		return err
	}
	return o.host.book.Block(o.id, lobby.KeyID(browser))
}

// answer lets those of the requests in that still wait, or declines them. Fault:
// RequestGone, if none waits any more.
func (o *openLink) answer(admit bool, requestIDs ...string) error {
	var done []string
	if admit {
		done = o.lobby.AdmitAll(requestIDs)
	} else {
		done = o.lobby.DeclineAll(requestIDs)
	}
	if len(done) == 0 {
		return fault.New(fault.RequestGone, nil)
	}
	o.recordAnswers(!admit, done...)
	return nil
}

// letIn is answer of the host, who is brought in. Whoever lets a guest in does not want
// the link removed.
func (o *openLink) letIn(requestIDs ...string) error {
	if err := o.answer(true, requestIDs...); err != nil {
		return err
	}
	o.removeWhen(time.Time{})
	o.bringIn()
	return nil
}

// recordAnswers keeps how often devices were declined, so that it holds after a
// restart. It writes in the background, because guests wait for their answers. Only
// who is let in from outside is seldom, and is written at once, so that it does not
// come after the next time.
func (o *openLink) recordAnswers(declined bool, requestIDs ...string) {
	h, link := o.host, string(o.id)
	for _, q := range o.queue.Requests {
		if !slices.Contains(requestIDs, q.ID) {
			continue
		}
		record := h.acquaintances.Forgive
		if declined {
			record = h.acquaintances.Decline
		} else if err := h.acquaintances.TakeBack(link, lobby.IDs([]string{q.Device}, q.Key)...); err != nil {
			h.log.Error("record who is let in", "code", fault.CodeOf(err))
		}
		h.background.TryGo(func() {
			if err := record(link, q.Device); err != nil {
				h.log.Error("record an answer", "code", fault.CodeOf(err))
			}
		})
	}
}

// keepOut keeps a guest who is about to lose a seat from coming back by a standing
// decision, until the host lets them in. It holds after a restart.
func (o *openLink) keepOut(st *seat) {
	o.lobby.PutOut(st.heldBy(), st.browser)
	if err := o.host.acquaintances.PutOut(string(o.id), lobby.IDs(st.heldBy(), st.browser)...); err != nil {
		o.host.log.Error("record who is put out", "code", fault.CodeOf(err)) // the lobby knows
	}
}
