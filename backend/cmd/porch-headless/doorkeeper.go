package main

import (
	"context"
	"sync"

	"github.com/porch-call/porch/backend/host"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/signalling"
)

// doorkeeper acts for the host. It lets guests in by the policy, and prints what happens.
type doorkeeper struct {
	host *host.Host
	out  *lines
	all  bool

	mu       sync.Mutex
	expected map[string]int // how many guests of a name to let in
	asked    chan struct{}  // buffered 1; full means already woken

	// Used only by keep.
	waiting map[string]hoststate.RequestView
	inside  map[string]inside
	states  map[string]string
	relays  map[string]relayEvent
}

type inside struct{ link, participant, name string }

func newDoorkeeper(h *host.Host, out *lines, all bool) *doorkeeper {
	return &doorkeeper{
		host:     h,
		out:      out,
		all:      all,
		expected: make(map[string]int),
		asked:    make(chan struct{}, 1),
		waiting:  make(map[string]hoststate.RequestView),
		inside:   make(map[string]inside),
		states:   make(map[string]string),
		relays:   make(map[string]relayEvent),
	}
}

type linkEvent struct {
	Event     string                  `json:"event"`
	ID        string                  `json:"id"`
	Name      string                  `json:"name"`
	Link      string                  `json:"link"` // the address on this computer
	Addresses []hoststate.AddressView `json:"addresses"`
}

type guestEvent struct {
	Event       string `json:"event"`
	ID          string `json:"id"` // of the link
	Request     string `json:"request,omitempty"`
	Participant string `json:"participant,omitempty"`
	Name        string `json:"name"`
}

type endEvent struct {
	Event string `json:"event"`
	ID    string `json:"id"`
	State string `json:"state"`
}

type relayEvent struct {
	Event string `json:"event"`
	Relay string `json:"relay"`
	State string `json:"state"` // as in hoststate.RelayView
	Code  string `json:"code,omitempty"`
}

// prepare makes the missing links and prints all links that can be opened.
func (d *doorkeeper) prepare(ctx context.Context, s settings) error {
	if s.hostName != "" {
		if err := d.host.SetName(ctx, s.hostName); err != nil {
			return err
		}
	}
	relay := ""
	if s.relay != "" {
		v, err := d.host.Ways().AddRelay(ctx, s.relay, s.invitation)
		if err != nil {
			return err
		}
		if err := d.host.Ways().UseRelay(ctx, v.URL); err != nil {
			return err
		}
		relay = v.Name
	}
	if s.relayOnly != nil {
		if err := d.host.Ways().SetRelayOnly(ctx, *s.relayOnly); err != nil {
			return err
		}
	}
	openable := 0
	for _, l := range d.openable() {
		if relay == "" || l.Relay == relay {
			openable++
		}
	}
	for ; openable < s.links; openable++ {
		l, err := d.host.CreateLink(ctx)
		if err != nil {
			return err
		}
		if s.linkName != "" {
			if err := d.host.RenameLink(ctx, l.ID, s.linkName); err != nil {
				return err
			}
		}
		if s.door {
			if err := d.host.Ways().SetDoor(ctx, l.ID, true); err != nil {
				return err
			}
		}
	}
	for _, l := range d.openable() {
		e := linkEvent{Event: "link", ID: l.ID, Name: l.Name, Addresses: l.Addresses}
		for _, a := range l.Addresses {
			e.Link = a.URL
			if a.Reach == "computer" {
				break
			}
		}
		d.out.write(e)
	}
	return nil
}

// openable returns the links that can be opened, oldest first.
func (d *doorkeeper) openable() []hoststate.LinkView {
	var links []hoststate.LinkView
	all := d.host.Snapshot().Links
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Group != hoststate.GroupEarlier {
			links = append(links, all[i])
		}
	}
	return links
}

// expect lets in one guest with this name, who waits or will knock.
func (d *doorkeeper) expect(name string) {
	d.mu.Lock()
	d.expected[signalling.CleanName(name)]++
	d.mu.Unlock()
	select {
	case d.asked <- struct{}{}:
	default:
	}
}

// keep watches the state and lets guests in until ctx ends.
func (d *doorkeeper) keep(ctx context.Context) error {
	w := d.host.Watch()
	defer w.Close()
	changes := make(chan struct{}, 1)
	ended := make(chan error, 1)
	go func() {
		for {
			if _, err := w.Next(ctx); err != nil {
				ended <- err
				return
			}
			select {
			case changes <- struct{}{}:
			default:
			}
		}
	}()
	for {
		d.look(ctx)
		select {
		case <-changes:
		case <-d.asked:
		case err := <-ended:
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
}

// look compares the state with the last one, prints what is new, and lets guests in by the policy.
func (d *doorkeeper) look(ctx context.Context) {
	s := d.host.Snapshot()
	waiting := make(map[string]hoststate.RequestView, len(s.Requests))
	for _, q := range s.Requests {
		waiting[q.ID] = q
		if _, known := d.waiting[q.ID]; !known {
			d.out.write(guestEvent{Event: "knock", ID: q.LinkID, Request: q.ID, Name: q.Name})
		}
	}
	d.waiting = waiting

	now := make(map[string]inside)
	for _, c := range s.Calls {
		for _, p := range c.Participants {
			now[p.ID] = inside{link: c.LinkID, participant: p.ID, name: p.Name}
			if _, known := d.inside[p.ID]; !known {
				d.out.write(guestEvent{Event: "admitted", ID: c.LinkID, Participant: p.ID, Name: p.Name})
			}
		}
	}
	for id, p := range d.inside {
		if _, still := now[id]; !still {
			d.out.write(guestEvent{Event: "left", ID: p.link, Participant: id, Name: p.name})
		}
	}
	d.inside = now

	for _, r := range s.Reach.Relays {
		e := relayEvent{Event: "relay", Relay: r.URL, State: r.State, Code: r.Code}
		if d.relays[r.URL] != e {
			d.relays[r.URL] = e
			d.out.write(e)
		}
	}

	for _, l := range s.Links {
		if before, known := d.states[l.ID]; known && before != l.State && l.Group == hoststate.GroupEarlier {
			d.out.write(endEvent{Event: "ended", ID: l.ID, State: l.State})
		}
		d.states[l.ID] = l.State
	}

	for _, q := range s.Requests {
		if !d.all && !d.take(q.Name) {
			continue
		}
		if err := d.host.Admit(ctx, q.ID); err != nil && !d.all {
			d.give(q.Name) // this guest has gone, so the next one with this name is let in
		}
	}
}

// take uses up one expected guest with this name.
func (d *doorkeeper) take(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.expected[name] == 0 {
		return false
	}
	d.expected[name]--
	return true
}

func (d *doorkeeper) give(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.expected[name]++
}
