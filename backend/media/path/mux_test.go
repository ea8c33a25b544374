package path

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"github.com/porch-call/porch/backend/media/mediatest"
)

// newTestSocket returns a mux's socket on an address of this machine.
func newTestSocket(tb testing.TB, loopback bool) *udpSocket {
	tb.Helper()
	m := NewMux()
	tb.Cleanup(func() { must(tb, m.Close()) })
	for _, s := range m.addresses() {
		if s.local.Addr().IsLoopback() == loopback {
			return s
		}
	}
	tb.Skip("no such address here")
	return nil
}

func newRemote(tb testing.TB, s *udpSocket) (*net.UDPConn, netip.AddrPort) {
	tb.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(s.local.Addr(), 0)))
	must(tb, err)
	tb.Cleanup(func() { must(tb, conn.Close()) })
	a := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	return conn, netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

func readFrom(tb testing.TB, conn *net.UDPConn) []byte {
	tb.Helper()
	must(tb, conn.SetReadDeadline(time.Now().Add(mediatest.Patience)))
	b := make([]byte, maxDatagram)
	n, err := conn.Read(b)
	must(tb, err)
	return b[:n]
}

// binding returns a connectivity check for ufrag.
func binding(tb testing.TB, ufrag string) []byte {
	tb.Helper()
	m, err := stun.Build(stun.BindingRequest, stun.TransactionID, stun.NewUsername(ufrag+":theirs"))
	must(tb, err)
	return m.Raw
}

// next returns what the agent would read next.
func next(tb testing.TB, c *udpConn) []byte {
	tb.Helper()
	timer := time.AfterFunc(mediatest.Patience, c.shut)
	defer timer.Stop()
	b := make([]byte, maxDatagram)
	n, _, err := c.ReadFromAddrPort(b)
	must(tb, err)
	return b[:n]
}

func notMedia([]byte) bool { return false }

// plain is a peer without media.
var plain = PeerMux{Take: notMedia, AnsweredBy: func(netip.AddrPort) bool { return true }, Answered: func() {}}

func TestChecksFindTheirConnection(t *testing.T) {
	s := newTestSocket(t, true)
	conn, _ := newRemote(t, s)
	a, b := s.connection("aaaa", plain), s.connection("bbbb", plain)
	if s.connection("aaaa", plain) != a {
		t.Error("two connections of one name")
	}
	to := net.UDPAddrFromAddrPort(s.local)
	send := func(p []byte) {
		t.Helper()
		_, err := conn.WriteToUDP(p, to)
		must(t, err)
	}
	send([]byte{22, 1, 2}) // from an unknown address, so it is dropped
	check := binding(t, "bbbb")
	send(check)
	if got := next(t, b); !slices.Equal(got, check) {
		t.Errorf("%x", got)
	}
	send([]byte{22, 3, 4}) // now the connection of this address is known
	if got := next(t, b); !slices.Equal(got, []byte{22, 3, 4}) {
		t.Errorf("%x", got)
	}
	send(binding(t, "aaaa")) // the peer has started again
	next(t, a)
	send([]byte{22, 5, 6})
	if got := next(t, a); !slices.Equal(got, []byte{22, 5, 6}) {
		t.Errorf("%x", got)
	}
	must(t, a.Close())
	must(t, a.Close())
	if _, _, err := a.ReadFromAddrPort(make([]byte, 10)); !errors.Is(err, io.EOF) {
		t.Errorf("reading from a closed connection: %v", err)
	}
	if _, err := a.WriteToAddrPort([]byte{1}, s.local); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("writing to a closed connection: %v", err)
	}
	if len(s.remotes) != 0 || len(s.ufrags) != 1 {
		t.Errorf("%d addresses and %d names are left", len(s.remotes), len(s.ufrags))
	}
}

func TestMediaIsTakenAtOnce(t *testing.T) {
	s := newTestSocket(t, true)
	conn, _ := newRemote(t, s)
	taken := make(chan []byte, 1)
	m := plain
	m.Take = func(b []byte) bool {
		taken <- slices.Clone(b)
		return true
	}
	c := s.connection("aaaa", m)
	_, err := conn.WriteToUDP(binding(t, "aaaa"), net.UDPAddrFromAddrPort(s.local))
	must(t, err)
	next(t, c)
	_, err = conn.WriteToUDP([]byte{128, 96, 1}, net.UDPAddrFromAddrPort(s.local))
	must(t, err)
	select {
	case b := <-taken:
		if !slices.Equal(b, []byte{128, 96, 1}) {
			t.Errorf("%x", b)
		}
	case <-time.After(mediatest.Patience):
		t.Fatal("not taken")
	}
}

func TestLoopbackSpeaksOnlyWhenSpokenTo(t *testing.T) {
	s := newTestSocket(t, true)
	conn, remote := newRemote(t, s)
	c := s.connection("aaaa", plain)
	for _, b := range []string{"old check", "check"} {
		_, err := c.WriteToAddrPort([]byte(b), remote)
		must(t, err)
	}
	for port := range uint16(10 * maxHeld) {
		_, err := c.WriteToAddrPort([]byte("nobody"), netip.AddrPortFrom(remote.Addr(), port))
		must(t, err)
	}
	c.mu.Lock()
	held := len(c.held)
	c.mu.Unlock()
	if held > maxHeld || s.pending.Load() != 0 {
		t.Errorf("%d held, %d sent", held, s.pending.Load())
	}
	_, err := conn.WriteToUDP(binding(t, "aaaa"), net.UDPAddrFromAddrPort(s.local))
	must(t, err)
	next(t, c)
	_, err = c.WriteToAddrPort([]byte("answer"), remote)
	must(t, err)
	for _, want := range []string{"check", "answer"} {
		if got := readFrom(t, conn); string(got) != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestAnAddressIsNotStolenByWriting(t *testing.T) {
	s := newTestSocket(t, false)
	conn, remote := newRemote(t, s)
	victim, thief := s.connection("aaaa", plain), s.connection("bbbb", plain)
	_, err := conn.WriteToUDP(binding(t, "aaaa"), net.UDPAddrFromAddrPort(s.local))
	must(t, err)
	next(t, victim)
	_, err = thief.WriteToAddrPort([]byte("mine"), remote) // to a candidate that it has named
	must(t, err)
	_, err = conn.WriteToUDP([]byte{22, 1}, net.UDPAddrFromAddrPort(s.local))
	must(t, err)
	if got := next(t, victim); !slices.Equal(got, []byte{22, 1}) {
		t.Errorf("%x", got)
	}
}

func TestCorkedDatagramsLeaveTogetherAndInOrder(t *testing.T) {
	s := newTestSocket(t, true)
	conn, remote := newRemote(t, s)
	send := func(n int) {
		b := buffers.Get().(*[]byte)
		*b = append((*b)[:0], byte(n), byte(n>>8))
		s.send(datagram{buffer: b, to: remote})
	}
	s.mux.Cork()
	for n := range 10 {
		send(n)
	}
	if got := s.pending.Load(); got != 10 {
		t.Errorf("%d are waiting", got)
	}
	s.mux.Uncork()
	if got := s.pending.Load(); got != 0 {
		t.Errorf("%d are waiting after uncorking", got)
	}
	s.mux.Cork()
	for n := 10; n < 10+maxBatch; n++ { // a full batch does not wait
		send(n)
	}
	if got := s.pending.Load(); got != 0 {
		t.Errorf("%d of a full batch are waiting", got)
	}
	s.mux.Uncork()
	send(10 + maxBatch)
	for n := range 11 + maxBatch {
		if b := readFrom(t, conn); int(b[0])|int(b[1])<<8 != n {
			t.Fatalf("datagram %d is %x", n, b)
		}
	}
}

func TestQueueOfAConnectionIsBounded(t *testing.T) {
	s := newTestSocket(t, true)
	c := s.connection("aaaa", plain)
	for range 10 * maxQueue {
		c.deliver([]byte{22}, s.local)
	}
	if len(c.queue) != maxQueue {
		t.Errorf("%d datagrams", len(c.queue))
	}
}

func TestRefusedDatagramsDoNotStopTheBatch(t *testing.T) {
	s := newTestSocket(t, true)
	conn, remote := newRemote(t, s)
	s.mux.Cork()
	for _, to := range []netip.AddrPort{netip.AddrPortFrom(remote.Addr(), 0), remote} {
		b := buffers.Get().(*[]byte)
		*b = append((*b)[:0], "hello"...)
		s.send(datagram{buffer: b, to: to})
	}
	s.mux.Uncork()
	if got := readFrom(t, conn); string(got) != "hello" {
		t.Errorf("%s", got)
	}
}

func TestMuxHasOneSocketPerAddress(t *testing.T) {
	m := NewMux()
	first := m.addresses()
	if len(first) == 0 {
		t.Fatal("no addresses")
	}
	m.asked = time.Time{}
	if second := m.addresses(); !slices.Equal(first, second) {
		t.Error("other sockets the second time")
	}
	p := plain
	p.Mux = m
	if got := len(p.GetListenAddresses()); got != len(first) {
		t.Errorf("%d addresses, %d sockets", got, len(first))
	}
	c, err := p.GetConn("aaaa", net.UDPAddrFromAddrPort(first[0].local))
	must(t, err)
	if c.LocalAddr().String() != first[0].local.String() {
		t.Errorf("%v", c.LocalAddr())
	}
	if _, err := p.GetConn("aaaa", &net.UDPAddr{IP: net.IPv4(203, 0, 113, 1), Port: 1}); err == nil {
		t.Error("a connection at an address that is not ours")
	}
	p.RemoveConnByUfrag("aaaa")
	if _, _, err := c.ReadFrom(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
	must(t, m.Close())
	must(t, m.Close())
	if got := m.addresses(); got != nil {
		t.Errorf("%d sockets of a closed mux", len(got))
	}
}

func FuzzDatagram(f *testing.F) {
	f.Add(binding(f, "aaaa"))
	f.Add([]byte{22, 254, 253})
	f.Add([]byte{128, 96, 0, 0})
	s := &udpSocket{
		mux: NewMux(), local: netip.MustParseAddrPort("127.0.0.1:9"),
		ufrags: make(map[string]*udpConn), remotes: make(map[netip.AddrPort]*udpConn),
	}
	s.connection("aaaa", plain)
	f.Fuzz(func(t *testing.T, b []byte) {
		s.receive(b, netip.MustParseAddrPort("127.0.0.1:10"))
	})
}

// TestNewAddressHasAPortOfItsOwn checks that a new address gets another port,
// because a NAT that remembers the earlier address would spoil the port for it.
func TestNewAddressHasAPortOfItsOwn(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs more than one loopback address, which Linux alone has without being asked")
	}
	m := NewMux()
	defer func() { must(t, m.Close()) }()
	ports := func(addresses ...string) (found []uint16) {
		m.mu.Lock()
		m.Lister = func() (list []netip.Prefix) {
			for _, a := range addresses {
				list = append(list, netip.MustParsePrefix(a+"/8"))
			}
			return list
		}
		m.mu.Unlock()
		m.look()
		for _, s := range m.addresses() {
			found = append(found, s.local.Port())
		}
		return found
	}
	home := ports("127.0.0.1", "127.0.0.2")
	if len(home) != 2 || home[0] != home[1] {
		t.Errorf("addresses of one network have the ports %d", home)
	}
	away := ports("127.0.0.3")
	if len(away) != 1 || away[0] == home[0] {
		t.Errorf("after port %d a new address has %d", home[0], away)
	}
}

func TestAddressesOfAConnectionAreBounded(t *testing.T) {
	s := newTestSocket(t, true)
	a, b := s.connection("aaaa", plain), s.connection("bbbb", plain)
	check := binding(t, "aaaa")
	for port := range uint16(10 * maxRemotes) {
		s.receive(check, netip.AddrPortFrom(s.local.Addr(), port+1))
	}
	if len(s.remotes) != maxRemotes || a.addresses != maxRemotes {
		t.Errorf("%d addresses, %d counted", len(s.remotes), a.addresses)
	}
	s.receive(binding(t, "bbbb"), netip.AddrPortFrom(s.local.Addr(), 1)) // takes an address over
	if len(s.remotes) != maxRemotes || a.addresses != maxRemotes-1 || b.addresses != 1 {
		t.Errorf("%d addresses, %d and %d counted", len(s.remotes), a.addresses, b.addresses)
	}
	must(t, a.Close())
	if len(s.remotes) != 1 || a.addresses != 0 {
		t.Errorf("%d addresses, %d counted", len(s.remotes), a.addresses)
	}
}
