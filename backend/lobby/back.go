package lobby

import (
	"context"
	"crypto/rand"
	"slices"
	"time"
)

// Return puts a guest who was in the call back among those who wait, without a bell: the guest was asked to wait. It
// is the host's decision, so neither the lock nor the limits refuse it. The request counts as away until the guest's
// page knocks under the same name, and a decision on it is kept until then; see Away. The ticket serves to Leave.
func (l *Lobby) Return(k Knock) (t *Ticket) {
	if !l.do(context.Background(), func(q *queue, now time.Time) { t = q.putBack(k, now) }) {
		return newTicket(rand.Text(), k) // the lobby is closed, and its link tells the guest
	}
	return t
}

// PutOut says that the host has put a guest out of the call: until the host lets the guest in again, no standing
// decision does. devices are those that the guest's seat was held with, key is that of its browser, "" for none.
func (l *Lobby) PutOut(devices []string, key string) {
	l.do(context.Background(), func(q *queue, _ time.Time) { q.setOutside(true, devices, key) })
}

func (q *queue) putBack(k Knock, now time.Time) *Ticket {
	q.setOutside(true, []string{k.Device}, k.Key)
	dev := q.devices.touch(k.Device)
	dev.promise = nil
	q.devices.rerank(dev)
	if dev.blocked {
		return newTicket(rand.Text(), k) // the page's knock is refused
	}
	e := q.byBrowser(k)
	if e == nil {
		e = &entry{request: Request{Since: now}}
		q.waiting = append(q.waiting, e)
	} else {
		e.ticket.decide(Verdict{Outcome: Replaced})
	}
	q.take(e, k)
	e.address, e.awayUntil = k.Address, now.Add(q.o.AwayGrace)
	e.request.ID, e.request.Name, e.request.Known, e.request.Picture = rand.Text(), k.Name, k.Known, ""
	e.request.Away, e.request.Outside = true, true
	e.ticket = newTicket(e.request.ID, k)
	e.request.Rings = 0
	q.askToWait(e.request.ID, 0, now)
	return e.ticket
}

// outside reports whether the host has put a browser out of the call and not let it in since. key is "" for none.
func (q *queue) outside(device, key string) bool {
	return slices.ContainsFunc(IDs([]string{device}, key), func(id string) bool { return q.devices.touch(id).outside })
}

// setOutside remembers that for the devices and for the key, either of which the browser may forget.
func (q *queue) setOutside(on bool, devices []string, key string) {
	for _, id := range IDs(devices, key) {
		dev := q.devices.touch(id)
		dev.outside = on
		q.devices.rerank(dev)
	}
}

// IDs returns what a browser is known by: the devices that it calls itself, and its key, "" for none.
func IDs(devices []string, key string) []string {
	ids := slices.Clone(devices)
	if key != "" {
		ids = append(ids, KeyID(key))
	}
	return ids
}

// KeyID returns what a browser is known by that has proved a key. It is not base64url, so no device is called so.
func KeyID(key string) string { return "key " + key }
