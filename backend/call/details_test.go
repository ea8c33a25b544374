package call

import (
	"testing"

	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/call/figures"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/mediatest"
	"github.com/porch-call/porch/backend/signalling"
)

// carried is what a guest's own stack has counted.
type carried struct {
	sent, received uint64 // bytes of datagrams
	packets        uint64 // of media that came
}

func (g *guest) carried() (c carried) {
	for _, s := range g.pc.GetStats() {
		if t, ok := s.(webrtc.TransportStats); ok && t.BytesReceived > 0 {
			c.sent, c.received = t.BytesSent, t.BytesReceived
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, n := range g.counts {
		c.packets += uint64(n)
	}
	return c
}

func personOf(t *testing.T, c *Call, id string) figures.Person {
	t.Helper()
	f, err := c.Figures()
	must(t, err)
	for _, p := range f.People {
		if p.ID == id {
			return p
		}
	}
	t.Fatalf("%s is not among %+v", id, f.People)
	return figures.Person{}
}

// TestFiguresAgreeWithWhatAGuestCounts compares what has crossed the network within the same time.
func TestFiguresAgreeWithWhatAGuestCounts(t *testing.T) {
	c := newTestCall(t, Options{})
	a, b := join(t, c, as("a")), join(t, c, as("b"))
	a.send()
	b.untilSees("a")
	first, before := personOf(t, c, "b"), b.carried()
	mediatest.Eventually(t, "300 packets more", func() bool { return b.carried().packets > before.packets+300 })
	last, after := personOf(t, c, "b"), b.carried()
	got := last.Out.Bytes - first.Out.Bytes
	least := after.received - before.received + 28*(after.packets-before.packets)
	if float64(got) < 0.95*float64(least) || float64(got) > 1.15*float64(least) { // it counts the headers of RTCP, too
		t.Errorf("%d bytes left for b, who counts %d", got, least)
	}
	if last.Way != figures.WayComputer || last.Out.Packets <= first.Out.Packets {
		t.Errorf("%+v", last)
	}
	from := personOf(t, c, "a")
	if from.In.Frames < 50 || from.In.Packets < 100 || from.In.Bytes == 0 {
		t.Errorf("of a's picture: %+v", from.In)
	}
	mediatest.Eventually(t, "a round trip", func() bool { return personOf(t, c, "b").RoundTrip > 0 })
}

// TestFiguresKeepWhoHasLeft checks that the data of a call counts those who have left, and not the host's own seat.
func TestFiguresKeepWhoHasLeft(t *testing.T) {
	c := newTestCall(t, Options{})
	s := new(sink)
	l, err := c.JoinLocal(Profile{ID: "host", Host: true}, s, newOutbox())
	must(t, err)
	defer feed(t, l, s)()
	a := join(t, c, as("a"))
	a.send()
	a.untilSees("host")
	host := personOf(t, c, "host")
	if host.Out.Bytes == 0 || host.Out.Frames == 0 || host.In != (figures.Flow{}) || host.Way != "" {
		t.Errorf("the host: %+v", host)
	}
	mediatest.Eventually(t, "something of a", func() bool { return personOf(t, c, "a").In.Bytes > 0 })
	must(t, a.p.Handle(signalling.Leave{}))
	f, err := c.Figures()
	must(t, err)
	if len(f.People) != 1 || f.Sent == 0 || f.Received == 0 {
		t.Errorf("%+v", f)
	}
	before := host.Out.Frames
	mediatest.Eventually(t, "the engine goes on", func() bool { return personOf(t, c, "host").Out.Frames > before+5 })
	again, err := c.Figures()
	must(t, err)
	if again.Sent != f.Sent || again.Received != f.Received {
		t.Errorf("alone, %d and %d bytes became %d and %d", f.Sent, f.Received, again.Sent, again.Received)
	}
	c.Close("")
	_, err = c.Figures()
	codeIs(t, err, fault.CallEnded)
}
