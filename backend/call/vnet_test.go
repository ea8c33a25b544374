package call

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/transport/v4/vnet"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/signalling"
)

// lossyNetwork is a network that loses every packet except STUN and DTLS with a
// probability, once it is lossy.
type lossyNetwork struct {
	router *vnet.Router
	hosts  int

	mu     sync.Mutex
	random *rand.Rand
	loss   float64
	drop   int // media packets to lose; counts down
}

func newLossyNetwork(tb testing.TB, delay time.Duration) *lossyNetwork {
	tb.Helper()
	n := &lossyNetwork{random: rand.New(rand.NewPCG(3, 4))}
	var err error
	n.router, err = vnet.NewRouter(&vnet.RouterConfig{
		CIDR: "10.0.0.0/24", LoggerFactory: logging.NewDefaultLoggerFactory(), MinDelay: delay,
	})
	must(tb, err)
	n.router.AddChunkFilter(func(c vnet.Chunk) bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		b := c.UserData()
		media := len(b) > 0 && b[0] >= 128 && b[0] < 192
		if media && n.drop > 0 && len(b) > 60 && b[1]&0x7f == codec.VideoPayloadType {
			n.drop--
			return false
		}
		return !media || n.random.Float64() >= n.loss
	})
	return n
}

func (n *lossyNetwork) net(tb testing.TB) *vnet.Net {
	tb.Helper()
	n.hosts++
	net, err := vnet.NewNet(&vnet.NetConfig{StaticIPs: []string{fmt.Sprint("10.0.0.", n.hosts)}})
	must(tb, err)
	must(tb, n.router.AddNet(net))
	return net
}

func (n *lossyNetwork) setLoss(p float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.loss = p
}

// TestLossIsMended sends over a network that loses every tenth packet in both
// directions, and checks that receivers get all of them in the end.
func TestLossIsMended(t *testing.T) {
	n := newLossyNetwork(t, 0)
	sfu, netA, netB := n.net(t), n.net(t), n.net(t)
	must(t, n.router.Start())
	t.Cleanup(func() { must(t, n.router.Stop()) })

	c := newTestCall(t, Options{Net: sfu})
	oa, ob := as("a"), as("b")
	oa.net, ob.net = netA, netB
	a, b := join(t, c, oa), join(t, c, ob)
	a.send()
	b.untilSees("a")
	b.forget()
	n.setLoss(0.1)
	// 300 consecutive packets of video, in any order.
	b.until("unbroken video through the loss", func() bool {
		seen := make(map[uint16]bool)
		var first uint16
		for _, r := range b.packets {
			if r.kind == signalling.KindVideo {
				if len(seen) == 0 {
					first = r.packet.SequenceNumber
				}
				seen[r.packet.SequenceNumber] = true
			}
		}
		for i := range uint16(300) {
			if !seen[first+i] {
				return false
			}
		}
		return true
	})
	if s := c.Stats(); s.Retransmitted == 0 {
		t.Errorf("%+v", s)
	}
	n.setLoss(0)
	for _, g := range []*guest{a, b} {
		g.p.Leave("")
	}
}

// TestOneLossIsAskedForOnce loses one packet of a guest who is far away. No media
// is sent to that guest, so no report tells the round trip.
func TestOneLossIsAskedForOnce(t *testing.T) {
	n := newLossyNetwork(t, 60*time.Millisecond)
	sfu, net := n.net(t), n.net(t)
	must(t, n.router.Start())
	t.Cleanup(func() { must(t, n.router.Stop()) })

	c := newTestCall(t, Options{Net: sfu})
	s := new(sink)
	host, err := c.JoinLocal(Profile{ID: "host", Host: true}, s, newOutbox())
	must(t, err)
	defer host.Leave("")
	o := as("a")
	o.net = net
	a := join(t, c, o)
	a.send()
	s.until(t, "the guest's picture", func() bool { return len(s.packets["a video"]) > 0 })
	n.mu.Lock()
	n.drop = 1
	n.mu.Unlock()
	a.until("a request", func() bool { return a.nacks > 0 })
	time.Sleep(500 * time.Millisecond) // further requests would have been sent by then
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.nacks != 1 {
		t.Errorf("asked %d times for one packet", a.nacks)
	}
}
