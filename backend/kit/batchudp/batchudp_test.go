package batchudp

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"
)

const (
	room = 32
	most = 100 // bytes
)

// memory is the batch of these tests.
type memory struct {
	in      *In
	buffers [][]byte
}

func (m *memory) Incoming() *In { return m.in }

func newMemory() *memory {
	m := &memory{buffers: make([][]byte, room)}
	for i := range m.buffers {
		m.buffers[i] = make([]byte, most)
	}
	m.in = NewIn(m.buffers)
	return m
}

func open(t testing.TB, address string) *Conn {
	t.Helper()
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(address)))
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { udp.Close() })
	if err := udp.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	c, err := New(udp)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestBatches sends more than one batch between sockets of each family.
func TestBatches(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", "[::]:0"} {
		t.Run(address, func(t *testing.T) {
			from, to := open(t, "127.0.0.1:0"), open(t, address)
			target := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), to.Local().Port())
			if address == "[::1]:0" {
				from, target = open(t, "[::1]:0"), to.Local()
			}
			held := 0
			m := newMemory()
			r := NewReader(to, func() *memory { held++; return m }, func(*memory) { held-- })
			out := NewOut(room)
			const sent = 2*room + 3
			for i := range sent {
				out.Add(from, []byte{byte(i), 1, 2}[:1+i%3], target)
			}
			if out.Len() != 3 {
				t.Fatalf("%d datagrams are left to send, not 3", out.Len())
			}
			out.FlushAll(from)
			if out.Len() != 0 {
				t.Fatal("what was sent stays")
			}
			for i := 0; i < sent; {
				b, n, err := r.Read()
				if err != nil {
					t.Fatal(err)
				}
				if held != 1 || b != m {
					t.Fatalf("%d batches are held", held)
				}
				for k := range n {
					size, sender, whole := b.in.Datagram(k)
					if size != 1+i%3 || b.buffers[k][0] != byte(i) || !whole || sender.Port() != from.Local().Port() || sender.Addr() != target.Addr() {
						t.Fatalf("datagram %d: %d bytes of %v, %v", i, size, sender, whole)
					}
					i++
				}
				held--
			}
			to.UDP.Close()
			if _, _, err := r.Read(); !errors.Is(err, net.ErrClosed) || held != 0 {
				t.Errorf("closed: %v, %d batches are held", err, held)
			}
		})
	}
}

// TestTooLong checks that a datagram that does not fit is not whole, and that one
// that the system refuses does not hold up the next.
func TestTooLong(t *testing.T) {
	from, to := open(t, "127.0.0.1:0"), open(t, "127.0.0.1:0")
	m := newMemory()
	r := NewReader(to, func() *memory { return m }, func(*memory) {})
	out := NewOut(room)
	out.Add(from, make([]byte, 70_000), to.Local())
	out.Add(from, make([]byte, most+1), to.Local())
	out.Add(from, make([]byte, 1), to.Local())
	out.Flush(from)
	var sizes []bool
	for len(sizes) < 2 {
		b, n, err := r.Read()
		if err != nil {
			t.Fatal(err)
		}
		for k := range n {
			_, _, whole := b.in.Datagram(k)
			sizes = append(sizes, whole)
		}
	}
	if sizes[0] || !sizes[1] {
		t.Errorf("whole: %v", sizes)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	from, to := open(t, "127.0.0.1:0"), open(t, "127.0.0.1:0")
	m, payload := newMemory(), make([]byte, most)
	r := NewReader(to, func() *memory { return m }, func(*memory) {})
	out := NewOut(room)
	if n := testing.AllocsPerRun(50, func() {
		for range room {
			out.Add(from, payload, to.Local())
		}
		out.Flush(from)
		for n := 0; n < room; {
			_, read, err := r.Read()
			if err != nil {
				t.Fatal(err)
			}
			n += read
		}
	}); n >= 1 {
		t.Errorf("%v allocations for %d datagrams", n, room)
	}
}
