package rate_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/media/rate"
	"github.com/porch-call/porch/backend/media/rate/ratetest"
)

// home returns a world with a way out and n guests behind it, whose own lines carry 50 Mbit/s.
func home(seed uint64, out ratetest.Link, n int, want float64) *ratetest.World {
	w := ratetest.New(seed)
	w.Out = &out
	w.Uplink = rate.NewUplink(2 * rate.Mbit)
	for i := range n {
		r := w.Add(guest(ratetest.Link{Steps: fixed(50e6), Queue: 200 * time.Millisecond, Delay: time.Duration(15+10*i) * time.Millisecond}, always(want)))
		w.Uplink.Join(r.Estimator)
	}
	return w
}

// watch collects what a way does.
type watch struct {
	w       *ratetest.World
	queue   mean // ms
	arrived []int
	begin   time.Duration
	probes  int // most at once
}

// look starts anew.
func (k *watch) look() {
	k.queue, k.begin = mean{}, k.w.Now()
	k.arrived = k.arrived[:0]
	for _, r := range k.w.Receivers {
		k.arrived = append(k.arrived, r.Arrived)
	}
}

func (k *watch) each(at time.Duration) {
	k.queue.add(ms(k.w.Out.Waiting(at)))
	probes := 0
	for _, r := range k.w.Receivers {
		if r.Probing() {
			probes++
		}
	}
	k.probes = max(k.probes, probes)
	if os.Getenv("PORCH_RATE_TRACE") != "" && k.w.Uplink != nil && at%(500*time.Millisecond) == 0 {
		state, queue := k.w.Uplink.State()
		fmt.Printf("%5.1f line %.0f k way %d k queue %.0f (true %.0f) %v:", at.Seconds(), k.w.Out.RateAt(at)/1e3, k.w.Uplink.Capacity()/1000, ms(queue), ms(k.w.Out.Waiting(at)), state)
		fmt.Print(" ", rate.InsideWay(k.w.Uplink))
		for _, r := range k.w.Receivers {
			fmt.Printf(" %d/%d", r.Estimator.Share()/1000, r.Estimator.Capacity()/1000)
		}
		fmt.Println()
	}
}

// rates returns what arrived at each guest since the last look, in bits per second, their sum, and Jain's fairness.
func (k *watch) rates() (each []float64, sum, jain float64) {
	squares := 0.0
	for i, r := range k.w.Receivers {
		v := float64(r.Arrived-k.arrived[i]) * 8 / (k.w.Now() - k.begin).Seconds()
		each = append(each, v)
		sum += v
		squares += v * v
	}
	return each, sum, sum * sum / squares / float64(len(each))
}

func (k *watch) run(until time.Duration) { k.w.Run(until) }

func watched(w *ratetest.World) *watch {
	k := &watch{w: w}
	w.Each = k.each
	return k
}

// TestHomeUplink is A1 and A2 as far as rates go: the line is used, its queue stays short, and all get the same.
func TestHomeUplink(t *testing.T) {
	for _, c := range []struct {
		line   float64
		guests int
		queue  float64
	}{{1e6, 3, 120}, {5e6, 5, 80}, {10e6, 8, 80}} {
		for seed := range uint64(runs) {
			k := watched(home(seed, ratetest.Link{Steps: fixed(c.line), Queue: 500 * time.Millisecond, Delay: 5 * time.Millisecond}, c.guests, 3e6))
			k.run(8 * time.Second)
			k.look()
			k.run(60 * time.Second)
			each, sum, jain := k.rates()
			t.Logf("%g Mbit/s: used %.2f, Jain %.3f, queue p50 %.0f p95 %.0f ms, dropped %d, %.0f", c.line/1e6, sum/c.line, jain, k.queue.quantile(0.5), k.queue.quantile(0.95), k.w.Out.Dropped, each)
			if sum < 0.75*c.line || jain < 0.95 || k.queue.quantile(0.95) > c.queue || k.probes > 1 {
				t.Error("out of bounds")
			}
		}
	}
}

// TestWayFallsAndComesBack is A5: 20, 2 and 20 Mbit/s.
func TestWayFallsAndComesBack(t *testing.T) {
	for seed := range uint64(runs) {
		k := watched(home(seed, ratetest.Link{Steps: steps(30, 20e6, 2e6, 20e6), Queue: 300 * time.Millisecond, Delay: 5 * time.Millisecond}, 4, 5e6))
		k.run(20 * time.Second)
		k.look()
		k.run(30 * time.Second)
		_, before, jain := k.rates()
		t.Logf("at 20: %.1f Mbit/s, Jain %.3f", before/1e6, jain)
		if before < 0.75*20e6 || jain < 0.95 {
			t.Error("out of bounds")
		}
		k.run(33 * time.Second)
		k.look()
		k.run(60 * time.Second)
		_, sum, jain := k.rates()
		t.Logf("at 2: %.2f Mbit/s, Jain %.3f, queue p95 %.0f, most %.0f ms", sum/1e6, jain, k.queue.quantile(0.95), k.queue.quantile(1))
		if sum < 0.75*2e6 || jain < 0.95 || k.queue.quantile(0.95) > 80 || k.queue.quantile(1) > 150 {
			t.Error("out of bounds")
		}
		k.run(73 * time.Second)
		k.look()
		k.run(75 * time.Second)
		_, back, _ := k.rates()
		k.look()
		k.run(90 * time.Second)
		_, sum, jain = k.rates()
		t.Logf("back: %.1f Mbit/s after 15 s, then %.1f, Jain %.3f", back/1e6, sum/1e6, jain)
		if back < 0.8*before || jain < 0.95 || k.probes > 1 {
			t.Error("out of bounds")
		}
	}
}

// TestOneSlowGuest is A3 and A4: one guest's own line falls, and nobody else hears of it.
func TestOneSlowGuest(t *testing.T) {
	for seed := range uint64(runs) {
		w := home(seed, ratetest.Link{Steps: fixed(50e6), Queue: 300 * time.Millisecond, Delay: 5 * time.Millisecond}, 5, 1.5e6)
		slow := w.Receivers[2]
		slow.Down.Steps, slow.Down.Queue = []ratetest.Step{{Rate: 3e6}, {At: 20 * time.Second, Rate: 0.5e6}, {At: 50 * time.Second, Rate: 3e6}}, 300*time.Millisecond
		k := watched(w)
		var queue mean // ms, from 3 s after the fall on
		w.Each = func(at time.Duration) {
			k.each(at)
			if at > 23*time.Second && at < 50*time.Second {
				queue.add(ms(slow.Down.Waiting(at)))
			}
		}
		k.run(10 * time.Second)
		k.look()
		k.run(20 * time.Second)
		before, _, _ := k.rates()
		k.look()
		k.run(50 * time.Second)
		during, _, _ := k.rates()
		k.run(63 * time.Second)
		k.look()
		k.run(65 * time.Second)
		after, _, _ := k.rates()
		t.Logf("%.2f → %.2f → %.2f; queue p95 %.0f p98 %.0f ms", before, during, after, queue.quantile(0.95), queue.quantile(0.98))
		for i := range before {
			if i != 2 && (during[i] < 0.9*before[i] || during[i] > 1.1*before[i]) {
				t.Errorf("guest %d: %.0f after %.0f", i, during[i], before[i])
			}
		}
		if during[2] < 0.3e6 || after[2] < 0.8*before[2] || queue.quantile(0.95) > 120 {
			t.Error("the slow guest is out of bounds")
		}
	}
}

// TestFullSocket: the socket's EAGAIN is an overuse of the way, whatever delays say.
func TestFullSocket(t *testing.T) {
	w := home(1, ratetest.Link{Steps: fixed(10e6), Queue: 300 * time.Millisecond}, 3, 2e6)
	w.Run(15 * time.Second)
	before := w.Uplink.Capacity()
	w.Uplink.Full()
	w.Run(15*time.Second + 100*time.Millisecond)
	if after := w.Uplink.Capacity(); after > before*9/10 {
		t.Errorf("%d after %d", after, before)
	}
}

// TestBesideTCP is A14: beside an upload by TCP, which fills the queue, both get their part, and the queue is short again
// when it has ended, whether a way or one receiver's line is shared.
func TestBesideTCP(t *testing.T) {
	for _, guests := range []int{1, 3} {
		for seed := range uint64(runs) {
			t.Run(fmt.Sprintf("%d guests, %d", guests, seed), func(t *testing.T) {
				t.Parallel()
				const line = 5e6
				k := watched(home(seed, ratetest.Link{Steps: fixed(line), Queue: 200 * time.Millisecond, Delay: 5 * time.Millisecond}, guests, 6e6/float64(guests)))
				if guests == 1 {
					k.w.Uplink = nil
				}
				tcp := &ratetest.TCP{RTT: 20 * time.Millisecond, Begin: 8 * time.Second, End: 45 * time.Second}
				k.w.TCP = tcp
				k.run(15 * time.Second)
				k.look()
				before := tcp.Acked
				k.run(45 * time.Second)
				_, sum, _ := k.rates()
				theirs := float64(tcp.Acked-before) * 8 / 30
				t.Logf("ours %.2f, TCP's %.2f, queue p50 %.0f ms", sum/line, theirs/line, k.queue.quantile(0.5))
				if sum < 0.25*line || theirs < 0.3*line {
					t.Error("out of bounds")
				}
				k.run(60 * time.Second)
				k.look()
				k.run(90 * time.Second)
				_, sum, _ = k.rates()
				t.Logf("alone: %.2f, queue p50 %.0f p95 %.0f ms", sum/line, k.queue.quantile(0.5), k.queue.quantile(0.95))
				if sum < 0.75*line || k.queue.quantile(0.95) > 80 {
					t.Error("alone out of bounds")
				}
			})
		}
	}
}

// TestLiarsDontSpeakForTheWay: two of five guests report delays that grow, and losses. The others and the way keep what
// they have.
func TestLiarsDontSpeakForTheWay(t *testing.T) {
	lies := map[string]func(raw []byte) []byte{
		"a delay that grows": func() func(raw []byte) []byte {
			shift := 0
			return func(raw []byte) []byte {
				shift++
				n := int(raw[16])<<16 | int(raw[17])<<8 | int(raw[18])
				n += shift / 4 // 64 ms each 200 ms
				raw[16], raw[17], raw[18] = byte(n>>16), byte(n>>8), byte(n)
				return raw
			}
		}(),
		"losses": func(raw []byte) []byte {
			first, n := int64(binary.BigEndian.Uint16(raw[12:])), int64(binary.BigEndian.Uint16(raw[14:]))
			at := time.Duration(int(raw[16])<<16|int(raw[17])<<8|int(raw[18])) * 64 * time.Millisecond
			return ratetest.Feedback(nil, first, first+n-1, raw[19], func(i int64) (time.Duration, bool) {
				return at + time.Duration(i-first)*time.Millisecond, i%3 == 0
			})
		},
	}
	for name, lie := range lies {
		for _, guests := range []int{4, 5} {
			t.Run(fmt.Sprintf("%s, %d guests", name, guests), func(t *testing.T) {
				k := watched(home(2, ratetest.Link{Steps: fixed(6e6), Queue: 300 * time.Millisecond, Delay: 5 * time.Millisecond}, guests, 1.2e6))
				k.run(15 * time.Second)
				k.look()
				k.run(20 * time.Second)
				before, _, _ := k.rates()
				for _, r := range k.w.Receivers[:2] {
					r.Lie = func(_ time.Duration, raw []byte) []byte { return lie(raw) }
				}
				k.run(21 * time.Second)
				k.look()
				k.run(41 * time.Second)
				after, _, _ := k.rates()
				t.Logf("%.0f → %.0f, way %d k", before, after, k.w.Uplink.Capacity()/1000)
				for i := range after {
					if i >= 2 && after[i] < 0.9*before[i] {
						t.Errorf("guest %d has %.0f of %.0f", i, after[i], before[i])
					}
				}
			})
		}
	}
}
