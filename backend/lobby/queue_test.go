package lobby

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/limit"
	"github.com/porch-call/porch/backend/signalling"
)

// After random events in random order, a ticket says Admitted only if the host admitted that device under that name,
// once for each. No guest is lost, and nothing grows beyond its bounds.
func TestNothingIsAdmittedByDefault(t *testing.T) {
	type guest struct{ device, name string }
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		q := newQueue(Options{Limit: 5, Devices: 8, Timeout: 5 * time.Minute, AwayGrace: time.Minute}.withDefaults())
		now := time.Unix(1_800_000_000, 0)
		allowed := make(map[guest]int) // admissions by the host that are not used yet
		open := make(map[*Ticket]guest)
		away := make(map[*Ticket]bool) // no guest waits for these tickets any more
		var tickets []*Ticket
		for range 400 {
			now = now.Add(time.Duration(r.IntN(20)) * time.Second)
			id := "none"
			if n := len(q.waiting); n > 0 && r.IntN(8) > 0 {
				id = q.waiting[r.IntN(n)].request.ID
			}
			switch r.IntN(12) {
			case 0, 1, 2, 3:
				g := guest{fmt.Sprint(r.IntN(10)), string(rune('A' + r.IntN(2)))}
				standing := r.IntN(15) == 0
				ticket, err := q.knock(Knock{
					Device: g.device, Name: g.name, Address: fmt.Sprint(r.IntN(3)), Standing: standing, Work: Work(r.IntN(3)),
				}, now)
				if errors.Is(err, ErrWork) {
					break
				}
				if err != nil {
					if fault.CodeOf(err) == fault.Internal {
						t.Fatal(err)
					}
					break
				}
				select {
				case <-ticket.done:
					if ticket.verdict.Standing {
						if !standing || q.locked {
							t.Fatalf("seed %d: in by a decision that nobody made, or through a lock", seed)
						}
						continue
					}
				default:
				}
				tickets = append(tickets, ticket)
				open[ticket] = g
			case 4, 5:
				e := q.byID(id)
				if q.admit(id, now) {
					allowed[guest{e.ticket.device, e.request.Name}]++
				}
			case 6:
				q.decline(id, now)
			case 7:
				q.see(id)
				q.askToWait(id, time.Duration(r.IntN(3))*time.Minute, now)
			case 8:
				if r.IntN(10) == 0 {
					q.block(id, now)
				}
			case 9, 10:
				if len(tickets) > 0 {
					ticket := tickets[max(0, len(tickets)-1-r.IntN(4))]
					if r.IntN(3) == 0 {
						q.leave(ticket, now)
					} else {
						q.away(ticket, now)
						away[ticket] = true
					}
				}
			case 11:
				q.setSilenced(r.IntN(2) == 0, now)
				q.setLocked(r.IntN(4) == 0)
			}
			q.expire(now)
			if len(q.waiting) > 5 || len(q.devices.byID) > 8 {
				t.Fatalf("seed %d: %d wait, %d devices", seed, len(q.waiting), len(q.devices.byID))
			}
			kept := 0
			for _, order := range q.devices.order {
				kept += order.Len()
			}
			if kept != len(q.devices.byID) {
				t.Fatalf("seed %d: %d in order, %d by id", seed, kept, len(q.devices.byID))
			}
			waiting := make(map[*Ticket]bool)
			for _, e := range q.waiting {
				if waiting[e.ticket] || e.ticket.id != e.request.ID {
					t.Fatalf("seed %d: two requests of one ticket, or ids apart", seed)
				}
				waiting[e.ticket] = true
			}
			for ticket, g := range open {
				select {
				case <-ticket.done:
					if waiting[ticket] {
						t.Fatalf("seed %d: decided and waiting", seed)
					}
					if ticket.verdict.Outcome == Admitted && !away[ticket] {
						if r.IntN(2) == 0 && !ticket.taken.Load() {
							continue // its guest may have been lost just now
						}
						ticket.taken.Store(true)
						allowed[g]--
						if allowed[g] < 0 {
							t.Fatalf("seed %d: %v is in, and nobody let them in", seed, g)
						}
					}
					delete(open, ticket)
				default:
					if !waiting[ticket] {
						t.Fatalf("seed %d: neither decided nor waiting", seed)
					}
				}
			}
		}
		q.close(Removed)
		for ticket := range open {
			select {
			case <-ticket.done:
			default:
				t.Fatalf("seed %d: left behind at closing", seed)
			}
		}
	}
}

func TestFloodIsBounded(t *testing.T) {
	o := Options{}.withDefaults()
	now := time.Unix(1_800_000_000, 0)
	check := func(t *testing.T, q *queue) {
		t.Helper()
		if len(q.waiting) > o.Limit || len(q.devices.byID) > o.Devices {
			t.Errorf("%d wait, %d devices", len(q.waiting), len(q.devices.byID))
		}
	}
	t.Run("devices", func(t *testing.T) {
		q := newQueue(o)
		in := 0
		for i := range 50_000 {
			_, err := q.knock(Knock{Device: fmt.Sprint(i), Name: "Ann"}, now)
			switch code := fault.CodeOf(err); code {
			case "":
				in++
			case fault.LobbyFull, fault.TooFast:
			default:
				t.Fatal(err)
			}
		}
		if in != o.Limit {
			t.Errorf("%d came in", in)
		}
		check(t, q)
	})
	t.Run("addresses", func(t *testing.T) {
		q := newQueue(o)
		for i := range 50_000 {
			_, _ = q.knock(Knock{Device: fmt.Sprint(i), Name: "Ann", Address: fmt.Sprint(i)}, now)
			now = now.Add(time.Millisecond)
		}
		if n := q.addresses.Len(); n > o.Devices {
			t.Errorf("%d addresses", n)
		}
		check(t, q)
	})
	t.Run("devices that leave at once", func(t *testing.T) {
		q := newQueue(o)
		in := 0
		for i := range 50_000 {
			if ticket, err := q.knock(Knock{Device: fmt.Sprint(i), Name: "Ann"}, now); err == nil {
				in++
				q.leave(ticket, now)
			}
			now = now.Add(time.Millisecond)
		}
		if most := o.TotalRate.Burst + 4*50; in > most {
			t.Errorf("%d rings in 50 s, want at most %d", in, most)
		}
		check(t, q)
	})
	t.Run("retries", func(t *testing.T) {
		q := newQueue(o)
		in := 0
		for i := range 50_000 {
			if _, err := q.knock(Knock{Device: "phone", Name: fmt.Sprint(i)}, now); err == nil {
				in++
			}
			now = now.Add(time.Millisecond)
		}
		if in > o.Rate.Burst+5 {
			t.Errorf("%d of 50,000 knocks within 50 s were taken", in)
		}
		check(t, q)
	})
	t.Run("ways back", func(t *testing.T) { // each knock is accepted and uses no rate
		q := newQueue(o)
		costly, rung := 0, 0
		for range 50_000 {
			ticket, err := q.knock(Knock{Device: "phone", Name: "Ann"}, now)
			must(t, err)
			if ticket.Paced() {
				costly++
			}
			if q.changed {
				rung++
				q.changed = false
			}
			now = now.Add(time.Millisecond)
		}
		if costly > o.Rate.Burst+5 || rung != 1 {
			t.Errorf("of 50,000 knocks within 50 s %d were worth a picture, %d changed the lobby", costly, rung)
		}
		check(t, q)
	})
	t.Run("declines and blocks", func(t *testing.T) {
		q := newQueue(o)
		for i := range 20_000 {
			now = now.Add(time.Second)
			ticket, err := q.knock(Knock{Device: fmt.Sprint(i), Name: "Ann"}, now)
			must(t, err)
			switch i % 3 {
			case 0:
				q.decline(ticket.id, now)
			case 1:
				q.block(ticket.id, now)
			case 2:
				q.away(ticket, now)
				q.admit(ticket.id, now)
			}
		}
		check(t, q)
	})
}

// A flood of invented devices does not make the lobby forget a device that the host refused.
func TestFloodForgetsNoRefusal(t *testing.T) {
	o := Options{Devices: 100}.withDefaults()
	q := newQueue(o)
	now := time.Unix(1_800_000_000, 0)
	knock := func(device string) (*Ticket, error) {
		now = now.Add(11 * time.Second)
		return q.knock(Knock{Device: device, Name: "Ann"}, now)
	}
	for range maxDeclines {
		ticket, err := knock("declined")
		must(t, err)
		q.decline(ticket.id, now)
	}
	q.blockDevice("blocked", now)
	for i := range 1000 {
		if ticket, err := knock(fmt.Sprint(i)); err == nil {
			q.leave(ticket, now)
		}
	}
	if _, err := knock("declined"); fault.CodeOf(err) != fault.DeclinedForGood {
		t.Error(err)
	}
	if _, err := knock("blocked"); fault.CodeOf(err) != fault.Blocked {
		t.Error(err)
	}
	// When only refusals are remembered, the oldest decline is forgotten first, and blocks last.
	for i := range 200 {
		ticket, err := knock(fmt.Sprint("d", i))
		must(t, err)
		q.decline(ticket.id, now)
	}
	if _, err := knock("blocked"); fault.CodeOf(err) != fault.Blocked {
		t.Error(err)
	}
	if _, err := knock("declined"); err != nil {
		t.Error(err)
	}
}

func TestNextIsTheEarliest(t *testing.T) {
	q := newQueue(Options{}.withDefaults())
	now := time.Unix(1_800_000_000, 0)
	if _, ok := q.next(); ok {
		t.Error("something to do in an empty lobby")
	}
	ann, err := q.knock(Knock{Device: "a", Name: "Ann"}, now)
	must(t, err)
	bob, err := q.knock(Knock{Device: "b", Name: "Bob"}, now.Add(time.Minute))
	must(t, err)
	if at, ok := q.next(); !ok || !at.Equal(now.Add(time.Minute+pause(1))) {
		t.Error(at, ok)
	}
	q.see(ann.id)
	q.see(bob.id)
	if at, ok := q.next(); !ok || !at.Equal(now.Add(q.o.Timeout)) {
		t.Error(at, ok)
	}
	q.away(bob, now.Add(time.Minute))
	if at, _ := q.next(); !at.Equal(now.Add(time.Minute + q.o.AwayGrace)) {
		t.Error(at)
	}
	q.expire(now.Add(q.o.Timeout - 1))
	if len(q.waiting) != 1 || q.waiting[0].ticket != ann || q.waiting[0].request.Bell != signalling.BellRung {
		t.Error("the wrong one went")
	}
}

// TestAWideAddress: the holder of an IPv6 /48 can use 65,536 addresses. Together they get the rate of two addresses,
// and one address's share when the lobby is full.
func TestAWideAddress(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	wide := func(i int) string { return fmt.Sprintf("widewide%08d", i) } // as household.Key makes them
	q := newQueue(Options{Limit: 1000, AddressRate: limit.Rate{Burst: 10, Every: time.Second}}.withDefaults())
	taken := 0
	for i := range 100 {
		if _, err := q.knock(Knock{Device: fmt.Sprint(i), Name: "Ann", Address: wide(i)}, now); err == nil {
			taken++
		}
	}
	if taken != 20 {
		t.Errorf("%d knocks of one /48 at once", taken)
	}

	q = newQueue(Options{Limit: 8}.withDefaults())
	for i := range 8 {
		if _, err := q.knock(Knock{Device: fmt.Sprint(i), Name: "Ann", Address: wide(i)}, now); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := q.knock(Knock{Device: "other", Name: "Bob", Address: "homehome00000000"}, now); err != nil {
		t.Errorf("no place beside a /48: %v", err)
	}
	if _, err := q.knock(Knock{Device: "more", Name: "Ann", Address: wide(9)}, now); fault.CodeOf(err) != fault.LobbyFull {
		t.Errorf("one more of the /48: %v", err)
	}
}
