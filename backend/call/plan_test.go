package call

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"github.com/porch-call/porch/backend/media/mediatest"
	"github.com/porch-call/porch/backend/signalling"
)

// claims makes g say again and again what it can receive, until the test ends or says another number.
func (g *guest) claims(limit float32) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			// It fails when the connection is closed.
			_ = g.pc.WriteRTCP([]rtcp.Packet{&rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: limit, SSRCs: []uint32{1}}})
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// pictures returns how many packets of pictures g has got.
func (g *guest) pictures() (n int) {
	for s, count := range g.counts {
		if s.kind == signalling.KindVideo {
			n += count
		}
	}
	return n
}

// TestAPublisherIsAskedForWhatItsTakerCanHave: with one taker, the picture gets what the taker's line has beside sound.
// A line that is too poor for any picture gets sound alone, and the picture comes back with the line.
func TestAPublisherIsAskedForWhatItsTakerCanHave(t *testing.T) {
	c := newTestCall(t, Options{})
	a := join(t, c, guestOptions{profile: Profile{ID: "a"}})
	b := join(t, c, guestOptions{profile: Profile{ID: "b", Muted: true, CameraOff: true}})
	a.send()
	b.until("a's picture", func() bool { return b.pictures() > 5 })
	a.look(looking("b"))
	stop := b.claims(400_000)
	a.until("a limit of 200 to 360 kbit/s", func() bool { return a.limit > 200_000 && a.limit < 360_000 })
	a.until("the same in words", func() bool {
		rate := 0
		if a.told(true) {
			rate = a.layers[len(a.layers)-1].Video[0].MaxBitrate
		}
		return rate > 200_000 && rate < 360_000
	})
	stop()

	stop = b.claims(70_000)
	paused := func() bool { // no picture for a second, in which sound went on
		b.mu.Lock()
		pictures, sound := b.pictures(), len(b.packets)
		b.mu.Unlock()
		time.Sleep(time.Second)
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.pictures() == pictures && len(b.packets) > sound+10
	}
	mediatest.Eventually(t, "sound alone", paused)
	stop()

	b.mu.Lock()
	before := b.pictures()
	b.mu.Unlock()
	stop = b.claims(2_000_000)
	defer stop()
	b.until("a picture again", func() bool { return b.pictures() > before+5 })
	a.until("a higher limit", func() bool { return a.limit > 500_000 })
}

// TestOurEngineIsLimited: the native engine is asked as browsers are.
func TestOurEngineIsLimited(t *testing.T) {
	c := newTestCall(t, Options{})
	s := new(sink)
	l, err := c.JoinLocal(Profile{ID: "host", Host: true}, s, newOutbox())
	must(t, err)
	defer feed(t, l, s)()
	b := join(t, c, guestOptions{profile: Profile{ID: "b", Muted: true, CameraOff: true}})
	b.untilSees("host")
	s.until(t, "a rate for a large picture", func() bool { return s.bitrate > 1_200_000 && s.lines >= 720 })
	defer b.claims(300_000)()
	s.until(t, "what b can have", func() bool { return s.bitrate > 100_000 && s.bitrate < 280_000 && s.lines <= 360 })
}

// TestOnePoorTakerTakesNothingFromTheOthers: of three takers one is poor.
func TestOnePoorTakerTakesNothingFromTheOthers(t *testing.T) {
	c := newTestCall(t, Options{})
	a := join(t, c, guestOptions{profile: Profile{ID: "a"}})
	var takers []*guest
	for _, id := range []string{"b", "c", "d"} {
		takers = append(takers, join(t, c, guestOptions{profile: Profile{ID: id, Muted: true, CameraOff: true}}))
	}
	a.send()
	for _, g := range takers {
		g.until("a's picture", func() bool { return g.pictures() > 5 })
	}
	for i, limit := range []float32{150_000, 1_000_000, 1_000_000} {
		defer takers[i].claims(limit)()
	}
	a.until("a limit of 600 to 950 kbit/s", func() bool { return a.limit > 600_000 && a.limit < 950_000 })
	mediatest.Eventually(t, "a second with the whole picture for the others and none for the poor one", func() bool {
		poor, rich := takers[0].since(), takers[1].since()
		time.Sleep(time.Second)
		return poor() == 0 && rich() > 30
	})
}

// since returns a function that counts the packets of pictures that g has got since this call.
func (g *guest) since() func() int {
	count := func() int {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.pictures()
	}
	before := count()
	return func() int { return count() - before }
}
