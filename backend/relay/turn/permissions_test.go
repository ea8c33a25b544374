package turn

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

func TestPeersRefused(t *testing.T) {
	s := open(t, func(o *Options) { o.AllowPeers = nil })
	name, password := credentials(t, s, "host")
	c := newClient(t, s, overUDP, name, password)
	relayed, err := c.Allocate()
	must(t, err)
	defer relayed.Close()
	refused := s.Stats().Refused[RefusedPeer]
	for _, ip := range []string{
		"10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "127.0.0.2", "0.0.0.0", "224.0.0.251",
		"255.255.255.255", "198.18.0.1", "203.0.113.7", "240.0.0.1",
	} {
		if err := c.CreatePermission(&net.UDPAddr{IP: net.ParseIP(ip), Port: 5000}); err == nil {
			t.Errorf("%s is permitted", ip)
		}
		refused++
		if n := s.Stats().Refused[RefusedPeer]; n < refused {
			t.Errorf("%s: refused %d times, not %d", ip, n, refused)
		}
	}
	if err := c.CreatePermission(&net.UDPAddr{IP: net.IPv4(9, 9, 9, 9), Port: 5000}); err != nil {
		t.Errorf("a public address: %v", err)
	}
}

// TestOwnServices checks that other services at the relay's address can't be
// reached through it.
func TestOwnServices(t *testing.T) {
	s := open(t, func(o *Options) { o.AllowPeers = nil })
	name, password := credentials(t, s, "host")
	relayed := allocate(t, s, overUDP, name, password)
	service := newPeer(t)
	_, err := relayed.WriteTo([]byte("hello"), service.LocalAddr())
	must(t, err)
	eventually(t, "a channel", func() bool { return len(*s.only(t).bindings.Load()) == 1 })
	_, err = relayed.WriteTo([]byte("hello"), service.LocalAddr())
	must(t, err)
	_, err = relayed.WriteTo([]byte("hello"), net.UDPAddrFromAddrPort(s.Addr()))
	must(t, err)
	eventually(t, "refusals", func() bool { return s.Stats().Refused[RefusedPeer] >= 3 })
	must(t, service.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	if n, _, err := service.ReadFrom(make([]byte, 100)); err == nil {
		t.Errorf("it got %d bytes", n)
	}
}

func TestLowPortsRefused(t *testing.T) {
	s := open(t, nil)
	name, password := credentials(t, s, "host")
	relayed := allocate(t, s, overUDP, name, password)
	service, err := net.ListenPacket("udp4", "127.0.0.3:53")
	if err != nil {
		t.Skip("low ports are not ours")
	}
	defer service.Close()
	for range 3 { // indications, then a channel
		_, err = relayed.WriteTo([]byte("query"), service.LocalAddr())
		must(t, err)
	}
	eventually(t, "a refusal", func() bool { return s.Stats().Refused[RefusedPeer] > 0 })
	must(t, service.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	if n, _, err := service.ReadFrom(make([]byte, 100)); err == nil {
		t.Errorf("it got %d bytes", n)
	}
}

func TestDenied(t *testing.T) {
	s := open(t, func(o *Options) { o.DenyPeers = []netip.Prefix{netip.MustParsePrefix("127.0.0.9/32")} })
	name, password := credentials(t, s, "host")
	c := newClient(t, s, overUDP, name, password)
	relayed, err := c.Allocate()
	must(t, err)
	defer relayed.Close()
	if err := c.CreatePermission(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 9), Port: 5000}); err == nil {
		t.Error("permitted")
	}
	must(t, c.CreatePermission(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 8), Port: 5000}))
}

// TestNoTCP checks that nothing is relayed over TCP (RFC 6062).
func TestNoTCP(t *testing.T) {
	s := open(t, nil)
	name, password := credentials(t, s, "host")
	if _, err := newClient(t, s, overTCP, name, password).AllocateTCP(); err == nil {
		t.Error("a TCP allocation")
	}
	if s.Stats().Refused[RefusedTCP] == 0 {
		t.Error("not counted")
	}
}

// TestUnpermitted checks that a peer that the client has not asked for is not
// heard.
func TestUnpermitted(t *testing.T) {
	s := open(t, nil)
	name, password := credentials(t, s, "host")
	relayed := allocate(t, s, overUDP, name, password)
	exchange(t, relayed, newPeer(t), "hello")
	stranger, err := net.ListenPacket("udp4", "127.0.0.7:0")
	must(t, err)
	defer stranger.Close()
	_, err = stranger.WriteTo([]byte("boo"), relayed.LocalAddr())
	must(t, err)
	eventually(t, "a refusal", func() bool { return s.Stats().Refused[RefusedUnpermitted] == 1 })
}

// TestPermissionExpires checks that a channel is of no use without the
// permission.
func TestPermissionExpires(t *testing.T) {
	s := open(t, nil)
	name, password := credentials(t, s, "host")
	relayed, peer := allocate(t, s, overUDP, name, password), newPeer(t)
	exchange(t, relayed, peer, "hello")
	a := s.only(t)
	eventually(t, "a channel", func() bool { return len(*a.bindings.Load()) == 1 })
	exchange(t, relayed, peer, "hello")
	from, to := Traffic{10, 2}, Traffic{20, 2}
	counted(t, s, from, to)
	a.permit(loopback, false) // as pion does after five minutes
	_, err := relayed.WriteTo([]byte("late"), peer.LocalAddr())
	must(t, err)
	_, err = peer.WriteTo([]byte("late"), relayed.LocalAddr())
	must(t, err)
	eventually(t, "refusals", func() bool { return s.Stats().Refused[RefusedUnpermitted] == 2 })
	if after := s.Stats(); after.FromClients != from || after.ToClients != to {
		t.Error("relayed without a permission")
	}
}

// TestManyPermissions checks that an allocation ends if it asks for more than any
// call needs.
func TestManyPermissions(t *testing.T) {
	s := open(t, nil)
	name, password := credentials(t, s, "host")
	c := newClient(t, s, overUDP, name, password)
	relayed, err := c.Allocate()
	must(t, err)
	defer relayed.Close()
	for i := range maxPermissions {
		must(t, c.CreatePermission(&net.UDPAddr{IP: net.IPv4(127, 0, 1, byte(i)), Port: 5000}))
	}
	if s.Stats().Allocations != 1 {
		t.Fatal("too early")
	}
	_ = c.CreatePermission(&net.UDPAddr{IP: net.IPv4(127, 0, 2, 0), Port: 5000})
	eventually(t, "the end of the allocation", func() bool { return s.Stats().Allocations == 0 })
}
