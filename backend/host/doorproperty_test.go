package host

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/lobby"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// doorStepsVariable is how many steps TestTheDoor takes in all, and doorSeedVariable its first seed.
const (
	doorStepsVariable = "PORCH_DOOR_STEPS"
	doorSeedVariable  = "PORCH_DOOR_SEED"
	doorStepsOfSeed   = 400
)

// TestTheDoor does in random order what guests and the host can do at the door, on a real host with real calls: only
// the relay's sockets are missing. No guest is inside without a decision of the host, no guest is left without an
// answer, no guest outside is told anything from inside, and all counts agree.
func TestTheDoor(t *testing.T) {
	steps := number(t, doorStepsVariable, 3000)
	if testing.Short() {
		steps = number(t, doorStepsVariable, 800)
	}
	first := number(t, doorSeedVariable, 1)
	counts := make(map[string]int)
	for seed := first; steps > 0; seed++ {
		n := min(steps, doorStepsOfSeed)
		steps -= n
		ok := t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			p := newDoorTest(t, uint64(seed), counts)
			p.run(n)
		})
		if !ok {
			break
		}
	}
	t.Logf("%v", counts)
}

func number(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(variable, err)
	}
	return n
}

// grant is a decision of the host to let a guest in.
type grant struct {
	link                  sealed.LinkID
	request, device, name string
	used                  bool // its guest has been in
}

// mark is a fact that the test has made. It is old once the host has settled since.
type mark struct{ old bool }

// place is a browser, or a device, at a link. An empty link stands for all.
type place struct {
	link sealed.LinkID
	who  string
}

// doorTest is what the test knows of a host: what it has decided, and who is where.
type doorTest struct {
	t       *testing.T
	f       *fixture
	r       *rand.Rand
	seed    uint64
	step    int
	trail   []string
	counts  map[string]int
	setup   setup
	links   []*doorLink
	callers []*caller
	guests  int
	lines   []*line
	pages   sync.WaitGroup
	window  *window

	grants    []*grant
	void      []*grant            // taken back since the host settled last
	standings map[place]bool      // by the browser's key
	stopped   map[place]bool      // since the host settled last
	blocked   map[place]*mark     // devices and keys
	out       map[place]*mark     // put out of the call, and not let in since
	locks     map[place]*mark     // of links
	names     map[string][]string // by the browser's key: under which the host has let it in
	seats     map[*seat]*grant    // seen so far; nil for one by a standing decision
	earlier   lobby.Request       // as the host saw it a while ago, at earlierAt
	earlierAt *doorLink
}

func newDoorTest(t *testing.T, seed uint64, counts map[string]int) *doorTest {
	p := &doorTest{
		t: t, r: rand.New(rand.NewPCG(seed, 19)), seed: seed, counts: counts,
		standings: make(map[place]bool), stopped: make(map[place]bool), blocked: make(map[place]*mark),
		out: make(map[place]*mark), locks: make(map[place]*mark), names: make(map[string][]string),
		seats: make(map[*seat]*grant),
	}
	b := newBoard()
	p.setup = setup{dir: quickDir(t), board: &b, timing: Timing{SeatHold: 300 * time.Millisecond, Reload: 150 * time.Millisecond, Undo: 30 * time.Millisecond}}
	p.open()
	for range 2 {
		p.newLink()
	}
	for range 10 {
		p.callers = append(p.callers, p.freshCaller())
	}
	return p
}

// quickDir returns a folder in memory, where there is one: the test is about the host, and not about the disk.
func quickDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "porch-door-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (p *doorTest) open() { p.f = start(p.t, p.setup) }

func (p *doorTest) run(steps int) {
	for p.step = range steps {
		p.change()
		p.look()
		if p.r.IntN(6) == 0 {
			p.settle()
		}
	}
	p.settle()
	p.close()
}

// close ends the host. Every page hears of it.
func (p *doorTest) close() {
	p.leaveWindow()
	p.f.close()
	for _, ln := range p.lines {
		p.soon("an answer at the host's end", func() bool { return ln.is(shutDown) })
	}
	p.pages.Wait()
	for _, ln := range p.lines {
		p.heard(ln)
	}
	p.lines = nil
}

// fail ends the test, with the seed and what was done before.
func (p *doorTest) fail(format string, args ...any) {
	p.t.Helper()
	p.t.Fatalf("%s=%d, step %d: %s\nbefore:\n  %s", doorSeedVariable, p.seed, p.step, fmt.Sprintf(format, args...),
		strings.Join(p.trail[max(0, len(p.trail)-200):], "\n  "))
}

func (p *doorTest) note(format string, args ...any) {
	p.trail = append(p.trail, fmt.Sprintf("%d: ", p.step)+fmt.Sprintf(format, args...))
}

// heard fails if a page was told what it must not be told.
func (p *doorTest) heard(ln *line) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if ln.wrong != "" {
		p.fail("%s: %s", ln.of.name, ln.wrong)
	}
}

// newSeat is a seat that was not there before.
type newSeat struct {
	seat                           *seat
	link                           sealed.LinkID
	request, device, browser, name string
	secret                         string // by which its guest came; "" if unknown
}

// look checks who has come in since the last time.
func (p *doorTest) look() {
	var fresh []newSeat
	p.f.must(p.f.host.loop.Do(p.f.ctx, func() {
		for _, o := range p.f.host.openLinks {
			for st := range o.seats {
				if g, seen := p.seats[st]; seen {
					if g != nil && st.used.Load() {
						g.used = true
					}
					continue
				}
				n := newSeat{seat: st, link: o.id, request: st.ticket.ID(), device: st.device, browser: st.browser, name: st.name}
				if s := st.session; s != nil {
					n.secret = s.secret.Reveal()
					if s.wasIn.Load() {
						n.secret = ""
					}
				}
				fresh = append(fresh, n)
			}
		}
	}))
	for _, n := range fresh {
		p.judge(n)
	}
}

// judge checks that the host has decided to let a guest in.
func (p *doorTest) judge(n newSeat) {
	p.counts["in"]++
	who := []place{{n.link, n.device}}
	if n.browser != "" {
		who = append(who, place{n.link, n.browser})
	}
	for _, w := range who {
		if m := p.blocked[w]; m != nil && m.old {
			p.fail("%q is in, and blocked", n.name)
		}
	}
	p.judgeAddress(n)
	for _, g := range append(slices.Clone(p.grants), p.void...) {
		if g.link == n.link && g.name == n.name && (g.request == n.request || g.device == n.device && !g.used) {
			p.seats[n.seat] = g
			return
		}
	}
	if n.browser == "" {
		p.fail("%q is in, and nobody let them in", n.name)
	}
	here, all := place{n.link, n.browser}, place{"", n.browser}
	if !p.standings[here] && !p.standings[all] && !p.stopped[here] && !p.stopped[all] {
		p.fail("%q (%.4s) is in, without a decision", n.name, n.device)
	}
	if !slices.Contains(p.names[n.browser], n.name) {
		p.fail("%q (%.4s) is in by a standing decision on %q", n.name, n.device, p.names[n.browser])
	}
	if m := p.locks[place{link: n.link}]; m != nil && m.old {
		p.fail("%q (%.4s) is in through a lock", n.name, n.device)
	}
	for _, w := range who {
		if m := p.out[w]; m != nil && m.old {
			p.fail("%q was put outside, and is in (%.4s) by a standing decision", n.name, n.device)
		}
	}
	p.counts["in by a standing decision"]++
	p.seats[n.seat] = nil
}

// judgeAddress checks that the address by which a guest came still opens the link, and that a copy for one person
// let in one.
func (p *doorTest) judgeAddress(n newSeat) {
	if n.secret == "" {
		return
	}
	l := p.linkOf(n.link)
	for _, a := range l.addresses {
		if a.secret != n.secret {
			continue
		}
		if a.dead && !a.before {
			p.fail("%q is in by an address that has ended", n.name)
		}
		if a.once && a.by != "" && a.by != n.device {
			p.fail("%q is the second to be in by a copy for one person", n.name)
		}
		if a.once {
			a.by = n.device
		}
		return
	}
	p.fail("%q is in by an address that never was", n.name)
}

// settle waits until the host and its guests agree on who is where.
func (p *doorTest) settle() {
	for begun := time.Now(); ; time.Sleep(100 * time.Microsecond) {
		p.look()
		why := p.apart()
		if why == "" {
			break
		}
		if time.Since(begun) > patience {
			p.fail("the host does not come to rest: %s", why)
		}
	}
	for _, ln := range p.lines {
		p.heard(ln)
	}
	p.lines = slices.DeleteFunc(p.lines, func(ln *line) bool { return ln.is(shutDown) && ln.of.line != ln })
	p.void = nil
	clear(p.stopped)
	for _, marks := range []map[place]*mark{p.blocked, p.out, p.locks} {
		for _, m := range marks {
			m.old = true
		}
	}
	for _, l := range p.links {
		for _, a := range l.addresses {
			a.before = !a.dead
		}
	}
}

// apart returns on what the host, its lobby, its window and its guests do not agree, "" for nothing.
func (p *doorTest) apart() (why string) {
	pages := make(map[string]*line) // those that the host knows of, by the device's or participant's id
	open := 0
	for _, ln := range p.lines {
		ln.mu.Lock()
		at, asked, participant := ln.phase, ln.asked, ln.participant
		ln.mu.Unlock()
		switch {
		case at == shutDown:
			continue
		case asked != "":
			return fmt.Sprintf("%s (%s) has no answer to %s", ln.of.name, at, asked)
		case at == told || at == dialled:
			return fmt.Sprintf("the connection of %s (%s, %s) is open", ln.of.name, at, ln.reason)
		case at == inside:
			pages[participant] = ln
		case at == waits:
			pages[ln.v.device] = ln
		}
		open++
	}
	p.f.must(p.f.host.loop.Do(p.f.ctx, func() {
		s := p.f.host.Snapshot()
		known := 0
		for _, o := range p.f.host.openLinks {
			known += len(o.sessions)
			if why == "" {
				why = p.apartAt(o, s, pages)
			}
		}
		switch {
		case why != "":
		case known != open:
			why = fmt.Sprintf("the host has %d channels, and the guests %d", known, open)
		case len(pages) > 0:
			for id, ln := range pages {
				why = fmt.Sprintf("%s is nowhere in the host: %s", ln.of.name, id)
			}
		}
	}))
	return why
}

// apartAt is apart for one link. It takes those whom the host knows of out of pages.
func (p *doorTest) apartAt(o *openLink, s hoststate.State, pages map[string]*line) string {
	queue := o.lobby.Snapshot().Requests
	if !slices.EqualFunc(queue, o.queue.Requests, func(a, b lobby.Request) bool { return a == b }) {
		return "the lobby's snapshot is on its way"
	}
	for _, q := range queue {
		ln := pages[q.Device]
		switch {
		case ln == nil && !q.Away:
			return fmt.Sprintf("nobody waits behind %s's request", q.Name)
		case ln != nil && q.Away:
			return fmt.Sprintf("%s waits, and counts as away", q.Name)
		}
		delete(pages, q.Device)
	}
	inCall := 0
	for st := range o.seats {
		ln := pages[st.participant.ID()]
		if (ln == nil) != (st.session == nil) {
			return fmt.Sprintf("%s has a seat, and no page, or the other way round", st.name)
		}
		delete(pages, st.participant.ID())
		if !slices.ContainsFunc(o.roster, func(r signalling.Participant) bool { return r.ID == st.participant.ID() }) {
			return fmt.Sprintf("%s has a seat, and is not in the call", st.name)
		}
		inCall++
	}
	if o.hostSeat != nil {
		inCall++
	}
	return countsOf(o, s, len(queue), inCall)
}

// countsOf returns which of the window's counts is wrong for a link.
func countsOf(o *openLink, s hoststate.State, waiting, inCall int) string {
	i := slices.IndexFunc(s.Links, func(l hoststate.LinkView) bool { return l.ID == string(o.id) })
	if i < 0 {
		return "an open link is not in the window"
	}
	l := s.Links[i]
	cards := 0
	for _, q := range s.Requests {
		if q.LinkID == l.ID {
			cards++
		}
	}
	if l.RemovedAt != 0 {
		cards = waiting
	}
	shown := 0
	for _, c := range s.Calls {
		if c.LinkID == l.ID {
			shown = len(c.Participants)
		}
	}
	if l.RemovedAt != 0 {
		shown = inCall
	}
	if len(o.roster) != inCall || l.InCall != inCall || shown != inCall || l.Waiting != waiting || cards != waiting {
		return fmt.Sprintf("%d wait (window %d, cards %d), %d are in (roster %d, window %d, call %d)",
			waiting, l.Waiting, cards, inCall, len(o.roster), l.InCall, shown)
	}
	return ""
}

func (p *doorTest) linkOf(id sealed.LinkID) *doorLink {
	for _, l := range p.links {
		if l.id == id {
			return l
		}
	}
	p.fail("a link that nobody made")
	return nil
}
