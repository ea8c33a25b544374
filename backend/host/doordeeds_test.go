package host

import (
	"maps"
	"slices"

	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/lobby"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/signalling"
)

func newBoard() board { return board{Memory: switchboard.NewMemory(256, 256)} }

// change does one random thing.
func (p *doorTest) change() {
	type choice struct {
		weight int
		name   string
		do     func()
	}
	choices := []choice{
		{70, "guest", p.guestActs}, {22, "admit", p.admitOne}, {2, "admit all", p.admitAll}, {6, "decline", p.declineOne},
		{1, "decline all", p.declineAll}, {2, "block", p.blockOne}, {4, "ask to wait", p.askToWait}, {3, "remove", p.removeOne},
		{7, "outside", p.letOneWaitOutside}, {3, "lock", p.lock}, {1, "silence", p.silence}, {8, "co-host", p.coHost},
		{6, "act", p.act}, {12, "always", p.always}, {2, "stop always", p.stopAlways}, {4, "copy", p.copyOne},
		{2, "remove copy", p.removeCopy}, {3, "new address", p.newAddress}, {1, "times", p.times}, {1, "end", p.endLink},
		{2, "host", p.hostComesOrGoes}, {1, "restart", p.restart},
	}
	total := 0
	for _, c := range choices {
		total += c.weight
	}
	n := p.r.IntN(total)
	for _, c := range choices {
		if n -= c.weight; n < 0 {
			p.counts[c.name]++
			c.do()
			break
		}
	}
	p.renew()
}

// renew puts new links and new browsers in the place of those that are over.
func (p *doorTest) renew() {
	for i, l := range p.links {
		if !l.over && p.f.linkNow(string(l.id)).EndedAt != 0 {
			p.links[i].over = true
		}
	}
	for len(p.openLinks()) < 2 {
		p.newLink()
	}
	for i, c := range p.callers {
		if c.link.over || c.worn {
			p.hangUp(c)
			fresh := p.freshCaller()
			if c.key != nil && p.r.IntN(4) > 0 { // a known browser, at another link or with its storage cleared
				fresh.key, fresh.name = c.key, c.name
			}
			p.callers[i] = fresh
		}
	}
}

func (p *doorTest) openLinks() []*doorLink {
	return slices.DeleteFunc(slices.Clone(p.links), func(l *doorLink) bool { return l.over })
}

func (p *doorTest) anyLink() *doorLink {
	open := p.openLinks()
	return open[p.r.IntN(len(open))]
}

// guestActs has a guest do what guests do.
func (p *doorTest) guestActs() {
	c := p.callers[p.r.IntN(len(p.callers))]
	at, _ := c.line.now()
	n := p.r.IntN(10)
	p.note("%s %.4s (%s) %d", c.name, c.device, at, n)
	switch {
	case at == shutDown || at == told || at == dialled:
		p.hangUp(c)
		p.arrive(c)
	case n < 2: // reload
		p.counts["reload"]++
		p.hangUp(c)
		p.arrive(c)
	case n == 2:
		p.hangUp(c)
	case n == 3 || n == 4 && p.out[place{c.link.id, c.device}] != nil:
		p.counts["leave"]++
		c.line.send("", signalling.Leave{})
		c.seat = ""
		p.soon("the end of a page that left", func() bool { return c.line.is(shutDown) })
		c.line = nil
	case at == inside && n < 9:
		c.line.send("", signalling.Candidate{}) // and the seat is used
	case at == inside:
		c.line.send("", signalling.Say{Text: "hello"})
	case at == waits && n == 4:
		p.knock(c, c.name+"!") // another name
		c.name += "!"
	default:
		p.knock(c, c.name)
	}
	if p.r.IntN(3) > 0 && c.line != nil {
		p.soon("an answer to "+c.name, func() bool { _, asked := c.line.now(); return asked == "" })
	}
}

// at runs fn on the host's loop, if the link has not ended.
func (p *doorTest) at(l *doorLink, fn func(*openLink)) {
	p.f.must(p.f.host.loop.Do(p.f.ctx, func() {
		if o := p.f.host.openLinks[l.id]; o != nil {
			fn(o)
		}
	}))
}

// waiting returns a random request of the host, or one that is not there. Now and then it is as the host saw it a while
// ago.
func (p *doorTest) waiting() (l *doorLink, q lobby.Request) {
	if p.earlier.ID != "" && !p.earlierAt.over && p.r.IntN(6) == 0 {
		l, q = p.earlierAt, p.earlier
		p.earlier = lobby.Request{}
		return l, q
	}
	defer func() { p.earlierAt, p.earlier = l, q }()
	l = p.anyLink()
	for _, other := range p.openLinks() {
		if p.f.linkNow(string(l.id)).Waiting == 0 {
			l = other
		}
	}
	p.at(l, func(o *openLink) {
		if all := o.lobby.Snapshot().Requests; len(all) > 0 && p.r.IntN(30) > 0 {
			q = all[p.r.IntN(len(all))]
		}
	})
	if q.ID == "" {
		q.ID = "none"
	}
	return l, q
}

// allow notes that the host lets a guest in, before the host is told so. take it back if the host refuses.
func (p *doorTest) allow(l *doorLink, q lobby.Request) (takeBack func()) {
	g := &grant{link: l.id, request: q.ID, device: q.Device, name: q.Name}
	p.grants = append(p.grants, g)
	if q.Key != "" && !slices.Contains(p.names[q.Key], q.Name) {
		p.names[q.Key] = append(p.names[q.Key], q.Name)
	}
	was := make(map[place]*mark)
	for _, who := range []string{q.Device, q.Key} {
		was[place{l.id, who}] = p.out[place{l.id, who}]
		delete(p.out, place{l.id, who})
	}
	return func() {
		p.grants = slices.DeleteFunc(p.grants, func(other *grant) bool { return other == g })
		for w, m := range was {
			if m != nil {
				p.out[w] = m
			}
		}
	}
}

// forbid takes back what the host has decided on a device before.
func (p *doorTest) forbid(l *doorLink, device string) {
	p.grants = slices.DeleteFunc(p.grants, func(g *grant) bool {
		gone := g.link == l.id && g.device == device
		if gone {
			p.void = append(p.void, g)
		}
		return gone
	})
}

func (p *doorTest) admitOne() {
	l, q := p.waiting()
	takeBack := p.allow(l, q)
	err := p.f.host.Admit(p.f.ctx, q.ID)
	if err != nil {
		takeBack()
	}
	p.note("admit %s %.4s: %v", q.Name, q.Device, err)
}

func (p *doorTest) admitAll() {
	l := p.anyLink()
	var all []lobby.Request
	p.at(l, func(o *openLink) { all = o.lobby.Snapshot().Requests })
	var ids []string
	for _, q := range all {
		ids = append(ids, q.ID)
		p.allow(l, q)
	}
	p.note("admit all: %v", p.f.host.AdmitAll(p.f.ctx, string(l.id), ids))
}

func (p *doorTest) declineOne() {
	l, q := p.waiting()
	if err := p.f.host.Decline(p.f.ctx, q.ID); err == nil {
		p.forbid(l, q.Device)
	}
	p.note("decline %s %.4s", q.Name, q.Device)
}

func (p *doorTest) declineAll() {
	l := p.anyLink()
	var ids []string
	for _, q := range p.f.host.Snapshot().Requests {
		ids = append(ids, q.ID)
	}
	p.note("decline all: %v", p.f.host.DeclineAll(p.f.ctx, string(l.id), ids))
}

func (p *doorTest) blockOne() {
	l, q := p.waiting()
	err := p.f.host.Block(p.f.ctx, q.ID)
	p.note("block %s: %v", q.Name, err)
	if err == nil {
		p.bar(l, q.Device, q.Key)
	}
}

// bar notes that a device, and the browser's key, are blocked.
func (p *doorTest) bar(l *doorLink, device, key string) {
	p.forbid(l, device)
	for _, who := range []string{device, key} {
		if who != "" && p.blocked[place{l.id, who}] == nil {
			p.blocked[place{l.id, who}] = &mark{}
		}
	}
}

func (p *doorTest) askToWait() {
	_, q := p.waiting()
	_ = p.f.host.AskToWait(p.f.ctx, q.ID, p.r.IntN(3)) // it may be gone
	_ = p.f.host.See(p.f.ctx, []string{q.ID})
}

// sitting returns a random seat of a link, nil for none.
func (p *doorTest) sitting() (l *doorLink, st *seat) {
	l = p.anyLink()
	p.at(l, func(o *openLink) {
		all := slices.Collect(maps.Keys(o.seats))
		if len(all) > 0 {
			st = all[p.r.IntN(len(all))]
		}
	})
	return l, st
}

func (p *doorTest) removeOne() {
	l, st := p.sitting()
	if st == nil {
		return
	}
	block := p.r.IntN(2) == 0
	device, key := st.device, st.browser
	err := p.f.host.RemoveParticipant(p.f.ctx, string(l.id), st.participant.ID(), block)
	p.note("remove %s, block %v: %v", st.name, block, err)
	if err == nil {
		p.seats[st].spent()
	}
	if err == nil && block {
		p.bar(l, device, key)
	}
}

// spent says that the decision has been used.
func (g *grant) spent() {
	if g != nil {
		g.used = true
	}
}

func (p *doorTest) letOneWaitOutside() {
	l, st := p.sitting()
	p.at(l, func(o *openLink) { // rather one who came by a standing decision
		for other := range o.seats {
			if g, seen := p.seats[other]; seen && g == nil {
				st = other
			}
		}
	})
	if st == nil {
		return
	}
	err := p.f.host.LetWaitOutside(p.f.ctx, string(l.id), st.participant.ID())
	p.note("outside %s %.4s: %v", st.name, st.device, err)
	if err != nil {
		return
	}
	p.seats[st].spent()
	p.forbid(l, st.device)
	for _, who := range []string{st.device, st.browser} {
		if who != "" {
			p.out[place{l.id, who}] = &mark{}
		}
	}
	for _, c := range p.callers {
		if c.device == st.device && c.line != nil && (p.standings[place{l.id, st.browser}] || p.standings[place{"", st.browser}]) {
			p.comeAnew(c)
		}
	}
}

// comeAnew has a guest give up, and come as if for the first time.
func (p *doorTest) comeAnew(c *caller) {
	p.settle()
	c.line.send("", signalling.Leave{})
	p.hangUp(c)
	p.settle()
	c.seat = ""
	p.arrive(c)
}

func (p *doorTest) lock() {
	l := p.anyLink()
	l.locked = !l.locked
	p.note("lock %v", l.locked)
	if p.f.host.LockCall(p.f.ctx, string(l.id), l.locked) != nil {
		return
	}
	delete(p.locks, place{link: l.id})
	if l.locked {
		p.locks[place{link: l.id}] = &mark{}
	}
}

func (p *doorTest) silence() {
	_ = p.f.host.SilenceRequests(p.f.ctx, string(p.anyLink().id), p.r.IntN(2) == 0) // the link may just have ended
}

// pageOf returns the page that has a seat, nil for none.
func (p *doorTest) pageOf(participant string) *line {
	for _, ln := range p.lines {
		ln.mu.Lock()
		found := ln.phase == inside && ln.participant == participant
		ln.mu.Unlock()
		if found {
			return ln
		}
	}
	return nil
}

func (p *doorTest) coHost() {
	l, st := p.sitting()
	if st == nil {
		return
	}
	on := p.r.IntN(6) > 0
	p.pagesKnowDoors(st.device)
	err := p.f.host.SetCoHost(p.f.ctx, string(l.id), st.participant.ID(), on)
	p.note("co-host %s %v: %v", st.name, on, err)
}

// pagesKnowDoors says that the pages of a device may be shown the door.
func (p *doorTest) pagesKnowDoors(device string) {
	for _, ln := range p.lines {
		ln.mu.Lock()
		ln.coHost = ln.coHost || ln.v.device == device
		ln.mu.Unlock()
	}
}

// act has a guest ask for what only co-hosts may ask for.
func (p *doorTest) act() {
	p.settle()
	l, st := p.sitting()
	p.at(l, func(o *openLink) {
		for other := range o.seats {
			if other.coHost && other.session != nil && p.r.IntN(2) == 0 {
				st = other
			}
		}
	})
	if st == nil {
		return
	}
	ln := p.pageOf(st.participant.ID())
	if ln == nil {
		return
	}
	var q lobby.Request
	p.at(l, func(o *openLink) {
		if all := o.lobby.Snapshot().Requests; len(all) > 0 {
			q = all[p.r.IntN(len(all))]
		}
	})
	if q.ID == "" {
		q.ID = "none"
	}
	deeds := []signalling.Deed{signalling.DeedAdmit, signalling.DeedAdmit, signalling.DeedDecline, signalling.DeedMute, signalling.DeedRemove}
	a := signalling.Act{Deed: deeds[p.r.IntN(len(deeds))], Of: q.ID}
	var other *seat
	if a.Deed == signalling.DeedMute || a.Deed == signalling.DeedRemove {
		p.at(l, func(o *openLink) {
			for st := range o.seats {
				other = st
			}
		})
		if other == nil {
			return
		}
		a.Of = other.participant.ID()
	}
	var may, spared bool
	var before uint64
	p.f.must(p.f.host.loop.Do(p.f.ctx, func() {
		may, before = st.coHost, p.f.host.deedCount
		spared = other != nil && other.coHost
	}))
	takeBack := func() {}
	if may {
		p.counts["act by a co-host"]++
	}
	if may && a.Deed == signalling.DeedAdmit {
		takeBack = p.allow(l, q)
	}
	ln.mu.Lock()
	faults := ln.faults
	ln.mu.Unlock()
	ln.send("", a)
	done := false
	p.soon("what comes of a co-host's wish", func() bool {
		ln.mu.Lock()
		refused, gone := ln.faults > faults, ln.phase != inside
		ln.mu.Unlock()
		p.f.must(p.f.host.loop.Do(p.f.ctx, func() { done = p.f.host.deedCount > before }))
		return done || refused || gone
	})
	p.note("act %s by %s, co-host %v: %v", a.Deed, st.name, may, done)
	switch {
	case done && !may:
		p.fail("%s did %s, and is no co-host", st.name, a.Deed)
	case done && spared && a.Deed == signalling.DeedRemove:
		p.fail("a co-host removed a co-host")
	case !done:
		takeBack()
	case a.Deed == signalling.DeedDecline:
		p.forbid(l, q.Device)
	case a.Deed == signalling.DeedRemove:
		p.seats[other].spent()
	}
	if done {
		p.counts["acts done"]++
	}
}

func (p *doorTest) always() {
	l, q := p.waiting()
	p.at(l, func(o *openLink) { // rather one who is known
		for _, other := range o.lobby.Snapshot().Requests {
			if other.Known.Name != "" {
				q = other
			}
		}
	})
	everywhere := p.r.IntN(2) == 0
	at := place{l.id, q.Key}
	if everywhere {
		at.link = ""
	}
	takeBack := p.allow(l, q)
	err := p.f.host.AlwaysLetIn(p.f.ctx, q.ID, everywhere)
	p.note("always %s %.4s everywhere %v: %v", q.Name, q.Device, everywhere, err)
	if err != nil {
		takeBack()
		return
	}
	p.standings[at] = true
	p.counts["always said"]++
}

func (p *doorTest) stopAlways() {
	for at := range p.standings {
		p.f.must(p.f.host.StopAlways(p.f.ctx, at.who, string(at.link)))
		p.note("stop always %v", at)
		delete(p.standings, at)
		p.stopped[at] = true
		return
	}
}

func (p *doorTest) copyOne() {
	l := p.anyLink()
	once := p.r.IntN(2) == 0
	id, err := p.f.host.Link(string(l.id)).NewCopy(p.f.ctx, "copy", once)
	if err != nil {
		return
	}
	for _, c := range p.f.linkNow(string(l.id)).Copies {
		if c.ID == id {
			l.addresses = append(l.addresses, &address{secret: secretIn(p, c.Addresses), copyID: id, once: once})
		}
	}
}

func (p *doorTest) removeCopy() {
	l := p.anyLink()
	for _, a := range l.addresses {
		if a.copyID != "" && !a.dead {
			if p.f.host.Link(string(l.id)).RemoveCopy(p.f.ctx, a.copyID) == nil {
				a.dead = true
			}
			return
		}
	}
}

func (p *doorTest) newAddress() {
	l := p.anyLink()
	p.note("new address")
	if p.f.host.Link(string(l.id)).NewAddress(p.f.ctx) != nil {
		return
	}
	for _, a := range l.addresses {
		a.dead = a.dead || a.copyID == ""
	}
	l.addresses = append(l.addresses, &address{secret: secretIn(p, p.f.linkNow(string(l.id)).Addresses)})
}

func (p *doorTest) times() {
	ends := []links.Ends{links.EndsEmpty, links.EndsNever}
	_ = p.f.host.Link(string(p.anyLink().id)).SetTimes(p.f.ctx, links.Times{Ends: ends[p.r.IntN(2)]}) // it may just have ended
}

// endLink removes a link, perhaps with a change of mind, or ends its call.
func (p *doorTest) endLink() {
	l := p.anyLink()
	n := p.r.IntN(4)
	p.note("end link %d", n)
	switch n {
	case 0:
		_ = p.f.host.EndCall(p.f.ctx, string(l.id))
	default:
		_ = p.f.host.Link(string(l.id)).Remove(p.f.ctx)
		if n == 1 {
			_ = p.f.host.Link(string(l.id)).Undo(p.f.ctx)
		}
	}
}

// hostComesOrGoes takes the host's window into a call, or out of it.
func (p *doorTest) hostComesOrGoes() {
	if p.window != nil {
		p.leaveWindow()
		return
	}
	l := p.f.linkNow(string(p.anyLink().id))
	if l.EndedAt != 0 {
		return
	}
	p.window = p.f.window(l, hoststate.EngineWebview)
	w := p.window
	p.pages.Go(func() {
		for {
			if _, _, err := w.ws.Read(p.f.ctx); err != nil {
				return
			}
		}
	})
}

func (p *doorTest) leaveWindow() {
	if p.window != nil {
		_ = p.window.ws.CloseNow()
		p.window = nil
	}
}

// restart ends the host, tries to knock meanwhile, and starts it again.
func (p *doorTest) restart() {
	p.note("restart")
	p.close()
	for _, c := range p.callers[:3] {
		if p.dialLine(c, c.link, c.link.addresses[0].secret, "") != nil {
			p.fail("a host that is gone answers")
		}
	}
	p.grants, p.void = nil, nil
	clear(p.seats)
	clear(p.out) // after a restart everybody knocks again, and a standing decision holds again
	p.open()
}
