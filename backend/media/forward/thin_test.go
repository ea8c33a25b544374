package forward

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/media/mediatest"
	"github.com/porch-call/porch/backend/media/rate"
	"github.com/porch-call/porch/backend/media/vp8"
)

// film is a sender of three temporal layers and its receiver. Every packet says in its last bytes which picture it is of.
type film struct {
	*presenter
	slot   *Slot
	to     *fakeWriter
	sender mediatest.VideoSender
	frames int
}

func newFilm(first uint16) *film {
	f := &film{presenter: newPresenter(), sender: mediatest.VideoSender{SSRC: 1, Sequence: first, Picture: first, Temporal: true}}
	f.to = f.watch(f.camera)
	f.slot = (*f.camera.receivers.Load())[0]
	return f
}

// frame returns the packets of the next picture.
func (f *film) frame(count int) []*rtp.Packet {
	packets := f.sender.Frame(f.frames == 0, count)
	for _, p := range packets {
		end := p.Payload[len(p.Payload)-4:]
		end[0], end[1], end[2], end[3] = byte(f.frames>>16), byte(f.frames>>8), byte(f.frames), 0
	}
	f.frames++
	return packets
}

// number is the number of the picture that a packet is of.
func number(p *rtp.Packet) int {
	end := p.Payload[len(p.Payload)-4:]
	return int(end[0])<<16 | int(end[1])<<8 | int(end[2])
}

// smooth checks that nothing is missing in what the receiver is sent, neither a number nor what a picture depends on.
func (f *film) smooth(t *testing.T) (pictures int) {
	t.Helper()
	var before *rtp.Packet
	came := make(map[int]bool)
	for i, p := range f.to.packets {
		d, n := vp8.Parse(p.Payload), number(p)
		if d.Start {
			pictures++
			came[n] = true
			switch round := n / 4 * 4; {
			case !came[round], d.Temporal == 2 && !d.Sync && !came[n-1]:
				t.Fatalf("packet %d: picture %d of layer %d without what it depends on", i, n, d.Temporal)
			}
		}
		if before != nil {
			last := vp8.Parse(before.Payload)
			if p.SequenceNumber != before.SequenceNumber+1 {
				t.Fatalf("packet %d: number %d after %d", i, p.SequenceNumber, before.SequenceNumber)
			}
			if step := (d.Picture - last.Picture) & 0x7fff; d.Start && step != 1 || !d.Start && step != 0 {
				t.Fatalf("packet %d: picture %d after %d", i, d.Picture, last.Picture)
			}
			if step := d.TL0 - last.TL0; d.Start && d.Temporal == 0 && step != 1 || (!d.Start || d.Temporal > 0) && step != 0 {
				t.Fatalf("packet %d: TL0PICIDX %d after %d, of layer %d", i, d.TL0, last.TL0, d.Temporal)
			}
		}
		before = p
	}
	return pictures
}

func TestHalfOfThePicturesIsLeftOut(t *testing.T) {
	f := newFilm(65_500)
	pictures := func(thin bool) int {
		before := 0
		if len(f.to.packets) > 0 {
			before = f.smooth(t)
		}
		f.slot.SetThin(thin)
		for range 400 {
			f.send(t, f.frame(1+f.frames%3))
		}
		return f.smooth(t) - before
	}
	for i, c := range []struct {
		thin        bool
		least, most int
	}{{false, 400, 400}, {true, 200, 203}, {false, 397, 400}, {true, 200, 203}} {
		if n := pictures(c.thin); n < c.least || n > c.most {
			t.Errorf("%d: %d of 400 pictures, want %d to %d", i, n, c.least, c.most)
		}
	}
	flows := f.camera.Flows(nil, time.Now())
	if !flows[0].Thins {
		t.Error("nobody knows that pictures can be left out")
	}
}

// TestThinningAtRandom loses packets, changes their order, asks for them again and thins at any time. No number is used
// for two packets, and a repeat equals its original.
func TestThinningAtRandom(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 7))
		f := newFilm(uint16(random.Uint32()))
		var late []*rtp.Packet
		for f.frames < 300 {
			for _, p := range f.frame(1 + random.IntN(3)) {
				switch random.IntN(20) {
				case 0: // lost
				case 1:
					late = append(late, p)
				default:
					f.send(t, []*rtp.Packet{p})
				}
			}
			if random.IntN(3) == 0 {
				f.send(t, late)
				late = nil
			}
			if random.IntN(20) == 0 {
				f.slot.SetThin(random.IntN(2) == 0)
			}
			if n := len(f.to.packets); random.IntN(4) == 0 && n > 0 {
				newest := f.to.packets[n-1].SequenceNumber
				f.slot.resend([]uint16{newest, newest - 1, newest - uint16(random.IntN(30))})
			}
		}
		sent := make(map[uint16]*rtp.Packet)
		for i, p := range f.to.packets {
			q := sent[p.SequenceNumber]
			if q != nil && (!bytes.Equal(p.Payload, q.Payload) || p.Timestamp != q.Timestamp || p.Marker != q.Marker) {
				t.Fatalf("seed %d: packet %d has the number %d of another one", seed, i, p.SequenceNumber)
			}
			sent[p.SequenceNumber] = p
		}
	}
}

// TestAFullLineLosesPicturesThatNoneDependsOn: they are left out before the picture stands still.
func TestAFullLineLosesPicturesThatNoneDependsOn(t *testing.T) {
	const second = 30
	// 1.1 Mbit/s to a share of 0.5, at 1.5 times of which pictures may leave: without the highest layer they fit.
	for _, temporal := range []bool{true, false} {
		r, w := paced(t)
		r.out.Limit(r.now, 500*rate.Kbit, nil)
		v := mediatest.VideoSender{SSRC: 1, Sequence: 10, Temporal: temporal}
		for n := range 10 * second {
			r.receive(frame(&v, n == 0, 4)...)
			r.pace(time.Second / second)
		}
		starts := 0
		for _, p := range w.packets {
			if vp8.Parse(p.Payload).Start {
				starts++
			}
		}
		starved := r.slots[len(r.slots)-1].starved.Load()
		if temporal && (starts < 5*second || starved) || !temporal && !starved {
			t.Errorf("temporal layers %v: %d pictures in 10 s, starved %v", temporal, starts, starved)
		}
	}
}
