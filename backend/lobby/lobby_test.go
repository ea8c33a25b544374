package lobby

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/limit"
	"github.com/porch-call/porch/backend/signalling"
)

// Each outcome answers the waiting guest once and removes the request.
func TestWaysOut(t *testing.T) {
	ways := []struct {
		name string
		do   func(p porch, ticket *Ticket)
		want Verdict
	}{
		{"admitted", func(p porch, k *Ticket) { must(p, p.Admit(k.ID())) }, Verdict{Outcome: Admitted}},
		{"admitted with everyone", func(p porch, k *Ticket) { p.AdmitAll([]string{k.ID()}) }, Verdict{Outcome: Admitted}},
		{"declined once", func(p porch, k *Ticket) { must(p, p.Decline(k.ID())) }, Verdict{Outcome: Declined, MayRetry: true}},
		{"declined with everyone", func(p porch, k *Ticket) { p.DeclineAll([]string{k.ID()}) }, Verdict{Outcome: Declined, MayRetry: true}},
		{"blocked", func(p porch, k *Ticket) { must(p, p.Block(k.ID())) }, Verdict{Outcome: Blocked}},
		{"device blocked", func(p porch, _ *Ticket) { p.BlockDevice("phone") }, Verdict{Outcome: Blocked}},
		{"left", func(p porch, k *Ticket) { p.Leave(k) }, Verdict{Outcome: Left}},
		{"did not come back", func(p porch, k *Ticket) { p.Away(k); time.Sleep(2 * time.Minute) }, Verdict{Outcome: Left}},
		{"timed out", func(porch, *Ticket) { time.Sleep(30 * time.Minute) }, Verdict{Outcome: TimedOut}},
		{"asked to wait, timed out", func(p porch, k *Ticket) {
			must(p, p.AskToWait(k.ID(), 0))
			time.Sleep(30 * time.Minute)
		}, Verdict{Outcome: TimedOut}},
		{"replaced", func(p porch, _ *Ticket) { p.knock("phone", "Ann") }, Verdict{Outcome: Replaced}},
		{"link removed", func(p porch, _ *Ticket) { p.Close(Removed) }, Verdict{Outcome: Removed}},
		{"link spent", func(p porch, _ *Ticket) { p.Close(Spent) }, Verdict{Outcome: Spent}},
		{"call ended", func(p porch, _ *Ticket) { p.Close(Ended) }, Verdict{Outcome: Ended}},
		{"host gone", func(p porch, _ *Ticket) { p.Close(HostGone) }, Verdict{Outcome: HostGone}},
		{"shutdown", func(p porch, _ *Ticket) { p.Close(Shutdown) }, Verdict{Outcome: Shutdown}},
		{"closed with nonsense", func(p porch, _ *Ticket) { p.Close(Admitted) }, Verdict{Outcome: Shutdown}},
	}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			inBubble(t, Options{}, func(p porch) {
				ticket := p.knock("phone", "Ann")
				parked := make(chan Verdict, 2)
				for range 2 { // each call of Verdict returns the same
					go func() {
						v, err := ticket.Verdict(context.Background())
						if err != nil {
							t.Error(err)
						}
						parked <- v
					}()
				}
				p.waits(ticket)
				way.do(p, ticket)
				synctest.Wait()
				for range 2 {
					select {
					case v := <-parked:
						if v != way.want {
							t.Errorf("verdict %+v, want %+v", v, way.want)
						}
					default:
						t.Fatal("still parked")
					}
				}
				for _, r := range p.Snapshot().Requests {
					if r.ID == ticket.ID() && way.want.Outcome != Replaced {
						t.Error("the request is still listed")
					}
				}
				// Decided requests don't change, whatever comes late.
				p.Leave(ticket)
				p.Away(ticket)
				if way.want.Outcome != Replaced {
					for name, command := range map[string]func(string) error{
						"admit": p.Admit, "decline": p.Decline, "ask to wait": func(id string) error { return p.AskToWait(id, time.Minute) }, "block": p.Block,
					} {
						if err := command(ticket.ID()); fault.CodeOf(err) != fault.RequestGone {
							t.Errorf("%s afterwards: %v", name, err)
						}
					}
				}
				if got := p.AdmitAll([]string{ticket.ID()}); way.want.Outcome != Replaced && len(got) > 0 {
					t.Errorf("admitted afterwards: %v", got)
				}
				if v := p.verdict(ticket); v != way.want {
					t.Errorf("verdict became %+v", v)
				}
			})
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Run("declined twice", func(t *testing.T) {
		inBubble(t, Options{}, func(p porch) {
			first := p.knock("phone", "Ann")
			must(t, p.Decline(first.ID()))
			if v := p.verdict(first); !v.MayRetry {
				t.Error("no second try")
			}
			second := p.knock("phone", "Ann")
			if r := p.Snapshot().Requests; len(r) != 1 || !r[0].Retry {
				t.Errorf("%+v", r)
			}
			must(t, p.Decline(second.ID()))
			if v := p.verdict(second); v != (Verdict{Outcome: Declined}) {
				t.Errorf("%+v", v)
			}
			p.refused("phone", fault.DeclinedForGood)
			time.Sleep(24 * time.Hour)
			p.refused("phone", fault.DeclinedForGood)
			p.knock("another", "Ann")
		})
	})
	t.Run("admitted between", func(t *testing.T) {
		inBubble(t, Options{}, func(p porch) {
			must(t, p.Decline(p.knock("phone", "Ann").ID()))
			must(t, p.Admit(p.knock("phone", "Ann").ID()))
			last := p.knock("phone", "Ann")
			must(t, p.Decline(last.ID()))
			if v := p.verdict(last); !v.MayRetry {
				t.Error("an admission did not clear the decline before it")
			}
		})
	})
	t.Run("blocked", func(t *testing.T) {
		inBubble(t, Options{}, func(p porch) {
			must(t, p.Block(p.knock("phone", "Ann").ID()))
			p.refused("phone", fault.Blocked)
			p.BlockDevice("never seen")
			p.refused("never seen", fault.Blocked)
		})
	})
	t.Run("locked", func(t *testing.T) {
		inBubble(t, Options{Locked: true}, func(p porch) {
			p.refused("phone", fault.LobbyLocked)
			p.SetLocked(false)
			waiting := p.knock("phone", "Ann")
			p.SetLocked(true)
			p.refused("tablet", fault.LobbyLocked)
			p.waits(waiting)
			p.waits(p.knock("phone", "Ann")) // a waiting device may knock again
			if !p.Snapshot().Locked {
				t.Error("not shown as locked")
			}
		})
	})
	t.Run("full", func(t *testing.T) {
		inBubble(t, Options{Limit: 2}, func(p porch) {
			p.knock("a", "Ann")
			p.knock("b", "Bob")
			p.refused("c", fault.LobbyFull)
			b := p.knock("b", "Bob") // a device that replaces itself needs no room
			p.Leave(b)
			p.knock("c", "Cem")
		})
	})
	t.Run("full, from one address", func(t *testing.T) {
		inBubble(t, Options{}, func(p porch) {
			from := func(address, device string) (*Ticket, error) {
				return p.Knock(p.Context(), Knock{Device: device, Name: device, Address: address})
			}
			var crowd []*Ticket
			for i := range 100 {
				if ticket, err := from("crowd", fmt.Sprint("crowd ", i)); err == nil {
					crowd = append(crowd, ticket)
				}
			}
			if len(crowd) != 64 {
				t.Fatalf("%d of the crowd wait", len(crowd))
			}
			var family []*Ticket
			for i := range 10 { // each takes the newest place of the crowd
				ticket, err := from("home", fmt.Sprint("home ", i))
				must(t, err)
				family = append(family, ticket)
				if v := p.verdict(crowd[63-i]); v != (Verdict{Outcome: Full}) || v.Outcome.EndReason() != signalling.EndFull {
					t.Errorf("who lost the place was told %+v", v)
				}
			}
			for i := range 1500 { // seconds of trying, less than Timeout
				time.Sleep(time.Second)
				if _, err := from("crowd", fmt.Sprint("new ", i)); err == nil {
					t.Fatal("the crowd takes a place back")
				}
				if i%500 == 0 {
					ticket, err := from(fmt.Sprint("elsewhere ", i), fmt.Sprint("guest ", i))
					must(t, err)
					p.Leave(ticket)
					_, err = from("crowd", fmt.Sprint("again ", i))
					must(t, err)
				}
				if i == 1000 {
					for _, ticket := range append(family, crowd[0]) {
						p.waits(ticket)
					}
				}
			}
		})
	})
	t.Run("full, an address each", func(t *testing.T) {
		inBubble(t, Options{Limit: 3}, func(p porch) {
			for i, address := range []string{"a", "b", "b"} {
				_, err := p.Knock(p.Context(), Knock{Device: fmt.Sprint(i), Name: fmt.Sprint(i), Address: address})
				must(t, err)
			}
			for device, address := range map[string]string{"3": "a", "4": "b"} { // refused: would only turn the tables
				if _, err := p.Knock(p.Context(), Knock{Device: device, Name: device, Address: address}); fault.CodeOf(err) != fault.LobbyFull {
					t.Errorf("%s: %v", address, err)
				}
			}
			_, err := p.Knock(p.Context(), Knock{Device: "5", Name: "5"}) // the address is not known
			must(t, err)
			if got := p.names(); !slices.Equal(got, []string{"0", "1", "5"}) {
				t.Errorf("%v wait", got)
			}
		})
	})
	t.Run("too fast, from one address", func(t *testing.T) {
		inBubble(t, Options{}, func(p porch) {
			for i := range 2000 { // each leaves at once
				k := Knock{Device: fmt.Sprint(i), Name: "Ann", Address: "crowd"}
				if ticket, err := p.Knock(p.Context(), k); err == nil {
					p.Leave(ticket)
				} else if fault.CodeOf(err) != fault.TooFast {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Millisecond)
			}
			_, err := p.Knock(p.Context(), Knock{Device: "phone", Name: "Bob", Address: "home"})
			must(t, err)
		})
	})
	t.Run("too fast", func(t *testing.T) {
		inBubble(t, Options{}, func(p porch) {
			for i := range 4 {
				p.knock("phone", fmt.Sprint("Ann ", i))
			}
			p.knock("phone", "Bea")
			time.Sleep(3 * time.Second)
			p.refused("phone", fault.TooFast)
			_, err := p.Knock(p.Context(), Knock{Device: "phone", Name: "Ann"})
			if after := fault.AfterOf(err); after != 7*time.Second {
				p.Errorf("to be tried again in %v", after)
			}
			for range 20 { // a waiting device is found without its pace
				p.knock("phone", "Bea")
			}
			p.knock("tablet", "Bob")
			time.Sleep(7 * time.Second)
			p.knock("phone", "Ann")
			if got := p.names(); !slices.Equal(got, []string{"Ann", "Bob"}) {
				t.Errorf("waiting: %v", got) // the guest that was too fast keeps the place
			}
		})
	})
	t.Run("too many", func(t *testing.T) {
		inBubble(t, Options{TotalRate: limit.Rate{Burst: 3, Every: time.Second}}, func(p porch) {
			for i := range 3 {
				p.Leave(p.knock(fmt.Sprint(i), "Ann"))
			}
			p.refused("3", fault.TooFast)
			time.Sleep(time.Second)
			p.knock("3", "Ann")
		})
	})
	for outcome, code := range map[Outcome]fault.Code{
		Removed: fault.LinkRemoved, Spent: fault.LinkSpent, Ended: fault.CallEnded,
		HostGone: fault.HostGone, Shutdown: fault.ShuttingDown,
	} {
		t.Run("closed: "+string(outcome), func(t *testing.T) {
			inBubble(t, Options{}, func(p porch) {
				p.Close(outcome)
				p.refused("phone", code)
				p.BlockDevice("phone")
				p.SetLocked(true)
				p.SetSilenced(true)
				if s := p.Snapshot(); !s.Closed || len(s.Requests) > 0 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
	t.Run("context", func(t *testing.T) {
		inBubble(t, Options{}, func(p porch) {
			ctx, cancel := context.WithCancel(p.Context())
			ticket := p.knock("phone", "Ann")
			got := make(chan error, 1)
			go func() {
				_, err := ticket.Verdict(ctx)
				got <- err
			}()
			p.waits(ticket)
			cancel()
			if err := <-got; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			p.waits(ticket) // only the caller gave up
			must(t, p.Admit(ticket.ID()))
			if v, err := ticket.Verdict(ctx); err != nil || v.Outcome != Admitted {
				t.Errorf("%+v, %v: the verdict goes before the context", v, err)
			}
		})
	})
}

func TestBell(t *testing.T) {
	inBubble(t, Options{}, func(p porch) {
		start := time.Now()
		at := func(d time.Duration, b signalling.Bell, rings int) BellState {
			return BellState{Bell: b, Since: start.Add(d), Rings: rings, Seen: b == signalling.BellAskWait}
		}
		hears := func(ticket *Ticket, want BellState) {
			t.Helper()
			synctest.Wait()
			select {
			case got := <-ticket.Bell():
				if got != want {
					t.Errorf("%+v, want %+v", got, want)
				}
			default:
				t.Errorf("nothing, want %+v", want)
			}
		}
		silent := func(ticket *Ticket) {
			t.Helper()
			synctest.Wait()
			select {
			case got := <-ticket.Bell():
				t.Errorf("%+v, want nothing", got)
			default:
			}
		}
		ann := p.knock("a", "Ann")
		hears(ann, at(0, signalling.BellRung, 1))
		time.Sleep(time.Second)
		p.SetSilenced(true)
		silent(ann) // it did ring
		bob := p.knock("b", "Bob")
		hears(bob, at(time.Second, signalling.BellSilenced, 0))
		time.Sleep(time.Second)
		must(t, p.AskToWait(ann.ID(), 0))
		hears(ann, at(2*time.Second, signalling.BellAskWait, 1))
		time.Sleep(time.Second)
		must(t, p.AskToWait(ann.ID(), 0))
		p.SetSilenced(false)
		hears(ann, at(3*time.Second, signalling.BellAskWait, 1))
		hears(bob, at(3*time.Second, signalling.BellRung, 1))

		cem := p.knock("c", "Cem")
		must(t, p.AskToWait(cem.ID(), 0))
		hears(cem, at(3*time.Second, signalling.BellAskWait, 1)) // states that were overtaken are left out
		silent(cem)
	})
}

func TestEveryoneIsWhoWasSeen(t *testing.T) {
	inBubble(t, Options{}, func(p porch) {
		ann, bob := p.knock("a", "Ann"), p.knock("b", "Bob")
		seen := []string{ann.ID(), bob.ID(), "gone long ago"}
		late := p.knock("c", "Cem")
		if got := p.AdmitAll(seen); !slices.Equal(got, seen[:2]) {
			t.Errorf("%v", got)
		}
		if p.verdict(ann).Outcome != Admitted || p.verdict(bob).Outcome != Admitted {
			t.Error("not let in")
		}
		p.waits(late)
		if got := p.DeclineAll([]string{late.ID(), late.ID()}); !slices.Equal(got, []string{late.ID()}) {
			t.Errorf("%v", got)
		}
	})
}

func TestOnChange(t *testing.T) {
	t.Run("newest", func(t *testing.T) {
		var got []Snapshot
		inBubble(t, Options{OnChange: func(s Snapshot) { got = append(got, s) }}, func(p porch) {
			ticket := p.knock("phone", "Ann")
			synctest.Wait()
			p.SetSilenced(false) // no change
			synctest.Wait()
			if len(got) != 1 || len(got[0].Requests) != 1 {
				t.Fatalf("%+v", got)
			}
			p.SetLocked(true)
			synctest.Wait()
			p.Leave(ticket)
			synctest.Wait()
			p.Close(Ended)
			synctest.Wait()
			if len(got) != 4 || !got[1].Locked || len(got[2].Requests) != 0 || !got[3].Closed {
				t.Errorf("%+v", got)
			}
		})
	})
	t.Run("slow, and calling back", func(t *testing.T) {
		var l *Lobby
		first, goOn := make(chan struct{}), make(chan struct{})
		var got []Snapshot
		o := Options{OnChange: func(s Snapshot) {
			if got = append(got, s); len(got) == 1 {
				close(first)
				<-goOn
			}
			l.SetSilenced(false)
		}}
		synctest.Test(t, func(t *testing.T) {
			l = New(o)
			p := porch{t, l}
			p.knock("a", "Ann")
			<-first
			p.knock("b", "Bob")
			p.knock("c", "Cem") // the lobby does not wait for its listener
			close(goOn)
			synctest.Wait()
			if len(got) != 2 || len(got[0].Requests) != 1 || len(got[1].Requests) != 3 {
				t.Errorf("%+v", got)
			}
			l.Close(Ended)
		})
	})
}

func TestEndReasons(t *testing.T) {
	want := map[Outcome]signalling.EndReason{
		Admitted: "", Declined: "", Left: "", Blocked: signalling.EndBlocked, TimedOut: signalling.EndTimedOut,
		Replaced: signalling.EndReplaced, Removed: signalling.EndRemoved, Spent: signalling.EndSpent,
		Ended: signalling.EndEnded, HostGone: signalling.EndShutdown, Shutdown: signalling.EndShutdown,
	}
	for o, r := range want {
		if got := o.EndReason(); got != r {
			t.Errorf("%s: %q, want %q", o, got, r)
		}
	}
}
