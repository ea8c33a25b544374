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
	lines map[string]*hostConn    // by owner
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
		policy: p, meter: m, lines: make(map[string]*hostConn), of: make(map[netip.Prefix]*usage), given: household.ByPrefix(),
	}
}

// maxGiven bounds the memory of tenants.given: about 8 MB.
const maxGiven = 65536

// takeCredential counts one more of a day (UTC) for the address of an open host.
// It reports false if that is too many. When there are more addresses than it can
// count, further strangers get none. It does not count invited hosts.
func (t *tenants) takeCredential(l *hostConn, now time.Time) bool {
	if !l.grant.open {
		return true
	}
	most := t.policy.PerAddress.or(DefaultAddressQuotas)
	t.mu.Lock()
	defer t.mu.Unlock()
	if day := now.Unix() / (24 * 60 * 60); day != t.day {
		t.day, t.given = day, household.ByPrefix()
	}
	if !t.given.Room(l.from, most.Credentials) || t.given.Len() >= maxGiven {
		return false
	}
	t.given.Add(l.from)
	return true
}

// enter takes a host that has registered. It returns an earlier connection of the
// same host, which has lost its place and must end. The fault is
// [fault.RelayFull] if the address has too many.
func (t *tenants) enter(l *hostConn) (before *hostConn, err error) {
	most := t.policy.PerAddress.or(DefaultAddressQuotas)
	t.mu.Lock()
	defer t.mu.Unlock()
	before = t.lines[l.owner]
	if l.grant.open {
		u := t.of[l.from]
		if u == nil {
			u = new(usage)
			t.of[l.from] = u
		}
		hosts := u.hosts
		if before != nil && before.shared == u {
			hosts--
		}
		if hosts >= most.Hosts {
			return nil, fault.Newf(fault.RelayFull, "%d hosts of one address", hosts)
		}
		u.hosts++
		l.shared = u
	}
	t.lines[l.owner] = l
	t.meter.Open(metering.Hosts, 1)
	return before, nil
}

// leave takes back all that a connection has taken. Its channels have ended, or
// end without being counted.
func (t *tenants) leave(l *hostConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines[l.owner] == l {
		delete(t.lines, l.owner)
	}
	if len(t.lines) == 0 && t.empty != nil {
		close(t.empty)
		t.empty = nil
	}
	if u := l.shared; u != nil {
		u.hosts--
		u.links -= l.used.links
		u.guests -= l.used.guests
		if *u == (usage{}) && t.of[l.from] == u {
			delete(t.of, l.from)
		}
	}
	t.meter.Open(metering.Links, -l.used.links)
	t.meter.Open(metering.Hosts, -1)
	l.left, l.used = true, usage{}
}

// takeLink counts one more link of a connection. It reports false if that is too
// many.
func (t *tenants) takeLink(l *hostConn) bool {
	most := t.policy.PerAddress.or(DefaultAddressQuotas)
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.left || l.used.links >= l.grant.quotas.Links || l.shared != nil && l.shared.links >= most.Links {
		return false
	}
	l.used.links++
	if l.shared != nil {
		l.shared.links++
	}
	t.meter.Open(metering.Links, 1)
	return true
}

func (t *tenants) releaseLink(l *hostConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.left {
		return
	}
	l.used.links--
	if l.shared != nil {
		l.shared.links--
	}
	t.meter.Open(metering.Links, -1)
}

// takeGuest counts one more guest at a link, by the key of its address. full
// means that there are too many, gone that the connection has ended.
func (t *tenants) takeGuest(l *hostConn, at *hostLink, from string) (full, gone bool) {
	most := t.policy.PerAddress.or(DefaultAddressQuotas)
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.left {
		return false, true
	}
	if at.guests >= l.grant.quotas.PerLink || l.used.guests >= l.grant.quotas.Guests ||
		l.shared != nil && l.shared.guests >= most.Guests {
		return true, false
	}
	if at.places == nil {
		at.places = household.ByKey()
	}
	if l.places == nil {
		l.places = household.ByKey()
	}
	if !at.places.Room(from, switchboard.Share(l.grant.quotas.PerLink)) || !l.places.Room(from, switchboard.Share(l.grant.quotas.Guests)) {
		return true, false
	}
	at.places.Add(from)
	l.places.Add(from)
	at.guests++
	l.used.guests++
	if l.shared != nil {
		l.shared.guests++
	}
	return false, false
}

func (t *tenants) releaseGuest(l *hostConn, at *hostLink, from string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at.places.Drop(from)
	l.places.Drop(from)
	at.guests--
	if l.left {
		return
	}
	l.used.guests--
	if l.shared != nil {
		l.shared.guests--
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
	if len(t.lines) == 0 {
		close(c)
		t.empty = nil
	}
	return c
}

// all returns every connection.
func (t *tenants) all() []*hostConn {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*hostConn, 0, len(t.lines))
	for _, l := range t.lines {
		all = append(all, l)
	}
	return all
}
