package media

import (
	"fmt"
	"time"

	"github.com/porch-call/porch/backend/lab/link"
	"github.com/porch-call/porch/backend/lab/person"
)

// sixthJoins is A9.
func sixthJoins() Scenario {
	const comes, to, up = 12 * second, 22 * second, 10 * mbit
	guests := append(talking(4), listener)
	guests[5].Comes = comes
	return Scenario{
		Row: "A9", About: "host up 10 Mbit/s, queue 300 ms; a sixth guest comes; 200 kbit/s each",
		Up: line(rate(up, 300*ms)), Guests: lowRate(guests, 200_000), For: to,
		Checks: []Check{
			{"longest silence of the others", "ms", atMost(40), func(r *Run) float64 { return r.silence(r.remote(), comes-second, to) }},
			{"queue, most", "ms", atMost(120), func(r *Run) float64 { return queue(r.Up, comes-second, to, 1) }},
			{"newcomer's first picture, more than before", "ms", atMost(150), func(r *Run) float64 {
				return r.firstPicture(6) - before("A9 newcomer's first picture after it is let in")
			}},
			{"newcomer's first picture after it is let in", "ms", Bound{}, func(r *Run) float64 { return r.firstPicture(6) }},
		},
	}
}

// lowRate gives all cameras a rate.
func lowRate(guests []Guest, bits int) []Guest {
	for i := range guests {
		guests[i].Camera.Rate = bits
		guests[i].Camera.Lines = 360
	}
	return guests
}

// hostile is A10.
func hostile() Scenario {
	const begins, to = 12 * second, 30 * second
	const villain = 4
	guests := talking(3)
	guests[villain-1].Attack = person.Attack{After: begins, PLI: 1000, NACK: 10_000, REMB: true, Feedback: 200}
	others := func(r *Run) []pair {
		return of(r.pairs(), func(p pair) bool { return p.by != villain && p.whom != villain })
	}
	return Scenario{
		Row: "A10", About: "one of four sends 1,000 PLI/s, asks for 10,000 packets/s, REMB of 1 bit/s and made-up feedback from 12 s on",
		Guests: lowRate(guests, 600_000), For: to,
		Checks: []Check{
			{"others' rate, of before", "%", within(95, 110), func(r *Run) float64 {
				return 100 * r.rate(others(r), begins+second, to) / r.rate(others(r), begins-8*second, begins)
			}},
			{"others' longest silence", "ms", atMost(60), func(r *Run) float64 { return r.silence(others(r), begins, to) }},
			{"others' longest freeze", "ms", atMost(0), func(r *Run) float64 { return r.freeze(others(r), begins, to) }},
			{"keyframes of a publisher in 3 s", "", atMost(1), func(r *Run) float64 {
				return 3 * float64(r.keyframes(begins, to)) / (to - begins).Seconds()
			}},
		},
	}
}

// hidden is A11 in the laboratory: the browsers' part is an end-to-end test.
func hidden() Scenario {
	const hides, returns, to = 5 * second, 13 * second, 16 * second
	const who = 3
	guests := talking(2)
	guests[who-1].Hides, guests[who-1].Returns = hides, returns
	return Scenario{
		Row: "A11", About: "a guest whose page is hidden for 8 s",
		Guests: guests, For: to,
		Checks: []Check{
			{"pictures sent to it after 2 s", "kbit/s", atMost(0), func(r *Run) float64 {
				return r.rate(of(r.pairs(), func(p pair) bool { return p.by == who }), hides+2*second, returns)
			}},
			{"first picture after it is back", "ms", atMost(500), func(r *Run) float64 {
				return r.pictureAfter(who, r.Start+returns)
			}},
		},
	}
}

// tenTalk is A12.
func tenTalk() Scenario {
	const from, to = 3 * second, 38 * second
	g := Guest{Camera: person.Camera{Off: true}, Talk: person.TalkTurns}
	return Scenario{
		Row: "A12", About: "ten guests with microphones on, who talk by a script; no cameras",
		Up: line(rate(20*mbit, 200*ms)), Guests: people(10, g), For: to,
		Checks: []Check{
			{"streams of sound to a guest, most", "", atMost(5), func(r *Run) float64 { return r.streams(from, to) }},
			{"sound lost", "%", Bound{}, func(r *Run) float64 { return r.lostSound(r.pairs(), from, to) }},
			{"word beginnings whole", "%", atLeast(99), func(r *Run) float64 { _, whole := r.words(from, to); return whole }},
			{"word beginnings looked at", "", atLeast(500), func(r *Run) float64 { n, _ := r.words(from, to); return n }},
			{"host up", "Mbit/s", atMost(2.2), func(r *Run) float64 {
				return float64(r.Up.Between(from, to).OutBytes) * 8 / mbit / (to - from).Seconds()
			}},
		},
	}
}

// estimates is A13: one guest for each capacity.
func estimates() Scenario {
	const from, to = 10 * second, 25 * second
	capacities := []float64{0.3, 0.5, 1, 2, 5, 10}
	guests := make([]Guest, 0, len(capacities)+1)
	for _, c := range capacities {
		guests = append(guests, Guest{
			Camera: person.Camera{Rate: 600_000, Lines: 360}, Talk: person.TalkSilent,
			Down: line(rate(int(c*mbit), 300*ms)),
		})
	}
	s := Scenario{
		Row: "A13", About: "six guests, down 0.3 to 10 Mbit/s; 600 kbit/s each",
		Guests: guests, For: to,
	}
	for i, c := range capacities {
		name := "estimate at " + Figure(c).String() + " Mbit/s"
		must := within(-25, 10)
		if c > 4 { // there is less to send than the line carries
			must = atMost(10)
		}
		s.Checks = append(s.Checks, Check{name, "% off", must, func(r *Run) float64 { return r.estimate(i+1, c*mbit, from, to) }})
	}
	return s
}

// besideTCP is A14.
func besideTCP() Scenario {
	const from, to, up = 8 * second, 33 * second, 5 * mbit
	return Scenario{
		Row: "A14", About: "host up 5 Mbit/s, queue 200 ms, beside a TCP upload (cubic); two guests and the host",
		Up: line(rate(up, 200*ms)), Window: &listener, Guests: talking(1), Upload: true, For: to,
		Checks: []Check{
			{"Porch's part", "%", atLeast(25), func(r *Run) float64 { return protocolShare(r.Up, 17, from, to) }},
			{"TCP's part", "%", atLeast(30), func(r *Run) float64 { return protocolShare(r.Up, 6, from, to) }},
			{"time in gaps of sound", "%", atMost(1), func(r *Run) float64 { return r.gapShare(r.remote(), from, to) }},
		},
	}
}

// overTURN is A15.
func overTURN() Scenario {
	const from, to = 5 * second, 20 * second
	return Scenario{
		Row: "A15", About: "host up 1 Mbit/s, queue 500 ms; all media by TURN over TCP; two guests, 600 kbit/s each",
		Up: line(rate(mbit, 500*ms)), Guests: people(2, fixed), Relay: RelayOnly, For: to,
		Checks: []Check{
			{"delay of sound, p95", "ms", atMost(350), func(r *Run) float64 { return r.soundDelay(r.remote(), from, to, 0.95) }},
			{"sound lost", "%", Bound{}, func(r *Run) float64 { return r.lostSound(r.remote(), from, to) }},
		},
	}
}

// ownInterface is A16.
func ownInterface() Scenario {
	const from, to = 3 * second, 18 * second
	window := func(r *Run) []pair { return of(r.pairs(), func(p pair) bool { return p.by == 0 }) }
	return Scenario{
		Row: "A16", About: "a token bucket of 3 Mbit/s on the host's own interface; four guests and the host, 600 kbit/s each",
		Bucket: &Bucket{Rate: 3 * mbit, Queue: 200 * ms}, Window: &fixed, Guests: people(4, fixed), For: to,
		Unsound: "what two shared cores cost at p99 is in the delay before the limit, and varies from second to second",
		Checks: []Check{
			{"host's window: added delay of sound, p99", "ms", atMost(5), func(r *Run) float64 {
				return max(0, r.soundDelay(window(r), from, to, 0.99)-r.soundDelay(window(r), -second, 0, 0.99))
			}},
			{"host's window: delay before the limit, p99", "ms", Bound{}, func(r *Run) float64 {
				return r.soundDelay(window(r), -second, 0, 0.99)
			}},
			{"host's window: sound lost", "%", atMost(0), func(r *Run) float64 { return r.lostSound(window(r), from, to) }},
			{"host's window: pictures lost", "%", atMost(0), func(r *Run) float64 { return r.lostPictures(window(r), from, to) }},
			{"guests' sound lost", "%", Bound{}, func(r *Run) float64 { return r.lostSound(r.remote(), from, to) }},
		},
	}
}

// modem is A1 by the system's token bucket in the router's namespace: a queue that is not ours, which tells nobody.
func modem() Scenario {
	const from, to = 8 * second, 23 * second
	return Scenario{
		Row: "A1m", About: "as A1, but the 5 Mbit/s and 500 ms are the system's token bucket at the router's modem",
		Bucket: &Bucket{Rate: 5 * mbit, Queue: 500 * ms, Router: true}, Window: &listener, Guests: talking(4), For: to, Long: true,
		Checks: []Check{
			{"delay of sound, p95", "ms", atMost(150), func(r *Run) float64 { return r.soundDelay(toSpeaker(r), from, to, 0.95) }},
			{"gaps of sound", "", atMost(0), func(r *Run) float64 { return float64(r.gaps(r.remote(), from, to)) }},
			{"pictures with 12/s, fewest of a guest", "", atLeast(4), func(r *Run) float64 { return r.fewest(12, from, to) }},
			{"packets asked for each carried", "", atMost(1.2), func(r *Run) float64 {
				return float64(r.Carried+r.Dropped) / float64(max(r.Carried, 1))
			}},
		},
	}
}

// two is A17.
func two() Scenario {
	const narrow, to = 20 * second, 40 * second
	seen := []pair{{1, 0}}
	return Scenario{
		Row: "A17", About: "two people, host up 2, then 0.4 Mbit/s, queue 300 ms",
		Up: []link.Step{
			{At: 0, Params: rate(2*mbit, 300*ms)}, {At: narrow, Params: rate(4*mbit/10, 300*ms)},
		},
		Window: &speaker, Guests: []Guest{speaker}, For: to,
		Checks: []Check{
			{"at 2: line used", "%", within(70, 95), func(r *Run) float64 { return used(r.Up, 2*mbit, 8*second, narrow) }},
			{"at 0.4: line used", "%", within(70, 95), func(r *Run) float64 { return used(r.Up, 4*mbit/10, narrow+8*second, to) }},
			{"at 0.4: queue, p95", "ms", atMost(120), func(r *Run) float64 { return queue(r.Up, narrow+8*second, to, 0.95) }},
			{"at 0.4: sound lost", "%", atMost(1), func(r *Run) float64 { return r.lostSound(seen, narrow, to) }},
			{"at 0.4: pictures a second", "", atLeast(10), func(r *Run) float64 { return r.slowest(seen, narrow+8*second, to) }},
		},
	}
}

// moves is A18.
func moves() Scenario {
	const gone, back, to = 10 * second, 15 * second, 35 * second
	const up = 10 * mbit
	script := []link.Step{
		{At: 0, Params: rate(up, 300*ms)}, {At: gone, Params: link.Params{Down: true}}, {At: back, Params: rate(up, 300*ms)},
	}
	return Scenario{
		Row: "A18", About: "the host's network is gone for 5 s and comes back with another address; two guests and the host",
		Up: script, Down: script, Window: &listener, Guests: lowRate(talking(1), 600_000), Relay: Public, For: to,
		Events: []Event{{At: back, Move: "44.129.0.3"}},
		Checks: []Check{
			{"sound is back after", "s", atMost(3), func(r *Run) float64 { return r.soundBack(r.remote(), back) }},
		},
	}
}

// many are the rows of A19. In A19b half of them talk. A19c takes ten minutes and is played only if it is asked for.
func many(row string, to time.Duration, talk int) Scenario {
	const from = 5 * second
	guest := func(n int) Guest {
		g := Guest{Camera: person.Camera{Off: true}, Talk: person.TalkMuted}
		if n < 9 {
			g = Guest{Camera: person.Camera{Rate: 100_000, Lines: 180}, Talk: person.TalkSilent}
		}
		if n < talk {
			g.Talk = person.TalkAlways
		}
		return g
	}
	quiet := guest(32)
	guests := make([]Guest, 32)
	for n := range guests {
		guests[n] = guest(n)
	}
	return Scenario{
		Row: row, About: fmt.Sprintf("33 participants, of whom nine have a camera at 100 kbit/s and %d talk, for %v", talk, to-from),
		Window: &quiet, Guests: guests, For: to, Long: to > time.Minute*5,
		Unsound: "33 guests and the host share two cores: gaps are partly the guests' own, and the host's CPU is what counts",
		Checks: []Check{
			{"sound lost", "%", atMost(0), func(r *Run) float64 { return r.lostSound(r.pairs(), from, to) }},
			{"longest silence", "ms", atMost(60), func(r *Run) float64 { return r.silence(r.pairs(), from, to) }},
			{"host's CPU", "cores", atMost(1.3), func(r *Run) float64 { return r.CPU }},
			{"host's memory", "MB", Bound{}, func(r *Run) float64 { return r.Memory }},
			{"host's memory, of that at the beginning", "%", atMost(110), func(r *Run) float64 { return 100 * r.Memory / r.Began }},
		},
	}
}
