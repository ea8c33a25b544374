package portmap

import (
	"net"
	"net/netip"
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

// hear asks again after each announcement of a router, until the socket is closed.
func (m *Mapper) hear(c *net.UDPConn, router netip.Addr) {
	var last time.Time
	for b := make([]byte, maxAnswer); ; {
		_, from, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		if now := time.Now(); from.Addr().Unmap() == router && now.Sub(last) > announceApart {
			last = now
			m.wakeAll()
		}
	}
}
