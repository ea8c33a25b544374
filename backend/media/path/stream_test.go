package path

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/kit/household"
)

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{0, 1, 7, 0, 2, 8, 9})
	f.Add([]byte{0, 0})
	f.Add([]byte{255, 255, 1})
	f.Add([]byte{0, 4, 1})
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		buffer := make([]byte, maxDatagram)
		var out []byte
		for {
			b, err := readFrame(r, buffer, new(stream).most)
			if err != nil {
				break
			}
			if len(b) == 0 || len(b) > maxFirst {
				t.Fatalf("a frame of %d bytes", len(b))
			}
			out = append(binary.BigEndian.AppendUint16(out, uint16(len(b))), b...)
		}
		if !bytes.HasPrefix(in, out) {
			t.Fatalf("%x is read as %x", in, out)
		}
	})
}

// TestStreamsThatSayNothingGiveWay: strangers from many addresses can't keep a guest out.
func TestStreamsThatSayNothingGiveWay(t *testing.T) {
	all := newStreams()
	var first *stream
	for i := range maxUnproved {
		s := &stream{home: household.Of(netip.AddrFrom4([4]byte{44, 128, 0, byte(i)}))}
		if first == nil {
			first = s
		}
		if gone, ok := all.enter(s); !ok || gone != nil {
			t.Fatalf("%d: %v, %v", i, gone, ok)
		}
	}
	guest := &stream{home: household.Of(netip.MustParseAddr("44.128.1.1"))}
	if gone, ok := all.enter(guest); !ok || gone != first {
		t.Errorf("%v, %v", gone, ok)
	}
	for range unprovedPerHome - 1 {
		_, _ = all.enter(&stream{home: guest.home})
	}
	if _, ok := all.enter(&stream{home: guest.home}); ok {
		t.Error("one address has more than its share")
	}
	all.settle(guest) // it is proved
	if _, ok := all.enter(&stream{home: guest.home}); !ok {
		t.Error("no room beside a guest who is proved")
	}
}

// TestStreams: listeners come and go with the wish for them, a taken port is left alone, and Close ends all.
func TestStreams(t *testing.T) {
	m := NewMux()
	m.Lister = func() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")} }
	at := m.OpenSockets()[0]
	if m.StreamsAt(at.Addr()) != 0 {
		t.Fatal("streams are taken unasked")
	}
	m.ListenStreams(true)
	<-m.StreamsChanged()
	if port := m.StreamsAt(at.Addr()); port != at.Port() {
		t.Fatalf("streams at %d, datagrams at %d", port, at.Port())
	}
	c, err := net.Dial("tcp", at.String())
	must(t, err)
	defer c.Close()
	m.ListenStreams(false)
	<-m.StreamsChanged()
	must(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("%d, %v", n, err)
	}
	other, err := net.Listen("tcp", at.String())
	must(t, err)
	m.ListenStreams(true)
	if m.StreamsAt(at.Addr()) != 0 {
		t.Error("another program's port")
	}
	must(t, other.Close())
	m.ListenStreams(true)
	if m.StreamsAt(at.Addr()) == 0 {
		t.Error("the port is free again, and not used")
	}
	c, err = net.Dial("tcp", at.String())
	must(t, err)
	defer c.Close()
	must(t, m.Close())
	if _, err := io.ReadAll(c); err != nil {
		t.Logf("%v", err) // reset or closed, both are ends
	}
	m.ListenStreams(true)
	if m.StreamsAt(at.Addr()) != 0 {
		t.Error("a closed mux listens")
	}
}

// TestASlowGuestIsNoFullLine: what waits for one guest who comes by TCP slows down nobody else.
func TestASlowGuestIsNoFullLine(t *testing.T) {
	l := &streamListener{socket: &udpSocket{}}
	s := &stream{listener: l, queue: sendQueue{age: relayAge}, filled: make(chan struct{}, 1)} // nothing is written
	s.proved.Store(true)
	route := &Route{socket: l.socket}
	for range 3 {
		s.send(datagram{buffer: new([]byte)})
		time.Sleep(stallAfter + 5*time.Millisecond)
	}
	if route.Stalls() != 0 {
		t.Error("the route stalls for all")
	}
	if len(s.queue.urgent) != 3 {
		t.Errorf("%d wait", len(s.queue.urgent))
	}
}

// TestALaterStreamStays: the end of a stream takes nothing from a later one of the same address.
func TestALaterStreamStays(t *testing.T) {
	m := NewMux()
	defer m.Close()
	l := &streamListener{mux: m, socket: &udpSocket{}, open: make(map[netip.AddrPort]*stream)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	near, err := net.Dial("tcp", listener.Addr().String())
	must(t, err)
	remote := netip.MustParseAddrPort("44.1.2.3:9")
	ended := &stream{listener: l, conn: near.(*net.TCPConn), remote: remote, over: make(chan struct{})}
	later := &stream{}
	l.open[remote] = later
	must(t, near.Close())
	ended.read()
	if l.open[remote] != later {
		t.Error("it is gone")
	}
}

// TestStreamsOfOneGuestAreFew: a guest can't take the places of the others.
func TestStreamsOfOneGuestAreFew(t *testing.T) {
	s := newTestSocket(t, true)
	s.streams = &streamListener{}
	c := s.connection("aaaa", plain)
	check := binding(t, "aaaa")
	for port := range uint16(4 * maxPeerStreams) {
		s.receive(check, netip.AddrPortFrom(s.local.Addr(), port+1))
	}
	if len(s.remotes) != maxPeerStreams || c.addresses != maxPeerStreams {
		t.Errorf("%d streams, %d counted", len(s.remotes), c.addresses)
	}
}

// TestALookThatFailsEndsNoStream: as long as a connection uses it, a listener outlives its address.
func TestALookThatFailsEndsNoStream(t *testing.T) {
	m := NewMux()
	defer m.Close()
	at := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}
	m.Lister = func() []netip.Prefix { return at }
	local := m.OpenSockets()[0]
	m.ListenStreams(true)
	l := (*m.streams.list.Load())[0]
	l.socket.connection("aaaa", plain)
	at = nil
	m.asked = time.Time{}
	m.OpenSockets()
	if m.StreamsAt(local.Addr()) != local.Port() {
		t.Error("streams are no longer taken")
	}
}
