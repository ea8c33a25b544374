package media

import (
	"time"

	"github.com/porch-call/porch/backend/lab/link"
	"github.com/porch-call/porch/backend/lab/person"
)

const (
	second = time.Second
	ms     = time.Millisecond
	mbit   = 1_000_000

	// codedRate is what an encoder that is set to a browser's rate makes of the laboratory's pictures, bit/s.
	codedRate = 0.98 * person.BrowserRate
)

// line is one direction that does not change.
func line(p link.Params) []link.Step { return []link.Step{{Params: p}} }

// rate is a line with a rate (bit/s) and a queue.
func rate(r int, queue time.Duration) link.Params { return link.Params{Rate: r, Queue: queue} }

// people returns n guests of one kind.
func people(n int, g Guest) (all []Guest) {
	for range n {
		all = append(all, g)
	}
	return all
}

// Kinds of guests.
var (
	fixed    = Guest{Camera: person.Camera{Fixed: true}} // adapts to nothing
	speaker  = Guest{}                                   // a browser, and somebody who speaks all the time
	listener = Guest{Talk: person.TalkSilent}            // a browser with everything on, and nobody speaks
)

// talking is a speaker (guest 1) and n listeners.
func talking(n int) []Guest { return append([]Guest{speaker}, people(n, listener)...) }

// Scenarios are all rows, in order.
func Scenarios() []Scenario {
	all := []Scenario{
		collapse("C1", 4, 3*mbit), collapse("C2", 4, 3*mbit/2), collapse("C3", 8, 20*mbit),
		fiveOnFive(), modem(), threeOnOne(), oneGetsSlow(), allGetSlow(), fastAndSlow(),
	}
	all = append(all, losses()...)
	all = append(all, troubles()...)
	return append(all,
		sixthJoins(), hostile(), hidden(), tenTalk(), estimates(), besideTCP(), overTURN(), ownInterface(), two(), moves(),
		many("A19a", 40*second, 2), many("A19b", 40*second, 16), many("A19c", 605*second, 2),
	)
}

// collapse is guests who adapt to nothing on an uplink that is too narrow.
func collapse(row string, guests, up int) Scenario {
	const from, to = 5 * second, 17 * second
	return Scenario{
		Row: row, About: "guests that adapt to nothing, 600 kbit/s each; queue 200 ms",
		Up: line(rate(up, 200*ms)), Guests: people(guests, fixed), For: to,
		Checks: []Check{
			{"sound lost", "%", atMost(1), func(r *Run) float64 { return r.lostSound(r.pairs(), from, to) }},
			{"longest silence", "ms", atMost(60), func(r *Run) float64 { return r.silence(r.pairs(), from, to) }},
			{"packets asked for each carried", "", atMost(1.2), func(r *Run) float64 { return asked(r.Up, from, to) }},
			{"pictures lost", "%", Bound{}, func(r *Run) float64 { return r.lostPictures(r.pairs(), from, to) }},
			{"longest freeze", "ms", Bound{}, func(r *Run) float64 { return r.freeze(r.pairs(), from, to) }},
		},
	}
}

// toSpeaker are the pairs in which a guest looks at the speaker.
func toSpeaker(r *Run) []pair { return of(r.remote(), func(p pair) bool { return p.whom == 1 }) }

// fiveOnFive is A1.
func fiveOnFive() Scenario {
	const from, to, up = 8 * second, 23 * second, 5 * mbit
	return Scenario{
		Row: "A1", About: "host up 5 Mbit/s, queue 500 ms; five guests and the host, all on",
		Up: line(rate(up, 500*ms)), Window: &listener, Guests: talking(4), For: to,
		Checks: []Check{
			{"queue, p95", "ms", atMost(80), func(r *Run) float64 { return queue(r.Up, from, to, 0.95) }},
			{"gaps of sound", "", atMost(0), func(r *Run) float64 { return float64(r.gaps(r.remote(), from, to)) }},
			{"sound lost", "%", Bound{}, func(r *Run) float64 { return r.lostSound(r.remote(), from, to) }},
			{"pictures with 12/s, fewest of a guest", "", atLeast(4), func(r *Run) float64 { return r.fewest(12, from, to) }},
			{"speaker, lines", "", atLeast(360), func(r *Run) float64 { return r.lines(toSpeaker(r), from, to) }},
			{"line used", "%", atLeast(75), func(r *Run) float64 { return used(r.Up, up, from, to) }},
			{"packets asked for each carried", "", Bound{}, func(r *Run) float64 { return asked(r.Up, from, to) }},
		},
	}
}

// threeOnOne is A2.
func threeOnOne() Scenario {
	const from, to, up = 8 * second, 23 * second, mbit
	return Scenario{
		Row: "A2", About: "host up 1 Mbit/s, queue 500 ms; three guests and the host, all on",
		Up: line(rate(up, 500*ms)), Window: &listener, Guests: talking(2), For: to,
		Checks: []Check{
			{"time in gaps of sound", "%", atMost(0.5), func(r *Run) float64 { return r.gapShare(r.remote(), from, to) }},
			{"queue, p95", "ms", atMost(120), func(r *Run) float64 { return queue(r.Up, from, to, 0.95) }},
			{"speaker, lines", "", atLeast(180), func(r *Run) float64 { return r.lines(toSpeaker(r), from, to) }},
			{"speaker, pictures a second", "", atLeast(10), func(r *Run) float64 { return r.slowest(toSpeaker(r), from, to) }},
		},
	}
}

// oneGetsSlow is A3 and A4.
func oneGetsSlow() Scenario {
	const down, up, to = 20 * second, 45 * second, 75 * second
	const slow = 2 // the guest
	guests := lowRate(talking(4), 600_000)
	guests[slow-1].Down = []link.Step{
		{At: 0, Params: rate(3*mbit, 300*ms)}, {At: down, Params: rate(mbit/2, 300*ms)}, {At: up, Params: rate(3*mbit, 300*ms)},
	}
	here := func(r *Run) []pair { return of(r.remote(), func(p pair) bool { return p.by == slow }) }
	others := func(r *Run) []pair { return of(r.remote(), func(p pair) bool { return p.by != slow }) }
	return Scenario{
		Row: "A3/A4", About: "host up 50 Mbit/s; five guests, one down 3 → 0.5 → 3 Mbit/s, queue 300 ms; 600 kbit/s each",
		Up: line(rate(50*mbit, 200*ms)), Guests: guests, For: to,
		Checks: []Check{
			{"A3 queue under 100 ms after", "s", atMost(3), func(r *Run) float64 {
				return r.calmAfter(r.Lines[slow].Down, down, up, 100*ms)
			}},
			{"A3 longest silence there", "ms", atMost(60), func(r *Run) float64 { return r.silence(here(r), down, up) }},
			{"A3 sound lost there", "%", Bound{}, func(r *Run) float64 { return r.lostSound(here(r), down, up) }},
			{"A3 rate of the others, of before", "%", within(90, 110), func(r *Run) float64 {
				return 100 * r.rate(others(r), down+5*second, up) / r.rate(others(r), down-10*second, down)
			}},
			{"A3 keyframes of a publisher", "", atMost(1), func(r *Run) float64 { return float64(r.keyframes(down, up)) }},
			{"A4 rate back to 80 % after", "s", atMost(15), func(r *Run) float64 { return r.backAfter(here(r), down, up, to, 0.8) }},
			{"A4 switches after 15 s", "", atMost(2), func(r *Run) float64 { return float64(r.switches(here(r), up+15*second, to)) }},
		},
	}
}

// allGetSlow is A5.
func allGetSlow() Scenario {
	const down, up, to = 15 * second, 35 * second, 65 * second
	return Scenario{
		Row: "A5", About: "host up 20 → 2 → 20 Mbit/s, queue 300 ms; three guests and the host, all on",
		Up: []link.Step{
			{At: 0, Params: rate(20*mbit, 300*ms)}, {At: down, Params: rate(2*mbit, 300*ms)}, {At: up, Params: rate(20*mbit, 300*ms)},
		},
		Window: &listener, Guests: talking(2), For: to,
		Checks: []Check{
			{"queue under 100 ms after", "s", atMost(3), func(r *Run) float64 { return r.calmAfter(r.Up, down, up, 100*ms) }},
			{"longest silence", "ms", atMost(60), func(r *Run) float64 { return r.silence(r.remote(), down, up) }},
			{"sound lost", "%", Bound{}, func(r *Run) float64 { return r.lostSound(r.remote(), down, up) }},
			{"rate back to 80 % after", "s", atMost(15), func(r *Run) float64 { return r.backAfter(r.remote(), down, up, to, 0.8) }},
			{"switches after 15 s", "", atMost(2), func(r *Run) float64 { return float64(r.switches(r.remote(), up+15*second, to)) }},
			{"fairness of guests (Jain)", "", atLeast(0.95), func(r *Run) float64 { return r.fairness(down+5*second, up) }},
		},
	}
}

// fastAndSlow is A6.
func fastAndSlow() Scenario {
	const from, to = 8 * second, 28 * second
	const fast, slow = 2, 3
	guests := talking(2)
	guests[fast-1].Down = line(rate(10*mbit, 200*ms))
	guests[slow-1].Down = line(rate(3*mbit/10, 200*ms))
	at := func(r *Run, who int) []pair {
		return of(r.remote(), func(p pair) bool { return p.by == who && p.whom == 1 })
	}
	return Scenario{
		Row: "A6", About: "three guests, the speaker without limits, one down 10, one 0.3 Mbit/s",
		Guests: guests, For: to,
		Checks: []Check{
			{"fast one's rate, of what is coded alone", "%", atLeast(95), func(r *Run) float64 {
				return 100 * r.rate(at(r, fast), from, to) * 1000 / codedRate
			}},
			{"keyframes a second", "", atMost(0.1), func(r *Run) float64 {
				return float64(keysOf(r.People[1], r.Start+from, r.Start+to)) / (to - from).Seconds()
			}},
			{"slow one's sound lost", "%", atMost(1), func(r *Run) float64 { return r.lostSound(at(r, slow), from, to) }},
			{"slow one's queue, p95", "ms", Bound{}, func(r *Run) float64 { return queue(r.Lines[slow].Down, from, to, 0.95) }},
		},
	}
}

// losses are the rows of A7, one guest each: 100 ms of round trip.
func losses() (all []Scenario) {
	for _, c := range []struct {
		row           string
		loss          float64
		gaps, freezes float64
		bursty        float64
	}{{"A7a", 0.02, 0.2, 1, 0}, {"A7b", 0.05, 1, 2, 0}, {"A7c", 0.10, 3, 5, 0}, {"A7d", 0.05, 1, 2, 3}} {
		const from, to = 5 * second, 20 * second
		p := link.Params{Loss: c.loss, Burst: c.bursty, Delay: 50 * ms}
		all = append(all, Scenario{
			Row: c.row, About: "100 ms of round trip, loss both ways on one guest's line",
			Guests: []Guest{speaker, {Up: line(p), Down: line(p)}, speaker}, For: to,
			Checks: []Check{
				{"loss", "%", Bound{}, func(*Run) float64 { return 100 * c.loss }},
				{"time in gaps of sound", "%", atMost(c.gaps), func(r *Run) float64 { return r.gapShare(touching(r, 2), from, to) }},
				{"sound lost", "%", Bound{}, func(r *Run) float64 { return r.lostSound(touching(r, 2), from, to) }},
				{"time frozen", "%", atMost(c.freezes), func(r *Run) float64 { return r.freezeShare(touching(r, 2), from, to) }},
				{"sent for each of media", "", atMost(1.25), func(r *Run) float64 { return r.overhead(2, from, to) }},
			},
		})
	}
	return all
}

// touching are the pairs in which somebody listens or speaks.
func touching(r *Run, who int) []pair {
	return of(r.pairs(), func(p pair) bool { return p.by == who || p.whom == who })
}

// troubles are the rows of A8, one guest each, down 4 Mbit/s.
func troubles() (all []Scenario) {
	const down = 4 * mbit
	for _, c := range []struct {
		row, about string
		p          link.Params
	}{
		{"A8a", "jitter of 30 ms", link.Params{Jitter: 30 * ms, Delay: 20 * ms}},
		{"A8b", "2 % of packets are overtaken", link.Params{Reorder: 0.02, Delay: 20 * ms}},
		{"A8c", "300 ms of round trip", link.Params{Delay: 150 * ms}},
	} {
		const from, to = 10 * second, 25 * second
		p := c.p
		p.Rate, p.Queue = down, 300*ms
		all = append(all, Scenario{
			Row: c.row, About: c.about + "; down 4 Mbit/s; three others send 1.5 each",
			Guests: append([]Guest{{Up: line(c.p), Down: line(p), Talk: person.TalkSilent}}, people(3, speaker)...), For: to,
			Checks: []Check{
				{"line used", "%", atLeast(80), func(r *Run) float64 { return used(r.Lines[1].Down, down, from, to) }},
				{"needless repeats, of packets", "%", atMost(1), func(r *Run) float64 {
					return percent(r.People[1].Asked.Needless, r.People[1].Received.Packets)
				}},
				{"sound lost", "%", Bound{}, func(r *Run) float64 {
					return r.lostSound(of(r.pairs(), func(p pair) bool { return p.by == 1 }), from, to)
				}},
			},
		})
	}
	return all
}
