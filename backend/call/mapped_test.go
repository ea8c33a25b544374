package call

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/kit/netaddr"
	"github.com/porch-call/porch/backend/kit/portmap"
)

// pcpRouter is a router on loopback that grants by PCP (RFC 6887 section 11) what
// it is asked for, at an address of the internet. The port is PCP's own, so one
// test at a time can have it.
func pcpRouter(t *testing.T, external netip.AddrPort) *portmap.Mapper {
	t.Helper()
	local := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 5351)))
	if err != nil {
		t.Skip("another program is at PCP's port: ", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for b := make([]byte, 1100); ; {
			n, from, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if n != 60 || b[0] != 2 || b[1] != 1 {
				continue
			}
			b[1] |= 0x80
			clear(b[8:24])
			binary.BigEndian.PutUint16(b[42:], external.Port())
			a := external.Addr().As16()
			copy(b[44:], a[:])
			_, _ = c.WriteToUDPAddrPort(b[:n], from)
		}
	}()
	m := portmap.New(portmap.Options{Gateways: func() (v4, v6 netaddr.Gateway) {
		return netaddr.Gateway{Addr: local, Local: local, Interface: "lo"}, v6
	}})
	t.Cleanup(func() {
		m.Close()
		_ = c.Close()
		<-done
	})
	m.Enable(true)
	return m
}

// TestMappedAddressIsOffered: where the router lets media in is one more candidate
// of a call that has no STUN server.
func TestMappedAddressIsOffered(t *testing.T) {
	external := netip.MustParseAddrPort("44.1.2.3:40001")
	router := pcpRouter(t, external)
	c := newReachedCall(t, Options{Router: router}, ICEConfig{}, nil)
	options, r := recorded(as("a"))
	g := join(t, c, options)
	g.send()
	mapped := func(texts []string) bool {
		return slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, " 44.1.2.3 40001 typ srflx") })
	}
	for end := time.Now().Add(10 * time.Second); !mapped(r.candidates()); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("candidates: %q", r.candidates())
		}
	}
}
