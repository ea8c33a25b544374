package hosts

import (
	"net/netip"
	"sync"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/household"
	"github.com/porch-call/porch/backend/relay/metering"
	"github.com/porch-call/porch/backend/relay/switchboard"
)

// tenants counts what the hosts that have dialled in use. A host has one
// connection, and its quota is that connection's.
type tenants struct {
	policy *Policy
	meter  metering.Meter

	mu    sync.Mutex              // guards what follows, and the fields of hostConn and hostLink that name it
	conns map[string]*hostConn    // by owner
	of    map[netip.Prefix]*usage // all open hosts of one address together
	empty chan struct{}           // closed when the last host leaves; nil until quiet is called

	day   int64                          // days since 1970, to which given belongs
	given *household.Tally[netip.Prefix] // credentials for open hosts, by address
}

// usage is what a host, or all open hosts of one address, use. tenants.mu guards
// it.
type usage struct{ hosts, links, guests int }

func newTenants(p *Policy, m metering.Meter) *tenants {
	return &tenants{
		policy: p, meter: m, conns: make(map[string]*hostConn), of: make(map[netip.Prefix]*usage), given: household.ByPrefix(),
	}
}

// maxGiven bounds the memory of tenants.given: about 8 MB.
const maxGiven = 65536

// takeCredential counts one more of a day (UTC) for the address of an open host.
// It reports false if that is too many. When there are more addresses than it can
// count, further strangers get none. It does not count invited hosts.
func (t *tenants) takeCredential(h *hostConn, now time.Time) bool {
	if !h.grant.open {
		return true
	}
	most := t.policy.PerAddress.or(DefaultAddressQuotas)
	t.mu.Lock()
	defer t.mu.Unlock()
	if day := now.Unix() / (24 * 60 * 60); day != t.day {
		t.day, t.given = day, household.ByPrefix()
	}
	if !t.given.Room(h.from, most.Credentials) || t.given.Len() >= maxGiven {
		return false
	}
	t.given.Add(h.from)
	return true
}

// enter takes a host that has registered. It returns an earlier connection of the
// same host, which has lost its place and must end. The fault is
// [fault.RelayFull] if the address has too many.
func (t *tenants) enter(h *hostConn) (before *hostConn, err error) {
	most := t.policy.PerAddress.or(DefaultAddressQuotas)
	t.mu.Lock()
	defer t.mu.Unlock()
	before = t.conns[h.owner]
	if h.grant.open {
		u := t.of[h.from]
		if u == nil {
			u = new(usage)
			t.of[h.from] = u
		}
		hosts := u.hosts
		if before != nil && before.shared == u {
			hosts--
		}
		if hosts >= most.Hosts {
			return nil, fault.Newf(fault.RelayFull, "%d hosts of one address", hosts)
		}
		u.hosts++
		h.shared = u
	}
	t.conns[h.owner] = h
	t.meter.Open(metering.Hosts, 1)
	return before, nil
}

// leave takes back all that a connection has taken. Its channels have ended, or
// end without being counted.
func (t *tenants) leave(h *hostConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conns[h.owner] == h {
		delete(t.conns, h.owner)
	}
	if len(t.conns) == 0 && t.empty != nil {
		close(t.empty)
		t.empty = nil
	}
	if u := h.shared; u != nil {
		u.hosts--
		u.links -= h.used.links
		u.guests -= h.used.guests
		if *u == (usage{}) && t.of[h.from] == u {
			delete(t.of, h.from)
		}
	}
	t.meter.Open(metering.Links, -h.used.links)
	t.meter.Open(metering.Hosts, -1)
	h.left, h.used = true, usage{}
}

// takeLink counts one more link of a connection. It reports false if that is too
// many.
func (t *tenants) takeLink(h *hostConn) bool {
	most := t.policy.PerAddress.or(DefaultAddressQuotas)
	t.mu.Lock()
	defer t.mu.Unlock()
	if h.left || h.used.links >= h.grant.quotas.Links || h.shared != nil && h.shared.links >= most.Links {
		return false
	}
	h.used.links++
	if h.shared != nil {
		h.shared.links++
	}
	t.meter.Open(metering.Links, 1)
	return true
}

func (t *tenants) releaseLink(h *hostConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h.left {
		return
	}
	h.used.links--
	if h.shared != nil {
		h.shared.links--
	}
	t.meter.Open(metering.Links, -1)
}

// takeGuest counts one more guest at a link, by the key of its address. full
// means that there are too many, gone that the connection has ended.
func (t *tenants) takeGuest(h *hostConn, at *hostLink, from string) (full, gone bool) {
	most := t.policy.PerAddress.or(DefaultAddressQuotas)
	t.mu.Lock()
	defer t.mu.Unlock()
	if h.left {
		return false, true
	}
	if at.guests >= h.grant.quotas.PerLink || h.used.guests >= h.grant.quotas.Guests ||
		h.shared != nil && h.shared.guests >= most.Guests {
		return true, false
	}
	if at.places == nil {
		at.places = household.ByKey()
	}
	if h.places == nil {
		h.places = household.ByKey()
	}
	if !at.places.Room(from, switchboard.Share(h.grant.quotas.PerLink)) || !h.places.Room(from, switchboard.Share(h.grant.quotas.Guests)) {
		return true, false
	}
	at.places.Add(from)
	h.places.Add(from)
	at.guests++
	h.used.guests++
	if h.shared != nil {
		h.shared.guests++
	}
	return false, false
}

func (t *tenants) releaseGuest(h *hostConn, at *hostLink, from string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at.places.Drop(from)
	h.places.Drop(from)
	at.guests--
	if h.left {
		return
	}
	h.used.guests--
	if h.shared != nil {
		h.shared.guests--
	}
}

// quiet returns a channel that is closed when there is no host.
func (t *tenants) quiet() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.empty == nil {
		t.empty = make(chan struct{})
	}
	c := t.empty
	if len(t.conns) == 0 {
		close(c)
		t.empty = nil
	}
	return c
}

// all returns every connection.
func (t *tenants) all() []*hostConn {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*hostConn, 0, len(t.conns))
	for _, h := range t.conns {
		all = append(all, h)
	}
	return all
}
