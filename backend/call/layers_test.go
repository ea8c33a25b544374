package call

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/call/asked"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/mediatest"
	"github.com/porch-call/porch/backend/media/vp8"
	"github.com/porch-call/porch/backend/signalling"
)

// layeredTrack is a guest's picture in several layers.
type layeredTrack struct {
	*webrtc.TrackLocalStaticRTP
	writer atomic.Pointer[webrtc.TrackLocalWriter]
}

// Bind implements [webrtc.TrackLocal].
func (t *layeredTrack) Bind(c webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	parameters, err := t.TrackLocalStaticRTP.Bind(c)
	t.writer.Store(new(c.WriteStream()))
	return parameters, err
}

// layered joins a guest whose page sends its picture in layers, and obeys.
func layered(t *testing.T, c *Call, id string) *guest {
	lines := "a=mid:1\r\na=rid:q send\r\na=rid:h send\r\na=rid:f send\r\na=simulcast:send q;h;f\r\n"
	g := newGuest(t, c, guestOptions{alter: func(answer string) string {
		return strings.Replace(answer, "a=mid:1\r\n", lines, 1)
	}})
	track := &layeredTrack{TrackLocalStaticRTP: g.video}
	g.picture = track
	p, err := c.Join(Profile{ID: id, Layers: true}, g.out)
	must(t, err)
	g.p = p
	g.start()

	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { g.sendLayers(ctx, track) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return g
}

// sendLayers sends a picture every 40 ms in the layers that are wanted, and a keyframe in each when one begins. The last
// byte of a packet says which layer it is of.
func (g *guest) sendLayers(ctx context.Context, track *layeredTrack) {
	senders := make([]mediatest.VideoSender, len(asked.RIDs))
	for i := range senders {
		senders[i] = mediatest.VideoSender{SSRC: uint32(1000 + i), Timestamp: uint32(i) << 30, Size: 100 * (i + 1), Temporal: true}
	}
	tick := time.NewTicker(40 * time.Millisecond)
	defer tick.Stop()
	var before []bool
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		writer := track.writer.Load()
		if writer == nil {
			continue
		}
		on := g.active()
		key := n%25 == 0 || !slices.Equal(on, before)
		before = on
		for i := range senders {
			if !on[i] {
				senders[i].Timestamp += 3000
				continue
			}
			for _, p := range senders[i].Frame(key, 1) {
				p.Payload[len(p.Payload)-1] = byte(i)
				_ = p.SetExtension(codec.MidID, []byte("1"))
				_ = p.SetExtension(codec.RIDID, []byte(asked.RIDs[i]))
				_, _ = (*writer).WriteRTP(&p.Header, p.Payload) // fails when the connection is closed
			}
		}
	}
}

// active returns which layers g was told to send: at first the second one.
func (g *guest) active() []bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.told3()
}

// told3 is active with g.mu held.
func (g *guest) told3() []bool {
	on := []bool{false, true, false}
	if len(g.layers) == 0 || len(g.layers[len(g.layers)-1].Video) != len(on) {
		return on
	}
	for i, l := range g.layers[len(g.layers)-1].Video {
		if l.RID != asked.RIDs[i] {
			g.t.Errorf("layer %q in place of %q", l.RID, asked.RIDs[i])
		}
		on[i] = l.Active
	}
	return on
}

// shows returns the layer of the newest packet of a picture that g has got, -1 for none. The caller holds g.mu.
func (g *guest) shows() int {
	for _, r := range slices.Backward(g.packets) {
		if r.kind == signalling.KindVideo && len(r.packet.Payload) > 100 {
			return int(r.packet.Payload[len(r.packet.Payload)-1])
		}
	}
	return -1
}

// TestEveryReceiverHasTheLayerOfItsLine: with one taker the picture is one layer, with a poor second one two, and each
// receiver sees one unbroken stream.
func TestEveryReceiverHasTheLayerOfItsLine(t *testing.T) {
	c := newTestCall(t, Options{})
	a := layered(t, c, "a")
	still := func(id string) *guest {
		return join(t, c, guestOptions{profile: Profile{ID: id, Muted: true, CameraOff: true}})
	}
	b := still("b")
	b.until("a picture", func() bool { return b.shows() >= 0 })
	b.until("the large picture", func() bool { return b.shows() == 2 })
	is := func(want ...bool) func() bool { return func() bool { return slices.Equal(a.told3(), want) } }
	a.until("word that the large layer is enough", is(false, false, true))

	d := still("d")
	stop := d.claims(300_000)
	d.until("the small picture", func() bool { return d.shows() == 0 })
	a.until("word that two layers are taken", is(true, false, true))
	b.update(func() {
		if got := b.shows(); got != 2 {
			t.Errorf("the other one is shown layer %d", got)
		}
	})
	b.p.Leave("")
	a.until("word that one layer is enough for one", is(false, false, true))
	a.until("the rate of its line", func() bool {
		rate := a.layers[len(a.layers)-1].Video[2].MaxBitrate
		return rate > 100_000 && rate < 280_000
	})
	d.until("the layer that follows its line", func() bool { return d.shows() == 2 })
	stop()
	for _, g := range []*guest{b, d} {
		g.update(func() {
			layer, numbers := -1, make(map[uint16]bool)
			for _, r := range g.packets {
				if r.kind != signalling.KindVideo || len(r.packet.Payload) <= 100 {
					continue
				}
				if numbers[r.packet.SequenceNumber] {
					t.Errorf("%s: number %d twice", g.p.ID(), r.packet.SequenceNumber)
				}
				numbers[r.packet.SequenceNumber] = true
				of := int(r.packet.Payload[len(r.packet.Payload)-1])
				if vp8.Parse(r.packet.Payload).Keyframe {
					layer = of
				}
				if of != layer {
					t.Errorf("%s: layer %d without its keyframe", g.p.ID(), of)
				}
			}
		})
	}
}

// TestAPoorLineHasHalfOfThePictures: a line that is too poor for all pictures of the lowest layer gets those that others
// depend on, and all again when it can.
func TestAPoorLineHasHalfOfThePictures(t *testing.T) {
	c := newTestCall(t, Options{})
	layered(t, c, "a")
	still := func(id string) *guest {
		return join(t, c, guestOptions{profile: Profile{ID: id, Muted: true, CameraOff: true}})
	}
	b, d := still("b"), still("d")
	for _, g := range []*guest{b, d} {
		g.until("a picture", func() bool { return g.shows() >= 0 })
	}
	// temporal returns of which temporal layers the newest pictures are. The caller holds d.mu.
	temporal := func() (layers [3]int) {
		for n, r := range slices.Backward(d.packets) {
			if r.kind == signalling.KindVideo && len(r.packet.Payload) > 100 && len(d.packets)-n < 60 {
				layers[vp8.Parse(r.packet.Payload).Temporal]++
			}
		}
		return layers
	}
	stop := d.claims(180_000) // 59 of it for sound; 135 are needed, or 81 for half
	d.until("half of the pictures", func() bool {
		n := temporal()
		return d.shows() == 0 && n[0] > 5 && n[1] > 5 && n[2] == 0
	})
	b.update(func() {
		if got := b.shows(); got < 1 {
			t.Errorf("the other one is shown layer %d", got)
		}
	})
	stop()
	stop = d.claims(3_000_000)
	d.until("all pictures", func() bool { return temporal()[2] > 5 })
	stop()
}

// TestAPageThatKnowsNoLayersIsNotAskedForThem: only a page that has said so is.
func TestAPageThatKnowsNoLayersIsNotAskedForThem(t *testing.T) {
	c := newTestCall(t, Options{})
	for _, takes := range []bool{false, true} {
		out := newOutbox()
		p, err := c.Join(Profile{ID: map[bool]string{true: "new", false: "old"}[takes], Layers: takes}, out)
		must(t, err)
		offer := nextOf[signalling.Offer](t, out)
		if strings.Contains(offer.SDP, "a=simulcast:recv q;h;f\r\n") != takes {
			t.Errorf("takes %v: %s", takes, offer.SDP)
		}
		p.Leave("")
	}
}
