package playout

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/media/codec"
)

const packetTime = 20 * time.Millisecond

// A speaker takes blocks of 10 ms.
const (
	blockTime = 10 * time.Millisecond
	blockSize = codec.AudioClockRate / 100
)

// network returns how long packet n, sent at n × 20 ms, takes to arrive. arrives is false for a lost packet.
type network func(n int) (delay time.Duration, arrives bool)

// simulation plays a sender's packets through a network and a jitterBuffer, in simulated time.
type simulation struct {
	t       *testing.T
	network network
	drift   float64 // the sender's clock is faster by this factor
	paused  func(n int) bool
	first   uint16                  // sequence number of packet 0
	zero    uint32                  // its timestamp
	length  int                     // number of packets
	beside  func(now time.Duration) // called every 10 ms; may be nil

	buffer  jitterBuffer
	pending int   // samples that were decoded and not heard yet
	played  []int // packets, in order
	heardAt map[int]time.Duration
	kinds   map[playKind]int // samples of each kind
	after   time.Duration    // statistics begin here
	end     time.Duration    // statistics end here, as the sender does
	delays  []time.Duration  // of packets heard between after and end
}

type arrival struct {
	at time.Duration
	n  int
}

func (s *simulation) run() {
	s.t.Helper()
	s.heardAt, s.kinds = make(map[int]time.Duration), make(map[playKind]int)
	var arrivals []arrival
	period := time.Duration(float64(packetTime) / (1 + s.drift))
	for n := range s.length {
		if s.paused != nil && s.paused(n) {
			continue
		}
		if delay, ok := s.network(n); ok {
			arrivals = append(arrivals, arrival{time.Duration(n)*period + delay, n})
		}
	}
	slices.SortStableFunc(arrivals, func(a, b arrival) int { return int(a.at - b.at) })
	seqs := make(map[int]uint16)
	seq := s.first
	for n := range s.length {
		if s.paused == nil || !s.paused(n) {
			seqs[n] = seq
			seq++
		}
	}
	s.end = time.Duration(s.length) * period
	for now := time.Duration(0); now < s.end+time.Second; now += blockTime {
		for len(arrivals) > 0 && arrivals[0].at <= now {
			n := arrivals[0].n
			arrivals = arrivals[1:]
			size := 60
			if s.paused != nil && s.paused(n+1) {
				size = 2 // a pause follows
			}
			s.buffer.push(now, seqs[n], s.zero+uint32(n*960), numbered(n, size))
		}
		s.hear(now)
		if s.beside != nil {
			s.beside(now)
		}
		if len(s.buffer.packets) > maxBuffered {
			s.t.Fatalf("%d packets held", len(s.buffer.packets))
		}
	}
}

// numbered returns a 20 ms packet (CELT, fullband) that contains its number.
func numbered(n, size int) []byte {
	b := make([]byte, max(size, 2))
	b[0] = 31 << 3
	if size > 4 {
		binary.BigEndian.PutUint32(b[1:], uint32(n))
	}
	return b
}

// hear takes a block at now.
func (s *simulation) hear(now time.Duration) {
	for s.pending < blockSize {
		step := s.buffer.next(now, s.pending)
		samples := step.missing
		switch step.kind {
		case playSilence:
			if s.counts(now) {
				s.kinds[playSilence] += blockSize - s.pending
			}
			s.pending = blockSize
			continue
		case playPacket:
			samples = 960
			if len(step.payload) > 4 {
				n := int(binary.BigEndian.Uint32(step.payload[1:]))
				s.played = append(s.played, n)
				heard := now + codec.AudioTime(int64(s.pending))
				s.heardAt[n] = heard
				if s.counts(now) {
					s.delays = append(s.delays, heard-time.Duration(float64(n)*float64(packetTime)/(1+s.drift)))
				}
			}
			switch step.pace {
			case paceFaster:
				samples -= 240
				s.buffer.stretched(240)
			case paceSlower:
				samples += 240
				s.buffer.stretched(-240)
			}
		}
		if samples <= 0 {
			s.t.Fatalf("step %+v plays nothing", step)
		}
		if s.counts(now) {
			s.kinds[step.kind] += samples
		}
		s.pending += samples
	}
	s.pending -= blockSize
}

func (s *simulation) counts(now time.Duration) bool { return now >= s.after && now < s.end }

// share returns which part of the sound was of these kinds.
func (s *simulation) share(kinds ...playKind) float64 {
	total, part := 0, 0
	for kind, n := range s.kinds {
		total += n
		if slices.Contains(kinds, kind) {
			part += n
		}
	}
	return float64(part) / float64(max(total, 1))
}

func (s *simulation) delay(quantile float64) time.Duration {
	sorted := slices.Sorted(slices.Values(s.delays))
	return sorted[int(quantile*float64(len(sorted)-1))]
}

func (s *simulation) mustBeInOrder() {
	s.t.Helper()
	for i := 1; i < len(s.played); i++ {
		if s.played[i] <= s.played[i-1] {
			s.t.Fatalf("packet %d is played after %d", s.played[i], s.played[i-1])
		}
	}
}

func steady(int) (time.Duration, bool) { return 30 * time.Millisecond, true }

func TestJitterBufferSteadyNetwork(t *testing.T) {
	s := &simulation{t: t, network: steady, length: 1000, after: 3 * time.Second}
	s.run()
	s.mustBeInOrder()
	if len(s.played) != s.length {
		t.Errorf("%d of %d packets played", len(s.played), s.length)
	}
	if c := s.buffer.stats.Concealed; c > maxConceal { // the end of the stream
		t.Errorf("%d samples concealed", c)
	}
	// 30 ms of network, 40 ms held back, 10 ms of granularity.
	if d := s.delay(0.5); d < 60*time.Millisecond || d > 90*time.Millisecond {
		t.Errorf("delay %v", d)
	}
}

// The target is the 97th percentile of the jitter plus 20 ms, within bounds, and few packets are late.
func TestJitterBufferFollowsJitter(t *testing.T) {
	for _, c := range []struct {
		name   string
		spread time.Duration
		target time.Duration
	}{
		{"5 ms", 5 * time.Millisecond, minPlayoutDelay},
		{"60 ms", 60 * time.Millisecond, 78 * time.Millisecond},
		{"150 ms", 150 * time.Millisecond, 165 * time.Millisecond},
		{"800 ms", 800 * time.Millisecond, maxPlayoutDelay},
	} {
		t.Run(c.name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			s := &simulation{t: t, length: 3000, after: 15 * time.Second, network: func(int) (time.Duration, bool) {
				return 20*time.Millisecond + time.Duration(random.Int64N(int64(c.spread))), true
			}}
			s.run()
			s.mustBeInOrder()
			// Arrivals are seen in steps of 10 ms, because the simulation takes blocks.
			if got := s.buffer.delay.target; got < c.target-12*time.Millisecond || got > c.target+15*time.Millisecond {
				t.Errorf("target %v, want %v", got, c.target)
			}
			if made := s.share(playConceal, playRepair, playSilence); c.target < maxPlayoutDelay && made > 0.02 {
				t.Errorf("%.1f %% made up", 100*made)
			}
			t.Logf("target %v, delay p50 %v, made up %.2f %%, late %d", s.buffer.delay.target, s.delay(0.5),
				100*s.share(playConceal, playRepair, playSilence), s.buffer.stats.Late)
		})
	}
}

func TestJitterBufferShrinksAgain(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	s := &simulation{t: t, length: 3000, after: 50 * time.Second, network: func(n int) (time.Duration, bool) {
		if n < 1000 {
			return time.Duration(random.Int64N(int64(200 * time.Millisecond))), true
		}
		return 5 * time.Millisecond, true
	}}
	s.run()
	s.mustBeInOrder()
	if d := s.delay(0.5); d > 90*time.Millisecond {
		t.Errorf("delay still %v half a minute after the jitter ended", d)
	}
}

func TestJitterBufferConcealsLoss(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	lost := 0
	s := &simulation{t: t, length: 3000, network: func(n int) (time.Duration, bool) {
		if n > 0 && random.IntN(10) == 0 {
			lost++
			return 0, false
		}
		return 15 * time.Millisecond, true
	}}
	s.run()
	s.mustBeInOrder()
	if len(s.played) != s.length-lost {
		t.Errorf("%d played of %d that arrived", len(s.played), s.length-lost)
	}
	made := s.kinds[playConceal] + s.kinds[playRepair]
	if ratio := float64(made) / float64(lost*960); ratio < 0.9 || ratio > 1.2 {
		t.Errorf("%.2f times what was lost made up", ratio)
	}
	if s.kinds[playRepair] < s.kinds[playConceal] {
		t.Errorf("%d samples repaired, %d concealed: single losses should be repaired", s.kinds[playRepair], s.kinds[playConceal])
	}
}

func TestJitterBufferPutsIntoOrder(t *testing.T) {
	s := &simulation{t: t, length: 1000, after: time.Second, network: func(n int) (time.Duration, bool) {
		if n%2 == 0 {
			return 45 * time.Millisecond, true // after the next one
		}
		return 5 * time.Millisecond, true
	}}
	s.run()
	s.mustBeInOrder()
	if missing := s.length - len(s.played); missing > 5 {
		t.Errorf("%d packets not played", missing)
	}
}

func TestJitterBufferFollowsClockDrift(t *testing.T) {
	for _, drift := range []float64{200e-6, -200e-6, 2e-3, -2e-3} {
		random := rand.New(rand.NewPCG(7, 8))
		s := &simulation{t: t, drift: drift, length: 30_000, after: 20 * time.Second, network: func(int) (time.Duration, bool) {
			return 10*time.Millisecond + time.Duration(random.Int64N(int64(10*time.Millisecond))), true
		}}
		s.run()
		s.mustBeInOrder()
		if d := s.delay(1); d > 130*time.Millisecond {
			t.Errorf("drift %g: delay grows to %v", drift, d)
		}
		if made := s.share(playConceal, playRepair); made > 0.005 {
			t.Errorf("drift %g: %.2f %% made up", drift, 100*made)
		}
		if s.buffer.stats.Restarts > 1 || s.buffer.stats.Overflow > 0 {
			t.Errorf("drift %g: %+v", drift, s.buffer.stats)
		}
	}
}

// Discontinuous transmission: one packet in 400 ms while the sender is silent. The pauses are comfort noise, and no
// packet counts as lost.
func TestJitterBufferPauses(t *testing.T) {
	s := &simulation{t: t, length: 2000, after: time.Second, network: steady,
		paused: func(n int) bool { return n%100 >= 50 && n%20 != 10 }}
	s.run()
	s.mustBeInOrder()
	if made := s.kinds[playConceal] + s.kinds[playRepair]; made > maxConceal {
		t.Errorf("%d samples made up in pauses", made)
	}
	if s.kinds[playComfort] == 0 {
		t.Error("no comfort noise")
	}
	if d := s.delay(1); d > 120*time.Millisecond {
		t.Errorf("delay %v", d)
	}
}

// The network stops, and then delivers all packets at once.
func TestJitterBufferStall(t *testing.T) {
	for _, stall := range []time.Duration{100 * time.Millisecond, 400 * time.Millisecond, 900 * time.Millisecond} {
		s := &simulation{t: t, length: 1500, after: 20 * time.Second, network: func(n int) (time.Duration, bool) {
			sent := time.Duration(n) * packetTime
			if begin := 5 * time.Second; sent >= begin && sent < begin+stall {
				return begin + stall - sent + 10*time.Millisecond, true
			}
			return 10 * time.Millisecond, true
		}}
		s.run()
		s.mustBeInOrder()
		if d := s.delay(1); d > 100*time.Millisecond {
			t.Errorf("stall %v: delay still %v 15 s later", stall, d)
		}
		if gone := s.length - len(s.played); time.Duration(gone)*packetTime > stall+200*time.Millisecond {
			t.Errorf("stall %v: %d packets not played", stall, gone)
		}
	}
}

// The path changes: from one packet to the next, all packets take longer, or less long.
func TestJitterBufferRouteChange(t *testing.T) {
	for _, step := range []time.Duration{50 * time.Millisecond, 200 * time.Millisecond, 600 * time.Millisecond, 900 * time.Millisecond, -100 * time.Millisecond} {
		random := rand.New(rand.NewPCG(11, 12))
		s := &simulation{t: t, length: 2000, after: 5 * time.Second, network: func(n int) (time.Duration, bool) {
			delay := 120*time.Millisecond + time.Duration(random.Int64N(int64(10*time.Millisecond)))
			if n >= 500 {
				delay += step
			}
			return delay, true
		}}
		s.run()
		s.mustBeInOrder()
		made := codec.AudioTime(int64(s.kinds[playConceal] + s.kinds[playRepair] + s.kinds[playSilence]))
		if made > max(step, 0)+150*time.Millisecond {
			t.Errorf("step %v: %v made up", step, made)
		}
		if gone := s.length - len(s.played); gone > 10 {
			t.Errorf("step %v: %d packets not played", step, gone)
		}
		last := s.delays[len(s.delays)-100:]
		if d := slices.Max(last); d > 120*time.Millisecond+step+120*time.Millisecond {
			t.Errorf("step %v: delay %v in the end", step, d)
		}
		t.Logf("step %v: made up %v, not played %d, delay in the end %v", step, made, s.length-len(s.played), slices.Max(last))
	}
}

func TestJitterBufferLongLossGoesQuiet(t *testing.T) {
	s := &simulation{t: t, length: 500, network: func(n int) (time.Duration, bool) {
		return 10 * time.Millisecond, n < 100 || n >= 200
	}}
	s.run()
	s.mustBeInOrder()
	if made := s.kinds[playConceal] + s.kinds[playRepair]; made > 2*maxConceal {
		t.Errorf("%v made up in a loss of 2 s", codec.AudioTime(int64(made)))
	}
	if got := len(s.played); got != 400 {
		t.Errorf("%d of 400 played", got)
	}
}

func TestJitterBufferCountersWrap(t *testing.T) {
	s := &simulation{t: t, length: 1000, network: steady, first: math.MaxUint16 - 100, zero: math.MaxUint32 - 300*960}
	s.run()
	s.mustBeInOrder()
	if len(s.played) != s.length {
		t.Errorf("%d of %d played", len(s.played), s.length)
	}
}

// A sender's clock that jumps, or stood still while it was muted, makes a new beginning.
func TestJitterBufferClockBreak(t *testing.T) {
	for _, jump := range []uint32{1 << 31, 48_000 * 5, math.MaxUint32 - 48_000*5, 0} {
		var b jitterBuffer
		now := time.Duration(0)
		timestamp := uint32(1000)
		seq := uint16(0)
		played := 0
		speak := func(packets int) {
			for range packets {
				b.push(now, seq, timestamp, numbered(int(seq), 60))
				seq++
				timestamp += 960
				for range 2 {
					if b.next(now, 0).kind == playPacket {
						played++
					}
					now += blockTime
				}
			}
		}
		speak(100)
		now += 5 * time.Second // muted
		for range 20 {
			b.next(now, 0)
		}
		timestamp += jump
		before := played
		speak(100)
		if got := played - before; got < 90 {
			t.Errorf("jump %d: %d of 100 played", jump, got)
		}
		if excess := b.delay.excess(now, codec.AudioTime(b.cursor)); excess > 200*time.Millisecond {
			t.Errorf("jump %d: %v too late", jump, excess)
		}
	}
}

// Whatever arrives, packets are played in order and once, the buffer is bounded, and every step fills something.
func TestJitterBufferAlwaysHolds(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 9))
		loss, jitter := random.IntN(40), time.Duration(1+random.Int64N(int64(600*time.Millisecond)))
		s := &simulation{t: t, length: 600, drift: (random.Float64() - 0.5) / 100,
			first: uint16(random.Uint32()), zero: random.Uint32(),
			network: func(int) (time.Duration, bool) {
				return time.Duration(random.Int64N(int64(jitter))), random.IntN(100) >= loss
			}}
		s.run()
		s.mustBeInOrder()
	}
}

func FuzzJitterBuffer(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 250, 7, 31 << 3, 0, 0, 9})
	f.Fuzz(func(t *testing.T, script []byte) {
		var b jitterBuffer
		now := time.Duration(0)
		for len(script) >= 6 {
			now += time.Duration(script[0]) * time.Millisecond
			seq := binary.BigEndian.Uint16(script[1:])
			b.push(now, seq, uint32(script[3])<<24|uint32(script[4])<<8, script[5:min(len(script), 9)])
			script = script[6:]
			for range 3 {
				if step := b.next(now, 0); step.kind != playSilence && step.kind != playPacket && (step.missing <= 0 || step.missing > 2*concealStep || step.missing%opusQuantum != 0) {
					t.Fatalf("%+v", step)
				}
			}
			if len(b.packets) > maxBuffered {
				t.Fatalf("%d packets", len(b.packets))
			}
		}
	})
}

func TestOpusSpan(t *testing.T) {
	for _, c := range []struct {
		packet []byte
		want   int
	}{
		{nil, 0},
		{[]byte{0 << 3}, 480},     // SILK narrowband 10 ms
		{[]byte{3 << 3}, 2880},    // 60 ms
		{[]byte{3<<3 | 1}, 5760},  // twice
		{[]byte{13 << 3}, 960},    // hybrid 20 ms
		{[]byte{16 << 3}, 120},    // CELT 2.5 ms
		{[]byte{31 << 3}, 960},    // CELT 20 ms
		{[]byte{31<<3 | 2}, 1920}, // two of them
		{[]byte{31<<3 | 3}, 0},    // no count
		{[]byte{31<<3 | 3, 3}, 2880},
		{[]byte{31<<3 | 3, 63}, 0}, // longer than 120 ms
	} {
		if got := opusSpan(c.packet); got != c.want {
			t.Errorf("% x: %d, want %d", c.packet, got, c.want)
		}
	}
}

func BenchmarkJitterBuffer(b *testing.B) {
	var buffer jitterBuffer
	payload := numbered(1, 100)
	now := time.Duration(0)
	n := 0
	for b.Loop() {
		buffer.push(now, uint16(n), uint32(n*960), payload)
		buffer.next(now, 0)
		now += packetTime
		n++
	}
}

// TestJitterBufferKeepsTimeThroughSilence: with discontinuous transmission, two packets each 400 ms come of silence. What
// is said after it is heard as soon as before, on the same network.
func TestJitterBufferKeepsTimeThroughSilence(t *testing.T) {
	for name, c := range map[string]struct {
		loss   float64
		spread time.Duration
	}{"steady": {0, 1}, "jitter": {0, 40 * time.Millisecond}, "loss": {0.05, 20 * time.Millisecond}} {
		random := rand.New(rand.NewPCG(7, 8))
		s := &simulation{t: t, length: 6000, after: 2 * time.Second,
			network: func(int) (time.Duration, bool) {
				return 30*time.Millisecond + time.Duration(random.Int64N(int64(c.spread))), random.Float64() >= c.loss
			},
			paused: func(n int) bool { return n%400 >= 150 && n%20 > 1 }}
		s.run()
		s.mustBeInOrder()
		if d := s.delay(0.99); d > 30*time.Millisecond+2*c.spread+2*playoutMargin+minPlayoutDelay {
			t.Errorf("%s: sound is heard after %v", name, d)
		}
		if late := s.buffer.stats.Late; late > 60 {
			t.Errorf("%s: %d packets came too late", name, late)
		}
		if c.loss == 0 && (s.buffer.stats.Restarts > 0 || s.share(playSilence) > 0) {
			t.Errorf("%s: %d new beginnings, %.1f %% silence", name, s.buffer.stats.Restarts, 100*s.share(playSilence))
		}
	}
}
