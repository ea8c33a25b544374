package forward

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/mediatest"
	"github.com/porch-call/porch/backend/media/vp8"
)

// camera is a sender of three layers. Every packet says in its last bytes which layer and picture it is of.
type camera struct {
	*presenter
	layers [maxLayers]mediatest.VideoSender
	on     [maxLayers]bool
	began  [maxLayers]bool // a keyframe was sent since the layer is on
	frames byte
}

var rids = []string{"q", "h", "f"}

// newCamera returns a sender whose layers are all off. The layers' clocks have nothing in common.
func newCamera() *camera {
	c := &camera{presenter: newPresenter()}
	for i := range c.layers {
		c.layers[i] = mediatest.VideoSender{
			SSRC: uint32(i + 1), Sequence: uint16(20_000 * i), Timestamp: 1 << 30 * uint32(i), Picture: uint16(100 * i), TL0: uint8(50 * i),
		}
	}
	c.in.SetLayers(1, rids)
	return c
}

// packets returns the next picture of a layer, in some packets.
func (c *camera) packets(layer int, key bool, count int) []*rtp.Packet {
	all := c.layers[layer].Frame(key, count)
	for _, p := range all {
		p.Payload[len(p.Payload)-2], p.Payload[len(p.Payload)-1] = byte(layer), c.frames
	}
	return all
}

// shoot sends a picture in all layers that are on, with a keyframe where a layer begins, and if key is set.
func (c *camera) shoot(t testing.TB, key bool) {
	t.Helper()
	c.frames++
	for i := range c.layers {
		if !c.on[i] {
			c.layers[i].Timestamp += 3000 // the clock goes on
			c.began[i] = false
			continue
		}
		c.send(t, c.packets(i, key || !c.began[i], 1+i), codec.MidID, "1", codec.RIDID, rids[i])
		c.began[i] = true
	}
}

// second shoots for a second, from now on.
func (c *camera) second(t testing.TB) {
	t.Helper()
	for range 30 {
		time.Sleep(time.Second / 30)
		c.shoot(t, false)
	}
}

func (c *camera) turn(on ...bool) { c.on = [maxLayers]bool(on) }

// seen is the layer that was sent last.
func seen(w *fakeWriter) int {
	if len(w.packets) == 0 {
		return -1
	}
	p := w.packets[len(w.packets)-1].Payload
	return int(p[len(p)-2])
}

// receiver is a slot with what it sends.
type receiver struct {
	*Slot
	to *fakeWriter
}

func (c *camera) watched() receiver {
	w := c.watch(c.camera)
	return receiver{(*c.camera.receivers.Load())[len(*c.camera.receivers.Load())-1], w}
}

// unbroken checks what a receiver is sent as its decoder would: no number twice, time that goes on, and no layer without
// its keyframe. holes says that packets may be missing.
func unbroken(t testing.TB, packets []*rtp.Packet, holes bool) {
	t.Helper()
	used := make(map[uint16]bool)
	layer := -1
	var before *rtp.Packet
	for n, p := range packets {
		d := vp8.Parse(p.Payload)
		at := int(p.Payload[len(p.Payload)-2])
		if used[p.SequenceNumber] {
			t.Fatalf("packet %d: number %d twice", n, p.SequenceNumber)
		}
		used[p.SequenceNumber] = true
		if d.Keyframe {
			layer = at
		}
		if at != layer {
			t.Fatalf("packet %d: layer %d, the last keyframe is of %d", n, at, layer)
		}
		if before != nil {
			last := vp8.Parse(before.Payload)
			step := p.SequenceNumber - before.SequenceNumber
			if step == 0 || step > 1<<15 || !holes && step != 1 {
				t.Fatalf("packet %d: number %d after %d", n, p.SequenceNumber, before.SequenceNumber)
			}
			same := p.Timestamp == before.Timestamp
			if int32(p.Timestamp-before.Timestamp) < 0 || same != (d.Picture == last.Picture) || same && d.Start {
				t.Fatalf("packet %d: time %d after %d, picture %d after %d", n, p.Timestamp, before.Timestamp, d.Picture, last.Picture)
			}
			if pictures := (d.Picture - last.Picture) & 0x7fff; !same && (pictures == 0 || !holes && pictures != 1) {
				t.Fatalf("packet %d: picture %d after %d", n, d.Picture, last.Picture)
			}
			if d.TL0-last.TL0 != uint8(d.Picture-last.Picture) {
				t.Fatalf("packet %d: TL0PICIDX %d after %d", n, d.TL0, last.TL0)
			}
		}
		before = p
	}
}

func TestASlotFollowsItsTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCamera()
		r := c.watched()
		c.turn(false, true, false)
		c.second(t)
		if seen(r.to) != 1 {
			t.Fatalf("layer %d: what is below the target serves until it comes", seen(r.to))
		}
		c.turn(true, true, true)
		c.second(t)
		if seen(r.to) != 2 {
			t.Errorf("layer %d: the target has come", seen(r.to))
		}
		for _, target := range []int{0, 1, 0, 2, 7, 1} {
			for range 3 {
				r.SetTarget(target)
				c.second(t)
				if c.upstream.keyframes > 0 {
					c.upstream.keyframes = 0
					c.shoot(t, true)
				}
			}
			if got := seen(r.to); got != min(target, 2) {
				t.Errorf("layer %d, not %d", got, target)
			}
		}
		r.SetTarget(0)
		c.shoot(t, true)
		c.turn(false, true, true)
		c.second(t)
		c.second(t)
		if got := seen(r.to); got != 0 {
			t.Errorf("layer %d: nothing above the target", got)
		}
		unbroken(t, r.to.packets, false)
	})
}

// TestALayerThatEndsIsReplaced: the layer of a slot stops, and the target never came.
func TestALayerThatEndsIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCamera()
		r := c.watched()
		c.turn(true, true, false)
		c.second(t)
		c.turn(true, false, false)
		c.second(t)
		if got := seen(r.to); got != 1 {
			t.Fatalf("layer %d", got)
		}
		c.shoot(t, true)
		if got := seen(r.to); got != 0 {
			t.Errorf("layer %d: what still comes is better than nothing", got)
		}
		unbroken(t, r.to.packets, false)
	})
}

// TestAChangeOfLayersAsksLittle: the target is reached with a keyframe that is there, or with one that is asked for once.
func TestAChangeOfLayersAsksLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCamera()
		r := c.watched()
		c.turn(true, true, true)
		c.shoot(t, true)
		before := len(r.to.packets)
		r.SetTarget(0)
		if got := seen(r.to); got != 0 || len(r.to.packets) != before+1 || c.upstream.keyframes != 0 {
			t.Errorf("layer %d, %d packets more, %d requests: the keyframe is there", got, len(r.to.packets)-before, c.upstream.keyframes)
		}
		c.second(t)
		for range 10 {
			r.SetTarget(2)
			r.SetTarget(1)
		}
		if c.upstream.keyframes != 1 {
			t.Errorf("%d requests", c.upstream.keyframes)
		}
		c.turn(true, false, false)
		time.Sleep(seekEvery + flowEnd)
		c.shoot(t, false)
		asked := c.upstream.keyframes
		r.SetTarget(1)
		c.camera.Tick(time.Now())
		if c.upstream.keyframes != asked {
			t.Error("a keyframe is asked of a layer that is not sent")
		}
		unbroken(t, r.to.packets, false)
	})
}

// TestLayersKeepTheTime: the pictures of two layers are of one time, though one comes later than the other.
func TestLayersKeepTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCamera()
		r := c.watched()
		r.SetTarget(0)
		now := time.Now()
		shoot := func(key bool) {
			for i, at := range []time.Duration{0, 10 * time.Millisecond, 25 * time.Millisecond} {
				time.Sleep(time.Until(now.Add(at)))
				c.send(t, c.packets(i, key, 1), codec.MidID, "1", codec.RIDID, rids[i])
			}
			now = now.Add(time.Second / 30)
			time.Sleep(time.Until(now))
		}
		shoot(true)
		for i := range c.layers { // the sender says which timestamps are of one time
			c.camera.at(i).senderReport(c.layers[i].SSRC, 1, now, c.layers[i].Timestamp+3000, time.Now())
		}
		for range 10 {
			shoot(false)
		}
		for _, target := range []int{2, 0, 1, 2, 1, 0} {
			r.SetTarget(target)
			for range 20 {
				shoot(false)
			}
			shoot(true)
			for range 20 {
				shoot(false)
			}
		}
		first, last := r.to.packets[0], r.to.packets[len(r.to.packets)-1]
		pictures := uint32(10 + 6*41)
		if got := last.Timestamp - first.Timestamp; got < 3000*pictures-1000 || got > 3000*pictures+1000 {
			t.Errorf("%d ticks in %d pictures: %+d", got, pictures, int(got)-3000*int(pictures))
		}
		unbroken(t, r.to.packets, true)
	})
}

// TestWhatWaitsOfTheOldLayerStillLeaves: a change of layers is no loss for the receiver.
func TestWhatWaitsOfTheOldLayerStillLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCamera()
		out := NewOutbound(&c.admitted, c.counters, func() {})
		s, w := out.NewSlot(c.camera.Kind), new(fakeWriter)
		s.Bind(Numbers{SSRC: 100, PayloadType: codec.VideoPayloadType, RTXSSRC: 200, RTXPayloadType: codec.RetransmissionPayloadType, TransportID: 3})
		s.SetWriter(w)
		s.Open()
		c.camera.AddReceiver(s)
		s.Assign(c.camera)
		out.Limit(time.Now(), 60_000, nil)
		c.turn(false, false, true)
		for range 12 {
			time.Sleep(time.Second / 30)
			c.shoot(t, false)
		}
		waiting, _ := s.pacing.pacer.Len()
		if waiting == 0 {
			t.Fatal("nothing waits")
		}
		s.SetTarget(0)
		c.turn(true, false, true)
		c.shoot(t, false)
		for range 400 {
			time.Sleep(5 * time.Millisecond)
			out.Pace(time.Now())
		}
		if seen(w) != 0 {
			t.Errorf("layer %d", seen(w))
		}
		unbroken(t, w.packets, false)
	})
}

func TestPaddingIsDroppedAndCounted(t *testing.T) {
	c := newCamera()
	r := c.watched()
	c.turn(true, false, false)
	c.shoot(t, true)
	c.shoot(t, false)
	last := c.packets(0, false, 1)
	c.send(t, last)
	before := len(r.to.packets)
	for _, p := range last { // what a sender repeats to fill its rate up
		again := *p
		again.PayloadType, again.SSRC = codec.RetransmissionPayloadType, 9
		again.Payload = append([]byte{byte(p.SequenceNumber >> 8), byte(p.SequenceNumber)}, p.Payload...)
		for n := range 10 {
			again.SequenceNumber = uint16(n)
			c.send(t, []*rtp.Packet{&again}, codec.MidID, "1", codec.RepairedRIDID, "q")
		}
	}
	c.send(t, []*rtp.Packet{{Header: rtp.Header{Version: 2, PayloadType: codec.RetransmissionPayloadType, SSRC: 9}}})
	if got := c.counters.Counts(); got.Padding != 11 || len(r.to.packets) != before {
		t.Errorf("%d counted, %d forwarded", got.Padding, len(r.to.packets)-before)
	}
	now := time.Now()
	c.camera.Flows(nil, now)
	if f := c.camera.Flows(nil, now.Add(flowSpan))[0]; f.Rate != 0 {
		t.Errorf("%d bit/s of padding counted as a picture", f.Rate)
	}
}

// follow lets a sender and a receiver do what script says, and checks what the receiver is sent.
func follow(t *testing.T, script []byte) {
	synctest.Test(t, func(t *testing.T) {
		c := newCamera()
		r := c.watched()
		for _, b := range script {
			what := int(b >> 3)
			switch b & 7 {
			case 0:
				c.on[what%maxLayers] = !c.on[what%maxLayers]
			case 1:
				r.SetTarget(what % (maxLayers + 1))
			case 2:
				r.SetPaused(what&1 == 1)
			case 3:
				c.camera.SetSilent(what&1 == 1)
			case 4:
				c.upstream.keyframes = 0
				c.shoot(t, true)
			case 5:
				time.Sleep(time.Duration(what) * 100 * time.Millisecond)
			case 6: // the sender's line loses packets, and repeats some of them
				c.frames++
				for i := range c.layers {
					if !c.on[i] || !c.began[i] {
						continue
					}
					all := c.packets(i, what&8 != 0, 4)
					lost := all[what&3]
					c.send(t, slices.DeleteFunc(slices.Clone(all), func(p *rtp.Packet) bool { return p == lost }))
					if what&16 != 0 {
						again := *lost
						again.PayloadType, again.SSRC = codec.RetransmissionPayloadType, uint32(50+i)
						again.Payload = append([]byte{byte(lost.SequenceNumber >> 8), byte(lost.SequenceNumber)}, lost.Payload...)
						c.send(t, []*rtp.Packet{&again}, codec.MidID, "1", codec.RepairedRIDID, rids[i])
					}
				}
			default:
				time.Sleep(time.Duration(what%3+1) * 15 * time.Millisecond)
				c.shoot(t, c.upstream.keyframes > 0 && what&4 != 0)
			}
		}
		ordered := slices.Clone(r.to.packets) // what was repeated comes late
		slices.SortStableFunc(ordered, func(a, b *rtp.Packet) int { return int(int16(a.SequenceNumber - b.SequenceNumber)) })
		unbroken(t, ordered, true)
		for _, on := range c.on { // whatever has happened, what is sent is seen
			if on {
				r.SetPaused(false)
				c.camera.SetSilent(false)
				r.SetTarget(highest)
				time.Sleep(seekEvery)
				r.SetTarget(highest)
				before := len(r.to.packets)
				c.shoot(t, false)
				c.shoot(t, true)
				if len(r.to.packets) == before {
					t.Fatal("nothing is sent any more")
				}
				return
			}
		}
	})
}

func TestRandomChangesOfLayersAreUnbroken(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		script := make([]byte, 300)
		for i := range script {
			script[i] = byte(random.Uint32())
			if random.IntN(3) > 0 {
				script[i] |= 7 // mostly pictures
			}
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) { follow(t, script) })
	}
}

func FuzzSelector(f *testing.F) {
	f.Add([]byte{0, 8, 16, 7, 7, 1, 4, 7, 9, 4, 7, 2 + 8, 7, 2, 4, 7, 0, 7, 7})
	f.Fuzz(func(t *testing.T, script []byte) { follow(t, script[:min(len(script), 1000)]) })
}
