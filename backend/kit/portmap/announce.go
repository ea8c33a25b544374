package portmap

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"time"
)

// Routers say unasked when they have started anew or have another address outside: NAT-PMP (RFC 6886 section 3.2.1) and
// PCP (RFC 6887 section 14.1). Nothing that they say is believed; they are asked again.
const (
	announcePort  = 5350
	announceApart = 2 * time.Second // between two that count
)

// tune listens to the announcements of the router that there is now. The caller holds the lock.
func (m *Mapper) tune() {
	if m.news != nil {
		_ = m.news.Close()
		m.news = nil
	}
	if !m.on || m.closed || !m.v4.Addr.Is4() {
		return
	}
	i, err := net.InterfaceByName(m.v4.Interface)
	if err != nil {
		return // gone again; there will be another look
	}
	c, err := net.ListenMulticastUDP("udp4", i, &net.UDPAddr{IP: net.IPv4allsys, Port: announcePort})
	if err != nil {
		m.o.Logger.Debug("port mapping: announcements can't be heard", "err", err) // leases are renewed all the same
		return
	}
	m.news = c
	router := m.v4.Addr
	m.wg.Go(func() { m.hear(c, router) })
}

// hear asks again after each announcement of a router, until the socket is closed. Of those that come too soon after one
// that counted, the last counts once announceApart is over: a router announces itself while it has no address yet, and
// again as soon as it has one (miniupnpd 2.3, 2 ms later).
func (m *Mapper) hear(c *net.UDPConn, router netip.Addr) {
	var last time.Time // when an announcement counted
	again := false     // another one has come since then
	for b := make([]byte, maxAnswer); ; {
		var until time.Time
		if again {
			until = last.Add(announceApart)
		}
		if c.SetReadDeadline(until) != nil {
			return
		}
		_, from, err := c.ReadFromUDPAddrPort(b)
		now := time.Now()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
		case err != nil:
			return
		case from.Addr().Unmap() != router:
			continue
		case now.Sub(last) < announceApart:
			again = true
			continue
		}
		last, again = now, false
		m.wakeAll()
	}
}
