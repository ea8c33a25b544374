package link

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"testing"
	"time"
)

const ms = time.Millisecond

// ipPacket returns an IPv4 packet of UDP with a number.
func ipPacket(bytes int, port uint16, n uint32) []byte {
	b := make([]byte, bytes)
	b[0], b[9] = 0x45, 17
	copy(b[12:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
	binary.BigEndian.PutUint16(b[20:], port)
	binary.BigEndian.PutUint16(b[22:], 9)
	binary.BigEndian.PutUint32(b[28:], n)
	return b
}

type arrival struct {
	at time.Duration
	n  uint32
}

// drive sends a packet of 1,000 bytes every interval and returns what arrives, at the time when it does.
func drive(d *Direction, every, length time.Duration) (got []arrival) {
	sent := uint32(0)
	for due := time.Duration(0); due < length+time.Minute; {
		next, ok := d.Next()
		push := due < length && (!ok || due <= next)
		switch {
		case push:
			sent++
			d.Push(due, ipPacket(1000, 5, sent))
		case ok:
			for p := d.Pop(next); p != nil; p = d.Pop(next) {
				got = append(got, arrival{next, binary.BigEndian.Uint32(p[28:])})
			}
		default:
			return got
		}
		if push {
			due += every
		}
	}
	return got
}

func TestALineCarriesItsRate(t *testing.T) {
	d := NewDirection(Params{Rate: 1_000_000, Queue: 100 * ms, Delay: 30 * ms}, 1)
	d.Begin(0, nil)
	got := drive(d, 4*ms, 10*time.Second) // twice its rate
	seen := d.Seen(10 * time.Second)
	if first := got[0].at; first != 38*ms { // 8 ms for 1,000 bytes at 1 Mbit/s
		t.Errorf("the first packet arrives after %v", first)
	}
	if n := len(got); n < 1250 || n > 1265 {
		t.Errorf("%d packets arrive in 10 s", n)
	}
	if q := seen.Queue(time.Second, 10*time.Second, 0.95); q < 90*ms || q > 110*ms {
		t.Errorf("queue %v", q)
	}
	c := seen.Between(0, time.Minute)
	if c.Offered != 2500 || c.Carried+c.Dropped != c.Offered || c.InBytes != 2_500_000 || int(c.Carried) != len(got) {
		t.Errorf("counted %+v of %d", c, len(got))
	}
	flows := seen.Flows()
	if len(flows) != 1 || flows[0].From.String() != "10.0.0.1:5" || flows[0].Counts != c {
		t.Errorf("flows %+v", flows[0])
	}
	if _, err := json.Marshal(seen); err != nil {
		t.Error(err)
	}
}

func TestALineWithoutLimitsOnlyDelays(t *testing.T) {
	for i, a := range drive(NewDirection(Params{Delay: 7 * ms}, 1), ms, time.Second) {
		if want := time.Duration(i)*ms + 7*ms; a.at != want || a.n != uint32(i+1) {
			t.Fatalf("packet %d arrives at %v, want %d at %v", a.n, a.at, i+1, want)
		}
	}
}

func TestTheScriptChangesTheRate(t *testing.T) {
	d := NewDirection(Params{}, 1)
	d.Begin(0, []Step{
		{0, Params{Rate: 2_000_000, Queue: 300 * ms}},
		{4 * time.Second, Params{Rate: 500_000, Queue: 300 * ms}},
		{8 * time.Second, Params{Rate: 2_000_000, Queue: 300 * ms}},
	})
	drive(d, 8*ms, 12*time.Second) // 1 Mbit/s
	seen := d.Seen(12 * time.Second)
	for _, c := range []struct {
		from, to time.Duration
		bytes    int64
		queue    time.Duration
	}{
		{time.Second, 4 * time.Second, 375_000, 0},
		{5 * time.Second, 8 * time.Second, 187_500, 300 * ms},
		{10 * time.Second, 12 * time.Second, 250_000, 0},
	} {
		got := seen.Between(c.from, c.to).OutBytes
		if math.Abs(float64(got-c.bytes)) > 3000 {
			t.Errorf("%v: %d bytes, want %d", c.from, got, c.bytes)
		}
		if q := seen.Queue(c.from, c.to, 0.5); q < c.queue-20*ms || q > c.queue+20*ms {
			t.Errorf("%v: queue %v, want %v", c.from, q, c.queue)
		}
	}
	if at, ok := seen.QueueBelow(4500*ms, 100*ms); !ok || at < 8*time.Second || at > 8500*ms {
		t.Errorf("the queue is short from %v, %v", at, ok)
	}
}

func TestCoDelKeepsTheQueueShort(t *testing.T) {
	p := Params{Rate: 1_000_000, Queue: time.Second}
	tail, codel := NewDirection(p, 1), NewDirection(p, 1)
	codel.params.CoDel = true
	for _, d := range []*Direction{tail, codel} {
		d.Begin(0, nil)
		drive(d, 7600*time.Microsecond, 30*time.Second) // 5 % too much
	}
	if q := tail.Seen(0).Queue(25*time.Second, 30*time.Second, 0.5); q < 900*ms {
		t.Errorf("without CoDel the queue is %v", q)
	}
	if q := codel.Seen(0).Queue(25*time.Second, 30*time.Second, 0.5); q > 60*ms {
		t.Errorf("with CoDel the queue is %v", q)
	}
	if c := codel.Seen(0).Between(0, time.Minute); c.Dropped == 0 || c.Dropped > c.Offered/5 {
		t.Errorf("CoDel drops %d of %d", c.Dropped, c.Offered)
	}
}

func TestLossIsAsAsked(t *testing.T) {
	for _, burst := range []float64{0, 4} {
		d := NewDirection(Params{Loss: 0.05, Burst: burst}, 7)
		d.Begin(0, nil)
		got := drive(d, ms, 100*time.Second)
		lost := 100_000 - len(got)
		if lost < 4_300 || lost > 5_700 {
			t.Errorf("bursts of %v: %d of 100,000 are lost", burst, lost)
		}
		bursts, last := 0, uint32(0)
		for _, a := range got {
			if a.n != last+1 {
				bursts++
			}
			last = a.n
		}
		mean := float64(lost) / float64(bursts)
		if want := max(burst, 1.05); math.Abs(mean-want) > 0.3 {
			t.Errorf("bursts of %v are %v long", burst, mean)
		}
		if c := d.Seen(0).Between(0, time.Hour); int(c.Lost) != lost {
			t.Errorf("%d are lost, %d counted", lost, c.Lost)
		}
	}
}

func TestJitterKeepsTheOrderAndReorderingDoesNot(t *testing.T) {
	got := drive(NewDirection(Params{Delay: 50 * ms, Jitter: 30 * ms}, 1), 5*ms, 20*time.Second)
	least, most := time.Hour, time.Duration(0)
	for i, a := range got {
		if a.n != uint32(i+1) {
			t.Fatalf("packet %d comes as number %d", a.n, i+1)
		}
		delay := a.at - time.Duration(i)*5*ms
		least, most = min(least, delay), max(most, delay)
	}
	if least < 50*ms || least > 53*ms || most < 76*ms || most > 80*ms {
		t.Errorf("delays from %v to %v", least, most)
	}
	late := 0
	got = drive(NewDirection(Params{Reorder: 0.02}, 1), 5*ms, 20*time.Second)
	for i := 1; i < len(got); i++ {
		if got[i].n < got[i-1].n {
			late++
		}
	}
	if len(got) != 4000 || late < 50 || late > 110 {
		t.Errorf("%d of %d are overtaken", late, len(got))
	}
}

func TestALineThatIsDownLosesAll(t *testing.T) {
	d := NewDirection(Params{}, 1)
	d.Begin(0, []Step{{time.Second, Params{Down: true}}, {2 * time.Second, Params{}}})
	if n := len(drive(d, 10*ms, 3*time.Second)); n != 200 {
		t.Errorf("%d of 300 arrive", n)
	}
}

func BenchmarkPacket(b *testing.B) {
	d := NewDirection(Params{Rate: 20_000_000, Delay: 20 * ms}, 1)
	d.Begin(0, nil)
	p := ipPacket(1000, 5, 1)
	now := time.Duration(0)
	b.ReportAllocs()
	for b.Loop() {
		now += 500 * time.Microsecond
		d.Push(now, p)
		for d.Pop(now) != nil { //nolint:revive // what is under way arrives
		}
		d.Next()
	}
}
