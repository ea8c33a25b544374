package nats

import (
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/porch-call/porch/backend/relay/nats/natstest"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/signalling"
)

// theLegs returns the two legs of the one channel between two nodes.
func theLegs(t *testing.T, guests, hosts *Board) (guest, host *leg) {
	t.Helper()
	one := func(b *Board) (l *leg) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.legs) != 1 {
			t.Fatalf("%d legs", len(b.legs))
		}
		for _, l = range b.legs {
		}
		return l
	}
	return one(guests), one(hosts)
}

// TestLossClosesOneChannel drops messages of one channel. That channel must end
// at both ends, and another must not.
func TestLossClosesOneChannel(t *testing.T) {
	s := natstest.Start(t)
	skip := func(l *leg) { // as if the bus had dropped a message
		l.sending.Lock()
		defer l.sending.Unlock()
		l.next++
	}
	for _, c := range []struct {
		name string
		lose func(t *testing.T, guest, host *leg, g, f switchboard.Frames)
	}{
		{"a frame to the host, and then another", func(t *testing.T, guest, _ *leg, g, _ switchboard.Frames) {
			skip(guest)
			_ = g.Send([]byte("next"))
		}},
		{"a frame to the guest, and then another", func(t *testing.T, _, host *leg, _, f switchboard.Frames) {
			skip(host)
			_ = f.Send([]byte("next"))
		}},
		{"the last frame to the host", func(t *testing.T, guest, _ *leg, _, _ switchboard.Frames) { skip(guest) }},
		{"the last frame to the guest", func(t *testing.T, _, host *leg, _, _ switchboard.Frames) { skip(host) }},
		{"a frame, and then the end", func(t *testing.T, guest, _ *leg, g, _ switchboard.Frames) {
			skip(guest)
			g.Close(signalling.CloseHostGone)
		}},
		{"the end", func(t *testing.T, guest, _ *leg, g, _ switchboard.Frames) {
			guest.hush()
			g.Close(signalling.CloseHostGone)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			nodes := openNodes(t, s, 2, func(o *Options) { o.times.beat /= 5 }) // a lost end shows after a tenth of the time
			h := attach(t, nodes[1], newKeys(t))
			g, f := dial(t, nodes[0], h.id), h.guest(t)
			pass(t, g, f, "before")
			guest, host := theLegs(t, nodes[0], nodes[1])
			other, otherHost := dial(t, nodes[0], h.id), h.guest(t)
			c.lose(t, guest, host, g, f)
			expectEnd(t, g, signalling.CloseHostGone)
			expectEnd(t, f, signalling.CloseHostGone)
			pass(t, other, otherHost, "still here")
			pass(t, otherHost, other, "still here")
			other.Close(signalling.CloseDone)
			expectEnd(t, otherHost, signalling.CloseDone)
			empty(t, nodes[0])
			empty(t, nodes[1])
		})
	}
}

// TestLostAnswers loses the first question, or its answer.
func TestLostAnswers(t *testing.T) {
	nodes := openNodes(t, natstest.Start(t), 2, nil)
	h := attach(t, nodes[1], newKeys(t))
	l, guest := nodes[0].newGuestLeg(switchboard.RemoteInfo{})
	// The host's node hears it twice, as if its answer was lost.
	for range 2 {
		if err := nodes[0].publish(toLink(nodes[1].seals.token(h.id)), "", open{channel: l.key.channel}); err != nil {
			t.Fatal(err)
		}
		if _, ok := (<-l.answer).(opened); !ok {
			t.Fatal("refused")
		}
	}
	f := h.guest(t)
	if len(h.guests) != 0 {
		t.Error("one guest came twice")
	}
	// The guest has left meanwhile.
	l.giveUp()
	expectEnd(t, f, signalling.CloseHostGone)
	expectEnd(t, guest, signalling.CloseHostGone)
	// Then an answer comes late.
	late := opened{channel: l.key.channel, public: [publicSize]byte(h.public)}
	if err := nodes[1].publish(toNode(nodes[0].seals.self), "", late); err != nil {
		t.Fatal(err)
	}
	pass(t, dial(t, nodes[0], h.id), h.guest(t), "still here")
}

// TestStrangersOnTheBus publishes messages as a stranger with access to NATS. The
// nodes ignore them.
func TestStrangersOnTheBus(t *testing.T) {
	s := natstest.Start(t)
	a, b := openNode(t, s.URL(), nil), openNode(t, s.URL(), nil)
	otherCluster := openNode(t, s.URL(), func(o *Options) { o.Secret = append([]byte("x"), testSecret...) })
	h := attach(t, a, newKeys(t))
	g, f := dial(t, b, h.id), h.guest(t)
	pass(t, g, f, "before")

	nc, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	recorded := make(chan *nats.Msg, 1000)
	if _, err := nc.ChanSubscribe(">", recorded); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		pass(t, g, f, "again")
		pass(t, f, g, string(rune('a'+i)))
	}
	foreign := otherCluster.seals
	self := a.seals.self
	forged := map[string][]byte{
		a.base + "all":                               foreign.seal(everyone, leaving{}),
		a.base + string(toNode(self)) + ".m":         foreign.seal(toNode(self), claim{a.seals.token(h.id), 1 << 63}),
		a.base + string(toNode(self)) + ".1":         []byte("no number"),
		a.base + string(toLink(a.seals.token(h.id))): make([]byte, 900<<10),
	}
	for subject, data := range forged {
		if err := nc.Publish(subject, data); err != nil {
			t.Fatal(err)
		}
	}
	// All recorded messages, played again.
	for again := len(recorded); again > 0; again-- {
		m := <-recorded
		if err := nc.Publish(m.Subject, m.Data); err != nil {
			t.Fatal(err)
		}
		// One of them moved to another subject.
		if err := nc.Publish(b.base+string(toNode(b.seals.self))+".m", m.Data); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-h.Lost():
		t.Error("the host is lost")
	default:
	}
	pass(t, g, f, "after")
	pass(t, f, g, "after")
	pass(t, dial(t, b, h.id), h.guest(t), "after")
	if n := otherCluster.Nodes(); n != 1 {
		t.Errorf("another cluster knows %d nodes", n)
	}
}
