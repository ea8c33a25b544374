package guest_test

import (
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

// wire is a TCP connection to the relay that the test can cut.
type wire struct {
	listener net.Listener
	to       string
	wg       sync.WaitGroup

	mu     sync.Mutex
	closed bool // refuse new connections
	conns  map[net.Conn]struct{}
}

// newWire returns a wire to the host of address, and the same address through the wire.
func newWire(t *testing.T, address string) (*wire, string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, to: u.Host, conns: make(map[net.Conn]struct{})}
	w.wg.Go(w.accept)
	t.Cleanup(func() {
		_ = l.Close()
		w.cut(true)
		w.wg.Wait()
	})
	return w, strings.Replace(address, u.Host, l.Addr().String(), 1)
}

func (w *wire) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", w.to)
		if err != nil || !w.keep(near, far) {
			_ = near.Close()
			continue
		}
		for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
			w.wg.Go(func() {
				_, _ = io.Copy(pair[0], pair[1]) // ends when either side is closed
				_ = pair[0].Close()
			})
		}
	}
}

func (w *wire) keep(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		for _, c := range conns {
			_ = c.Close()
		}
		return false
	}
	for _, c := range conns {
		w.conns[c] = struct{}{}
	}
	return true
}

// cut drops all connections. With dead it also drops later ones.
func (w *wire) cut(dead bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = dead
	for c := range w.conns {
		_ = c.Close()
		delete(w.conns, c)
	}
}

func (v *visitor) isAway(want bool) {
	v.p.t.Helper()
	select {
	case got := <-v.away:
		if got != want {
			v.p.t.Fatalf("away is %t, want %t", got, want)
		}
	case <-v.p.ctx.Done():
		v.p.t.Fatalf("away never was %t", want)
	}
}

// drain drops the messages that have arrived.
func (v *visitor) drain() {
	for {
		select {
		case <-v.messages:
		default:
			return
		}
	}
}

// TestLostSocketKeepsTheConnection: media continues while the path is lost, and the seat is resumed with the same
// peer connection.
func TestLostSocketKeepsTheConnection(t *testing.T) {
	p := open(t)
	_, address := p.link()
	p.admit()
	b := p.join(address, "Bo")
	defer b.send(2)()
	w, detour := newWire(t, address)
	a := p.join(detour, "Ada")
	track := a.track(b.ID(), signalling.KindVideo)
	a.receive(track, 2)
	pc, id := a.PeerConnection(), a.ID()

	a.drain()
	w.cut(true)
	a.isAway(true)
	p.must(a.SetMedia(true, false)) // sent when the path is back
	a.receive(track, 2)
	w.cut(false)
	a.isAway(false)
	if admitted := expect[signalling.Admitted](a); !admitted.Resumed || admitted.Participant != id {
		t.Errorf("back as %+v", admitted)
	}
	if roster := expect[signalling.Roster](a); len(roster.Participants) != 2 {
		t.Errorf("%d in the roster", len(roster.Participants))
	}
	if a.PeerConnection() != pc {
		t.Error("another peer connection")
	}
	a.receive(track, 2)
	for {
		if j := expect[signalling.Joined](b).Participant; j.ID == id && j.Muted {
			break
		}
	}
	p.must(a.Say("back again"))
	expect[signalling.Chat](b)
}

// TestLostConnectionIsMadeAnew: a guest that lost its peer connection gets a new one, and all tracks start over.
func TestLostConnectionIsMadeAnew(t *testing.T) {
	p := open(t)
	_, address := p.link()
	p.admit()
	b := p.join(address, "Bo")
	defer b.send(2)()
	w, detour := newWire(t, address)
	a := p.join(detour, "Ada")
	defer a.send(1)()
	old := a.track(b.ID(), signalling.KindVideo)
	a.receive(old, 2)

	a.drain()
	p.must(a.PeerConnection().Close())
	w.cut(false)
	a.isAway(true)
	a.isAway(false)
	if admitted := expect[signalling.Admitted](a); admitted.Resumed {
		t.Error("resumed a connection that is closed")
	}
	for {
		if _, err := old.ReadRTP(); err != nil {
			break
		}
	}
	a.receive(a.track(b.ID(), signalling.KindVideo), 2)
	b.receive(b.track(a.ID(), signalling.KindVideo), 1)
}

// TestGivesUpAfterTheSeatHold: if the path does not come back, the guest ends.
func TestGivesUpAfterTheSeatHold(t *testing.T) {
	p := open(t)
	_, address := p.link()
	p.admit()
	w, detour := newWire(t, address)
	v := newVisitor(p)
	o := v.options("Ada")
	o.SeatHold = 1 // nanosecond
	v.join(detour, o)
	w.cut(true)
	v.isAway(true)
	v.isOut(fault.RelayUnreachable)
}

// TestReplaced: a newer page with the same seat ends the older one.
func TestReplaced(t *testing.T) {
	p := open(t)
	_, address := p.link()
	p.admit()
	a := p.join(address, "Ada")
	p.must(a.Say("in")) // once this arrives, the host knows that the guest has the seat's token
	expect[signalling.Chat](a)
	newer := newVisitor(p)
	o := newer.options("Ada")
	o.Seat, o.Device = a.Seat(), a.Device()
	newer.join(address, o)
	a.isOut(fault.KnockReplaced)
	if newer.ID() != a.ID() {
		t.Error("another participant")
	}
}

// TestICERestart: the connection survives an ICE restart.
func TestICERestart(t *testing.T) {
	p := open(t)
	_, address := p.link()
	p.admit()
	b := p.join(address, "Bo")
	defer b.send(2)()
	a := p.join(address, "Ada")
	a.receive(a.track(b.ID(), signalling.KindAudio), 2)
	track := a.track(b.ID(), signalling.KindVideo)
	a.drain()
	before := expectNegotiation(a)
	if after := expectNegotiation(a); after <= before {
		t.Errorf("negotiation %d after %d", after, before)
	}
	a.receive(track, 2)
}

// expectNegotiation asks for an ICE restart and returns the number of the offer.
func expectNegotiation(v *visitor) uint32 {
	v.p.t.Helper()
	v.p.must(v.Restart())
	return expect[signalling.Offer](v).Negotiation
}
