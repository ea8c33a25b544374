package host

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"github.com/porch-call/porch/backend/doormessages"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/lobby"
	"github.com/porch-call/porch/backend/media/capture"
	"github.com/porch-call/porch/backend/notify"
	"github.com/porch-call/porch/backend/relay"
	"github.com/porch-call/porch/backend/signalling"
)

// touch marks the state as changed, so that publish will publish it.
func (h *Host) touch() { h.changed = true }

// publish runs after each task of the loop.
func (h *Host) publish() {
	if !h.changed {
		return
	}
	h.changed = false
	h.schedule()
	s := draw(h).state()
	h.publisher.Publish(s)
	if h.center != nil {
		var waiting []notify.Request
		if h.settings.Notifications {
			waiting = notes(s.Requests)
		}
		h.center.Update(waiting)
	}
	if h.awake != nil {
		h.awake.Keep(h.settings.KeepAwake && guestIn(s.Calls))
	}
}

// guestIn reports whether a guest is in a call, or is expected back in it.
func guestIn(calls []hoststate.CallView) bool {
	return slices.ContainsFunc(calls, func(c hoststate.CallView) bool {
		return slices.ContainsFunc(c.Participants, func(p hoststate.ParticipantView) bool { return !p.Host })
	})
}

// parts are the parts of a link's view that are costly to make and seldom change.
// They are never changed.
type parts struct {
	addresses []hoststate.AddressView
	visitors  []hoststate.VisitorView
	copies    []hoststate.CopyView
}

// partsOf returns a link's parts, the earlier ones if there are any. o is nil for
// a link that has ended.
func (d drawing) partsOf(l links.Link, o *openLink) parts {
	h, addresses := d.host, d.addresses
	if !slices.Equal(addresses, h.partsAt) {
		clear(h.parts)
		h.partsAt = slices.Clone(addresses)
	}
	if p, ok := h.parts[l.ID]; ok {
		return p
	}
	p := parts{addresses: []hoststate.AddressView{}, copies: []hoststate.CopyView{}}
	p.visitors = convert(h.book.Visitors(l.ID), func(v links.Visitor) hoststate.VisitorView {
		return hoststate.VisitorView{Name: v.Name, LastSeen: hoststate.Millis(v.LastSeen)}
	})
	if o != nil {
		p.addresses = h.ways.AddressesOf(l, addresses)
		p.copies = d.copiesOf(l)
	}
	h.parts[l.ID] = p
	return p
}

// copiesOf returns the copies of a link that its host has not removed.
func (d drawing) copiesOf(l links.Link) []hoststate.CopyView {
	views := []hoststate.CopyView{}
	for _, c := range l.Copies {
		if c.End == links.CopyRemoved || c.End == links.CopyMoved {
			continue
		}
		of := l
		of.Secret = c.Secret
		v := hoststate.CopyView{
			ID: c.ID, Name: c.Name, Once: c.Once, CreatedAt: hoststate.Millis(c.CreatedAt), UsedAt: hoststate.Millis(c.EndedAt),
			Browsers: d.host.book.Browsers(l.ID, c.ID), Addresses: []hoststate.AddressView{},
		}
		if c.End == "" {
			v.Addresses = d.host.ways.AddressesOf(of, d.addresses)
		}
		views = append(views, v)
	}
	return views
}

// forgetParts says that a link has ended, that the book has recorded a visitor or
// a copy (and perhaps forgotten one of another link), or that the list of relays has
// changed.
func (h *Host) forgetParts() {
	clear(h.parts)
	h.touch()
}

// drawing makes what the window shows from the present state.
type drawing struct {
	host      *Host
	addresses []relay.Address // of the relay inside the app
}

func draw(h *Host) drawing { return drawing{h, h.relay.Addresses()} }

// state makes the whole state. What it returns is never changed.
func (d drawing) state() hoststate.State {
	h := d.host
	s := hoststate.State{
		Me:        h.me,
		Reach:     h.ways.View(d.addresses),
		Links:     []hoststate.LinkView{},
		Requests:  []hoststate.RequestView{},
		Calls:     []hoststate.CallView{},
		Enter:     h.enter,
		Settings:  h.settings,
		Engines:   hoststate.Engines{Native: capture.Available(), Synthetic: h.synthetic},
		Notice:    h.notice,
		Arrival:   h.arrival,
		Standings: h.standings(),
		Deeds:     append([]hoststate.DeedView{}, h.deeds...),
		Recorded:  h.recordings.Last(),
	}
	messages := h.messages.List()
	for _, l := range h.book.List() {
		o := h.openLinks[l.ID]
		view := d.link(l, o)
		view.Messages = messagesOf(messages, view.ID)
		s.Links = append(s.Links, view)
		if o == nil || !o.removeAt.IsZero() {
			continue
		}
		o.nameRequests()
		begin := len(s.Requests)
		for _, q := range o.queue.Requests {
			v := o.requestView(l, q)
			v.Message = slices.ContainsFunc(messages, func(m doormessages.Message) bool {
				return m.Link == v.LinkID && m.Device == q.Device
			})
			s.Requests = append(s.Requests, v)
		}
		foldAlike(s.Requests[begin:])
		if o.call != nil && len(o.roster) > 0 {
			s.Calls = append(s.Calls, callView(l, o))
		}
	}
	slices.SortStableFunc(s.Requests, func(a, b hoststate.RequestView) int { return cmp.Compare(a.Since, b.Since) })
	return s
}

// link makes the view of a link. o is nil for a link that has ended.
func (d drawing) link(l links.Link, o *openLink) hoststate.LinkView {
	p := d.partsOf(l, o)
	v := hoststate.LinkView{
		ID:        string(l.ID),
		Name:      l.Name,
		State:     string(l.State),
		Group:     hoststate.GroupEarlier,
		CreatedAt: hoststate.Millis(l.CreatedAt),
		UsedAt:    hoststate.Millis(l.UsedAt),
		EndedAt:   hoststate.Millis(l.EndedAt),
		Addresses: p.addresses,
		Visitors:  p.visitors,
		Copies:    p.copies,
		OpensAt:   hoststate.Millis(l.OpensAt),
		Ends:      string(l.Ends),
		EndsAt:    hoststate.Millis(l.EndsAt),
		Stale:     l.Stale(d.host.now()),
	}
	v.Relay, v.RelayState, v.RelayCode = d.host.ways.RelayOf(l)
	if o == nil {
		return v
	}
	v.Door = d.host.ways.DoorOf(l)
	v.Waiting = len(o.queue.Requests)
	v.InCall = len(o.roster)
	v.HostInCall = o.hostSeat != nil
	v.RemovedAt = hoststate.Millis(o.removeAt)
	v.Silenced, v.Locked = o.queue.Silenced, o.queue.Locked
	if v.InCall > 0 {
		v.Group = hoststate.GroupLive
	} else {
		v.Group = hoststate.GroupUpcoming
	}
	return v
}

// foldFrom is how many look-alike knocks at a link stand behind one card. Fewer are
// shown apart: two people may have one name.
const foldFrom = 5

// foldAlike says of unknown guests of one link whose names differ in nothing but
// numbers, or resemble each other, that they are like the first of them.
func foldAlike(requests []hoststate.RequestView) {
	if len(requests) < foldFrom {
		return
	}
	type bunch struct {
		shape signalling.Shape
		rows  []int
	}
	var bunches []bunch
	for i, q := range requests {
		if q.Known != hoststate.KnownFirst || len(q.Words) > 0 {
			continue
		}
		letters := strings.TrimFunc(q.Name, func(r rune) bool { return !unicode.IsLetter(r) })
		shape := signalling.ShapeOf(cmp.Or(letters, q.Name))
		at := slices.IndexFunc(bunches, func(b bunch) bool { return b.shape.Alike(shape) })
		if at < 0 {
			bunches = append(bunches, bunch{shape: shape})
			at = len(bunches) - 1
		}
		bunches[at].rows = append(bunches[at].rows, i)
	}
	for _, b := range bunches {
		if len(b.rows) < foldFrom {
			continue
		}
		for _, i := range b.rows[1:] {
			requests[i].Like = requests[b.rows[0]].ID
		}
	}
}

func (o *openLink) requestView(l links.Link, q lobby.Request) hoststate.RequestView {
	v := hoststate.RequestView{
		ID:         q.ID,
		LinkID:     string(l.ID),
		LinkName:   l.Name,
		Name:       q.Name,
		Shown:      o.shown[q.ID],
		Since:      hoststate.Millis(q.Since),
		Known:      hoststate.KnownFirst,
		TimesLetIn: q.Known.TimesLetIn,
		Bell:       string(q.Bell),
		BellAt:     hoststate.Millis(q.BellSince),
		Rings:      q.Rings,
		Seen:       q.Seen,
		WaitUntil:  hoststate.Millis(q.WaitUntil),
		Away:       q.Away,
		Copy:       q.Known.Copy,
		Browser:    q.Known.Browser,
		Outside:    q.Outside,
		Picture:    q.Picture,
	}
	if q.Known.Name != "" && !signalling.ShapeOf(q.Known.Name).Same(signalling.ShapeOf(q.Name)) {
		v.SameAs = q.Known.Name
	}
	switch {
	case q.Known.TimesLetIn > 0:
		v.Known = hoststate.KnownReturning
	case q.Known.NameKnown:
		v.Known = hoststate.KnownName
	}
	v.NameInCall, v.LooksLike = o.resembles(q)
	v.Familiar = q.Key != "" && q.Known.Name != ""
	v.Hint = q.Hints
	v.Words, v.CanWrite = o.wordViews(q.ID), o.writable(q.ID) != nil
	if o.call != nil {
		v.Lowers, v.LowersTo = o.forecast.Lowers, o.forecast.To
	}
	return v
}

func callView(l links.Link, o *openLink) hoststate.CallView {
	v := hoststate.CallView{
		LinkID:       string(l.ID),
		Name:         l.Name,
		HostIn:       o.hostSeat != nil,
		Participants: convert(o.roster, participantView),
		Recording:    o.host.recordings.View(string(o.id)),
	}
	if o.hostSeat != nil {
		v.Engine = o.hostSeat.engine
	}
	return v
}

func participantView(p signalling.Participant) hoststate.ParticipantView {
	return hoststate.ParticipantView(p)
}

func convert[A, B any](rows []A, one func(A) B) []B {
	out := make([]B, len(rows))
	for i, row := range rows {
		out[i] = one(row)
	}
	return out
}
