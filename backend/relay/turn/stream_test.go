package turn

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/turn/v5"
	"github.com/porch-call/porch/backend/kit/pionlog"
)

// bound is a client of a stream with a channel to a peer.
type bound struct {
	conn          net.Conn // what the client sends through
	relayed, peer net.PacketConn
	allocation    *allocation
	channel       uint16
}

func newBound(tb testing.TB, s *Server) bound {
	tb.Helper()
	name, password := credentials(tb, s, "owner")
	conn, err := net.Dial("tcp", s.Addr().String())
	must(tb, err)
	tb.Cleanup(func() { conn.Close() })
	c, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: s.Addr().String(), TURNServerAddr: s.Addr().String(), Conn: turn.NewSTUNConn(conn),
		Username: name, Password: password, Realm: realm, RTO: 200 * time.Millisecond, LoggerFactory: pionlog.Silent{},
	})
	must(tb, err)
	must(tb, c.Listen())
	tb.Cleanup(c.Close)
	relayed, err := c.Allocate()
	must(tb, err)
	tb.Cleanup(func() { relayed.Close() })
	peer := newPeer(tb)
	exchange(tb, relayed, peer, "hello")
	a := s.of(tb, relayed)
	eventually(tb, "a channel", func() bool { return len(*a.bindings.Load()) > 0 })
	return bound{conn: conn, relayed: relayed, peer: peer, allocation: a, channel: (*a.bindings.Load())[0].channel}
}

// of returns the allocation of a relayed socket.
func (s *Server) of(tb testing.TB, relayed net.PacketConn) *allocation {
	tb.Helper()
	s.mu.RLock()
	defer s.mu.RUnlock()
	a := s.relayed[netip.MustParseAddrPort(relayed.LocalAddr().String())]
	if a == nil {
		tb.Fatal("no allocation")
	}
	return a
}

// channelFrame is a ChannelData message as a stream carries it: padded to four
// bytes (RFC 8656, section 12.5).
func channelFrame(channel uint16, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, channel)
	b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	b = append(b, payload...)
	return append(b, make([]byte, -len(payload)&3)...)
}

// TestEmptyChannelData checks that empty messages are relayed and counted like
// others, however many come at once, alone or among full ones.
func TestEmptyChannelData(t *testing.T) {
	for name, at := range map[string]func(i int) []byte{
		"all empty": func(int) []byte { return nil },
		"mixed":     func(i int) []byte { return make([]byte, i%3) },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, nil)
			b := newBound(t, s)
			const frames = 3*batchSize + 1
			before := s.Stats().FromClients.Packets
			var all []byte
			for i := range frames {
				all = append(all, channelFrame(b.channel, at(i))...)
			}
			_, err := b.conn.Write(all)
			must(t, err)
			buffer := make([]byte, maxDatagram)
			must(t, b.peer.SetReadDeadline(time.Now().Add(patience)))
			for i := range frames {
				n, _, err := b.peer.ReadFrom(buffer)
				must(t, err)
				if n != len(at(i)) {
					t.Fatalf("message %d has %d bytes", i, n)
				}
			}
			eventually(t, "all are counted", func() bool { return s.Stats().FromClients.Packets == before+frames })
			exchange(t, b.relayed, b.peer, "still there")
		})
	}
}

// TestBatchSendsWhenFull checks that a full batch is sent before more is added.
func TestBatchSendsWhenFull(t *testing.T) {
	s := open(t, nil)
	b := newBound(t, s)
	to := netip.MustParseAddrPort(b.peer.LocalAddr().String())
	batch := batches.Get().(*batch)
	defer batch.release()
	for i := range 2*batchSize + 1 {
		batch.out.Add(b.allocation.socket.many, []byte{byte(i)}, to)
	}
	if batch.out.Len() != 1 {
		t.Fatalf("%d datagrams are left to send, not 1", batch.out.Len())
	}
	batch.out.Flush(b.allocation.socket.many)
	buffer := make([]byte, maxDatagram)
	must(t, b.peer.SetReadDeadline(time.Now().Add(patience)))
	for i := range 2*batchSize + 1 {
		n, _, err := b.peer.ReadFrom(buffer)
		must(t, err)
		if n != 1 || buffer[0] != byte(i) {
			t.Fatalf("datagram %d is %x", i, buffer[:n])
		}
	}
}

// FuzzStream gives a stream any bytes while it has an allocation with a bound
// channel, and checks that the allocation still works.
func FuzzStream(f *testing.F) {
	s := open(f, nil)
	b := newBound(f, s)
	client := b.allocation.client.Load()
	var empty, mixed []byte
	for i := range 2 * batchSize {
		empty = append(empty, channelFrame(b.channel, nil)...)
		mixed = append(mixed, channelFrame(b.channel+uint16(i%2), make([]byte, i%5))...)
	}
	f.Add(empty)
	f.Add(mixed)
	f.Add(append(bindingRequest(f), empty...))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > streamRead {
			return
		}
		used, _ := client.stream.take(raw, b.allocation)
		if used > len(raw) {
			t.Fatalf("%d of %d bytes used", used, len(raw))
		}
		if b.allocation.ended.Load() {
			t.Fatal("the allocation has ended")
		}
	})
}

// broken removes an allocation's bindings, so that its next packet panics. It
// stands for an unknown fault.
func broken(a *allocation) { a.bindings.Store(nil) }

// TestPanicEndsOneClient checks that a fault in the path of one client's packets
// ends that client, or loses these packets, and affects no other.
func TestPanicEndsOneClient(t *testing.T) {
	s := open(t, nil)
	name, password := credentials(t, s, "another")
	honest := allocate(t, s, overTCP, name, password)
	honestPeer := newPeer(t)
	exchange(t, honest, honestPeer, "before")

	t.Run("stream", func(t *testing.T) {
		b := newBound(t, s)
		broken(b.allocation)
		before := s.Stats().Panics
		_, err := b.conn.Write(channelFrame(b.channel, []byte("x")))
		must(t, err)
		eventually(t, "the stream is closed", func() bool { return s.Stats().Streams == 1 })
		if s.Stats().Panics == before { // pion's event of the end meets the same fault
			t.Error("no panic is counted")
		}
	})
	t.Run("datagrams", func(t *testing.T) {
		name, password := credentials(t, s, "owner")
		relayed, peer := allocate(t, s, overUDP, name, password), newPeer(t)
		exchange(t, relayed, peer, "before")
		a := s.of(t, relayed)
		eventually(t, "a channel", func() bool { return len(*a.bindings.Load()) > 0 })
		whole := a.bindings.Load()
		broken(a)
		before := s.Stats().Panics
		_, err := peer.WriteTo([]byte("x"), relayed.LocalAddr())
		must(t, err)
		eventually(t, "a panic", func() bool { return s.Stats().Panics > before })
		a.bindings.Store(whole)
		exchange(t, relayed, peer, "after")
	})
	exchange(t, honest, honestPeer, "after")
}
