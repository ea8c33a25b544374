package nats

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/relay/nats/natstest"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// heardNotes are the notes that a node got from others.
type heardNotes struct {
	mu      sync.Mutex
	notes   map[sealed.LinkID][sealed.NoteSize]byte
	revoked map[string]bool
}

func (h *heardNotes) listen(o *Options) {
	h.notes, h.revoked = make(map[sealed.LinkID][sealed.NoteSize]byte), make(map[string]bool)
	o.OnNote = func(id sealed.LinkID, n [sealed.NoteSize]byte) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.notes[id] = n
	}
	o.OnRevoke = func(owner, username string) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.revoked[owner+" "+username] = true
	}
}

func (h *heardNotes) has(t *testing.T, id sealed.LinkID, n [sealed.NoteSize]byte, revoked string) {
	t.Helper()
	eventually(t, "the other node's note", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.notes[id] == n && h.revoked[revoked]
	})
}

// sides are two nodes that a cut separates.
type sides struct {
	name string
	open func(t *testing.T) (a, b func(*Options), wire *natstest.Wire)
	// alone means that the cut leaves a without a bus; otherwise a has a bus to
	// itself.
	alone bool
}

func partitions() []sides {
	return []sides{
		{"from the NATS server", func(t *testing.T) (a, b func(*Options), wire *natstest.Wire) {
			s := natstest.Start(t)
			wire = natstest.NewWire(t, s.Address())
			to := func(url string) func(*Options) {
				return func(o *Options) { o.Servers = []string{url} }
			}
			return to(wire.URL()), to(s.URL()), wire
		}, true},
		{"between a NATS server in each", func(t *testing.T) (a, b func(*Options), wire *natstest.Wire) {
			var c own
			addresses := natstest.FreeAddresses(t, 2)
			wire = natstest.NewWire(t, addresses[1])
			b = c.add(t, addresses[1])
			return c.add(t, addresses[0], wire.Address()), b, wire
		}, false},
	}
}

// TestPartition cuts a node off and lets it come back.
func TestPartition(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long: left to make test")
	}
	for _, s := range partitions() {
		t.Run(s.name, s.partAndHeal)
	}
}

func (s sides) partAndHeal(t *testing.T) {
	toBusA, toBusB, wire := s.open(t)
	var heardA, heardB heardNotes
	a := openNode(t, "", func(o *Options) { heardA.listen(o); toBusA(o) })
	b := openNode(t, "", func(o *Options) { heardB.listen(o); toBusB(o) })
	eventually(t, "they have heard each other", func() bool { return a.Nodes() == 2 && b.Nodes() == 2 })

	x, y := attach(t, a, newKeys(t)), attach(t, b, newKeys(t))
	keys := newKeys(t)
	old := attach(t, a, keys)
	local, localHost := dial(t, a, x.id), x.guest(t)
	toA, toAHost := dial(t, b, x.id), x.guest(t)
	toB, toBHost := dial(t, a, y.id), y.guest(t)
	stale, staleHost := dial(t, a, old.id), old.guest(t)
	pass(t, toA, toAHost, "before")
	pass(t, toBHost, toB, "before")

	cut := time.Now()
	wire.Cut()
	for _, f := range []switchboard.Frames{toA, toAHost, toB, toBHost} {
		expectEnd(t, f, signalling.CloseHostGone)
	}
	t.Logf("channels between the sides ended after %v", time.Since(cut).Round(time.Millisecond))
	pass(t, local, localHost, "during")
	pass(t, localHost, local, "during")
	again := dial(t, a, x.id)
	pass(t, again, x.guest(t), "a new guest")
	if _, _, err := a.Dial(contextFor(t), y.id, switchboard.RemoteInfo{}); fault.CodeOf(err) != fault.LinkUnavailable {
		t.Errorf("Dial = %v", err)
	}
	if _, _, err := b.Dial(contextFor(t), x.id, switchboard.RemoteInfo{}); fault.CodeOf(err) != fault.LinkUnavailable {
		t.Errorf("Dial = %v", err)
	}
	during := attach(t, a, newKeys(t))
	newer := attach(t, b, keys) // the link's host has come to this side
	noteA, noteB := [sealed.NoteSize]byte{1}, [sealed.NoteSize]byte{2}
	a.Note(x.id, noteA)
	a.Revoke("owner", "a")
	b.Note(y.id, noteB)
	b.Revoke("owner", "b")
	if a.Connected() == s.alone || !b.Connected() {
		t.Error("Connected says something else")
	}

	healed := time.Now()
	wire.Heal()
	pass(t, dialSoon(t, b, x.id), x.guest(t), "after")
	t.Logf("a link of the other side was reachable %v after healing", time.Since(healed).Round(time.Millisecond))
	pass(t, dialSoon(t, a, y.id), y.guest(t), "after")
	pass(t, dialSoon(t, b, during.id), during.guest(t), "after")
	select {
	case <-old.Lost():
	case <-contextFor(t).Done():
		t.Fatal("the older host keeps the link")
	}
	expectEnd(t, stale, signalling.CloseHostGone)
	expectEnd(t, staleHost, signalling.CloseHostGone)
	for _, node := range []*Board{a, b} {
		pass(t, dialSoon(t, node, newer.id), newer.guest(t), "the newer host")
	}
	select {
	case <-newer.Lost():
		t.Error("the newer host is lost")
	default:
	}
	heardB.has(t, x.id, noteA, "owner a")
	heardA.has(t, y.id, noteB, "owner b")
	pass(t, local, localHost, "after")
}

// TestOlderHostDoesNotComeBack has the newer host at the side that is cut off.
func TestOlderHostDoesNotComeBack(t *testing.T) {
	for _, s := range partitions() {
		t.Run(s.name, func(t *testing.T) {
			toBusA, toBusB, wire := s.open(t)
			a, b := openNode(t, "", toBusA), openNode(t, "", toBusB)
			eventually(t, "they have heard each other", func() bool { return a.Nodes() == 2 && b.Nodes() == 2 })
			keys := newKeys(t)
			older := attach(t, b, keys)
			wire.Cut()
			eventually(t, "the node notices", func() bool { return a.Nodes() == 1 })
			newer := attach(t, a, keys)
			wire.Heal()
			select {
			case <-older.Lost():
			case <-contextFor(t).Done():
				t.Fatal("the older host keeps the link")
			}
			pass(t, dialSoon(t, b, newer.id), newer.guest(t), "hello")
			if b.holder(b.seals.token(newer.id)) != nil {
				t.Error("a stale hold")
			}
		})
	}
}

// TestServerRestarts kills the bus and starts it again.
func TestServerRestarts(t *testing.T) {
	s := natstest.Start(t)
	a, b := openNode(t, s.URL(), nil), openNode(t, s.URL(), nil)
	h := attach(t, a, newKeys(t))
	pass(t, dial(t, b, h.id), h.guest(t), "before")
	s.Kill()
	local := dial(t, a, h.id)
	pass(t, local, h.guest(t), "without a bus")
	s.Run()
	pass(t, dialSoon(t, b, h.id), h.guest(t), "after")
	select {
	case <-h.Lost():
		t.Error("the host is lost")
	default:
	}
}

// TestServerHangs has a bus that takes nothing and says nothing.
func TestServerHangs(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long: left to make test")
	}
	s := natstest.Start(t)
	a, b := openNode(t, s.URL(), nil), openNode(t, s.URL(), nil)
	h := attach(t, a, newKeys(t))
	g, f := dial(t, b, h.id), h.guest(t)
	s.Freeze()
	defer s.Thaw()
	expectEnd(t, g, signalling.CloseHostGone)
	expectEnd(t, f, signalling.CloseHostGone)
	pass(t, dial(t, a, h.id), h.guest(t), "on one node")
	eventually(t, "the nodes notice", func() bool { return !a.Connected() && !b.Connected() })
	s.Thaw()
	pass(t, dialSoon(t, b, h.id), h.guest(t), "after")
}

// TestServerHangsInMidMessage ends a write to the bus half-way. Nothing may
// follow it on the same connection.
func TestServerHangsInMidMessage(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long: left to make test")
	}
	s := natstest.Start(t)
	a, b := openNode(t, s.URL(), nil), openNode(t, s.URL(), nil)
	h := attach(t, a, newKeys(t))
	s.Freeze()
	defer s.Thaw()
	large := frame{of: way{toHost: true, channel: 1 << 40}, data: make([]byte, signalling.MaxFrame)}
	for ctx := contextFor(t); ; { // the kernel takes some bytes first; a has no such channel
		err := b.publish(toNode(a.seals.self), "", large)
		if unwritten := (net.Error)(nil); errors.As(err, &unwritten) {
			break
		}
		if ctx.Err() != nil || !b.Connected() {
			t.Fatalf("no write fails: %v", err)
		}
	}
	if b.Connected() {
		t.Error("the connection is kept")
	}
	s.Thaw()
	pass(t, dialSoon(t, b, h.id), h.guest(t), "after")
}

// TestNodeCloses checks that a node that closes tells the others at once.
func TestNodeCloses(t *testing.T) {
	nodes := openNodes(t, natstest.Start(t), 3, nil)
	for round := range 3 {
		a := openNode(t, nodes[0].options.Servers[0], nil)
		h := attach(t, a, newKeys(t))
		g, f := dial(t, nodes[1], h.id), h.guest(t)
		other := attach(t, nodes[2], newKeys(t))
		out, outHost := dial(t, a, other.id), other.guest(t)
		pass(t, f, g, "last words")
		if err := f.Send([]byte("very last")); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		a.Close()
		a.Close()
		if b, err := g.Recv(contextFor(t)); err != nil || string(b) != "very last" {
			t.Errorf("Recv = %q, %v", b, err)
		}
		for _, end := range []switchboard.Frames{g, f, out, outHost} {
			expectEnd(t, end, signalling.CloseHostGone)
		}
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("the others were told after %v", took)
		}
		select {
		case <-h.Lost():
		default:
			t.Error("Lost is open")
		}
		if _, _, err := a.Dial(contextFor(t), other.id, switchboard.RemoteInfo{}); fault.CodeOf(err) != fault.ShuttingDown && fault.CodeOf(err) != fault.LinkUnavailable {
			t.Errorf("Dial = %v", err)
		}
		if _, err := a.Attach(contextFor(t), h.id, h.public, func(switchboard.Frames) {}); fault.CodeOf(err) != fault.ShuttingDown {
			t.Errorf("Attach = %v", err)
		}
		for _, n := range nodes {
			eventually(t, "the node is forgotten", func() bool { return n.Nodes() == len(nodes) })
			empty(t, n)
		}
		t.Log(fmt.Sprint("round ", round, ": ", time.Since(begin).Round(time.Millisecond)))
	}
}

// TestLateNodeIsTold starts a node after the notes were left.
func TestLateNodeIsTold(t *testing.T) {
	s := natstest.Start(t)
	a := openNode(t, s.URL(), nil)
	first, n := newKeys(t).ID(), [sealed.NoteSize]byte{3}
	a.Note(first, n)
	a.Revoke("owner", "user")
	for range 2000 { // more than fits one message
		a.Note(newKeys(t).ID(), n)
	}
	var late heardNotes
	openNode(t, s.URL(), func(o *Options) { late.listen(o) })
	late.has(t, first, n, "owner user")
	eventually(t, "all notes", func() bool {
		late.mu.Lock()
		defer late.mu.Unlock()
		return len(late.notes) == 2001
	})
}
