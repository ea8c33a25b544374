package host

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// caller is a guest's browser in the property test: what it keeps, and its page.
type caller struct {
	browser
	name   string
	remote switchboard.RemoteInfo
	link   *doorLink
	line   *line  // its page; nil for none, and ended ones stay until the next
	seat   string // the newest token for a seat; "" for none
	worn   bool   // it gets no further, so that a fresh one takes its place
}

// phase is what a page shows.
type phase string

const (
	dialled  phase = "dialled"
	welcomed phase = "welcomed" // it may knock
	waits    phase = "waits"
	inside   phase = "inside"
	refused  phase = "declined" // it may knock once more
	outside  phase = "outside"  // it has to knock
	seatGone phase = "seat-gone"
	told     phase = "told" // of the end
	shutDown phase = "closed"
)

// line is one page's connection to the host. A goroutine reads what the host says.
type line struct {
	of *caller
	v  *visitor

	mu          sync.Mutex // guards the sealed channel too
	phase       phase
	asked       string // what the page waits for an answer to; "" for nothing
	participant string
	seat        string
	reason      signalling.EndReason
	faults      int
	fault       fault.Code // the latest
	wrong       string     // what the host must not have said
	coHost      bool
}

// dialLine opens a page's connection. It is nil if the relay knows no host.
func (p *doorTest) dialLine(c *caller, l *doorLink, secret string, seat string) *line {
	pub, frames, err := p.f.board.Dial(p.f.ctx, l.id, c.remote)
	if err != nil {
		return nil
	}
	opening, channel, err := sealed.OpenGuest(pub, l.id)
	p.f.must(err)
	ln := &line{of: c, phase: dialled, v: &visitor{f: p.f, frames: frames, channel: channel, opening: opening, device: c.device}}
	if seat != "" && c.line != nil {
		c.line.mu.Lock()
		ln.coHost = c.line.coHost
		c.line.mu.Unlock()
	}
	hello := signalling.Hello{Version: signalling.ProtocolVersion, Secret: secret, Device: c.device, Seat: seat}
	if p.r.IntN(4) > 0 {
		takesAll(&hello)
	}
	_ = frames.Send(opening) // a link that has just ended shows in read
	if seat == "" {
		ln.send("hello", hello)
	} else {
		ln.send("seat", hello)
	}
	p.pages.Go(func() { ln.read(p) })
	p.lines = append(p.lines, ln)
	return ln
}

// send says something to the host. asked names what the host has to answer, "" for
// nothing.
func (ln *line) send(asked string, m signalling.Message) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if ln.phase == shutDown {
		return
	}
	if asked != "" {
		ln.asked = asked
	}
	_ = ln.v.trySend(m) // a closed connection shows in read
}

// read follows what the host says until the connection has ended.
func (ln *line) read(p *doorTest) {
	for {
		frame, err := ln.v.frames.Recv(p.f.ctx)
		ln.mu.Lock()
		if err != nil {
			ln.phase, ln.asked = shutDown, ""
			ln.mu.Unlock()
			return
		}
		b, err := ln.v.channel.Open(frame)
		if err == nil {
			var m signalling.Message
			if m, err = signalling.DecodeFromHost(b, signalling.MaxFrame); err == nil {
				ln.hear(m)
			}
		}
		if err != nil {
			ln.wrong = err.Error()
		}
		ln.mu.Unlock()
	}
}

// hear takes one message of the host.
func (ln *line) hear(m signalling.Message) {
	if ln.phase != inside {
		switch m.(type) {
		case signalling.Welcome, signalling.Waiting, signalling.Said, signalling.Declined, signalling.Ended,
			signalling.Fault, signalling.Work, signalling.Pong, signalling.Outside, signalling.Admitted:
		default:
			ln.wrong = fmt.Sprintf("%s while the page is %s", m.Type(), ln.phase)
		}
	}
	switch m := m.(type) {
	case signalling.Welcome:
		ln.phase = welcomed
		if ln.asked == "hello" {
			ln.asked = ""
		}
	case signalling.Waiting:
		ln.phase, ln.asked = waits, ""
	case signalling.Admitted:
		ln.phase, ln.asked = inside, ""
		ln.seat, ln.participant = m.Seat, m.Participant
	case signalling.Declined:
		ln.phase, ln.asked = refused, ""
	case signalling.Outside:
		ln.phase, ln.seat = outside, ""
	case signalling.Fault:
		ln.faults++
		ln.fault, ln.asked = fault.Code(m.Code), ""
	case signalling.Work:
		ln.phase, ln.asked = welcomed, ""
	case signalling.Door:
		if !m.Over && !ln.coHost {
			ln.wrong = "the door is shown to a guest who is no co-host"
		}
	case signalling.Ended:
		ln.phase, ln.reason, ln.asked = told, m.Reason, ""
		if m.Reason == signalling.EndSeatGone {
			ln.phase, ln.seat = seatGone, ""
		}
	}
}

// now returns what the page shows, and what it waits for.
func (ln *line) now() (phase, string) {
	if ln == nil {
		return shutDown, ""
	}
	ln.mu.Lock()
	defer ln.mu.Unlock()
	return ln.phase, ln.asked
}

// is reports whether the page shows one of these.
func (ln *line) is(any ...phase) bool {
	now, _ := ln.now()
	return slices.Contains(any, now)
}

// keepSeat remembers the seat that the page has, as the browser's tab does.
func (c *caller) keepSeat() {
	if c.line == nil {
		return
	}
	c.line.mu.Lock()
	defer c.line.mu.Unlock()
	switch c.line.phase {
	case inside:
		c.seat = c.line.seat
	case seatGone, outside, told:
		c.seat = ""
	}
	switch {
	case c.line.phase == told && c.line.reason == signalling.EndBlocked, c.line.phase == refused && c.line.faults > 1,
		c.line.fault == fault.TooFast, c.line.fault == fault.DeclinedForGood:
		c.worn = true
	}
}

// address is one of the addresses that a link has or had.
type address struct {
	secret string
	copyID string // "" for the link's own
	once   bool
	dead   bool
	before bool   // it was not dead when the test last waited for the host
	by     string // of a copy for one person: the device that was let in by it
}

// doorLink is a link in the property test, as the test has made it.
type doorLink struct {
	id        sealed.LinkID
	addresses []*address
	locked    bool
	over      bool // the test saw that it has ended
}

func (p *doorTest) newLink() {
	v := p.f.link()
	_, secret := secretOf(p.t, v)
	l := &doorLink{id: sealed.LinkID(v.ID), addresses: []*address{{secret: secret.Reveal()}}}
	p.links = append(p.links, l)
}

func secretIn(p *doorTest, views []hoststate.AddressView) string {
	_, secret := secretOf(p.t, hoststate.LinkView{Addresses: views})
	return secret.Reveal()
}

// freshCaller returns a browser that has never been here.
func (p *doorTest) freshCaller() *caller {
	p.guests++
	c := &caller{
		browser: newBrowser(p.f), name: fmt.Sprint("Guest ", string(rune('A'+p.r.IntN(6)))), link: p.anyLink(),
		remote: switchboard.RemoteInfo{Key: fmt.Sprintf("home%04dhome%04d", p.guests, p.guests)},
	}
	if p.r.IntN(5) == 0 {
		c.key = nil // it keeps nothing
	}
	return c
}

// arrive opens a page. It brings the seat back if the browser has one.
func (p *doorTest) arrive(c *caller) {
	c.keepSeat()
	a := c.link.addresses[p.r.IntN(len(c.link.addresses))]
	for try := 0; a.dead && try < 6; try++ { // mostly one that still opens the link
		a = c.link.addresses[p.r.IntN(len(c.link.addresses))]
	}
	secret := a.secret
	if p.r.IntN(30) == 0 {
		secret = token()
	}
	if c.line = p.dialLine(c, c.link, secret, c.seat); c.line == nil {
		return
	}
	if c.seat == "" && p.r.IntN(4) > 0 {
		p.soon("a welcome", func() bool { at, _ := c.line.now(); return at != dialled })
		p.knock(c, c.name)
	}
}

// knock asks to be let in, with the browser's key if it keeps one.
func (p *doorTest) knock(c *caller, name string) {
	if !c.line.is(welcomed, waits, refused, outside, seatGone) {
		return
	}
	k := signalling.Knock{Name: name, Takes: []string{signalling.TakesWord}}
	if c.key != nil {
		c.line.mu.Lock()
		k = c.prove(c.line.v, k)
		c.line.mu.Unlock()
	}
	c.line.send("knock", k)
}

// hangUp loses a page's connection, and waits until the page has seen it.
func (p *doorTest) hangUp(c *caller) {
	c.keepSeat()
	if c.line == nil {
		return
	}
	c.line.v.vanish()
	p.soon("the end of a page", func() bool { return c.line.is(shutDown) })
}

// soon waits for what has to come.
func (p *doorTest) soon(what string, ok func() bool) {
	p.t.Helper()
	for begun := time.Now(); !ok(); time.Sleep(50 * time.Microsecond) {
		if time.Since(begun) > patience {
			p.fail("%s does not come", what)
		}
	}
}
