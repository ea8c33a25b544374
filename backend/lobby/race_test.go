package lobby

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/limit"
)

// Two things happen to one request at the same time. One of them wins, the guest gets its answer, and the caller of
// the other is told so.
func TestRaces(t *testing.T) {
	type side struct {
		outcome Outcome
		do      func(l *Lobby, ticket *Ticket) error // a nil error means that it won, or can't tell
	}
	silent := func(f func(l *Lobby, ticket *Ticket)) func(*Lobby, *Ticket) error {
		return func(l *Lobby, ticket *Ticket) error { f(l, ticket); return nil }
	}
	admit := side{Admitted, func(l *Lobby, k *Ticket) error { return l.Admit(k.ID()) }}
	decline := side{Declined, func(l *Lobby, k *Ticket) error { return l.Decline(k.ID()) }}
	block := side{Blocked, func(l *Lobby, k *Ticket) error { return l.Block(k.ID()) }}
	leave := side{Left, silent(func(l *Lobby, k *Ticket) { l.Leave(k) })}
	remove := side{Removed, silent(func(l *Lobby, _ *Ticket) { l.Close(Removed) })}
	replace := side{Replaced, silent(func(l *Lobby, _ *Ticket) {
		_, _ = l.Knock(context.Background(), Knock{Device: "phone", Name: "Other"})
	})}
	timeout := side{TimedOut, silent(func(*Lobby, *Ticket) { time.Sleep(time.Microsecond) })} // Options.Timeout below

	for _, race := range []struct {
		name string
		a, b side
	}{
		{"two admits", admit, admit},
		{"admit and decline", admit, decline},
		{"admit and block", admit, block},
		{"admit and leave", admit, leave},
		{"admit and time-out", admit, timeout},
		{"decline and time-out", decline, timeout},
		{"admit and replacing", admit, replace},
		{"admit and removal", admit, remove},
		{"leave and removal", leave, remove},
		{"two removals", remove, remove},
	} {
		t.Run(race.name, func(t *testing.T) {
			for range 300 {
				o := Options{}
				if race.b.outcome == TimedOut {
					o.Timeout = 20 * time.Microsecond
				}
				l := New(o)
				ticket, err := l.Knock(t.Context(), Knock{Device: "phone", Name: "Ann"})
				must(t, err)
				start := make(chan struct{})
				errs := make([]error, 2)
				var wg sync.WaitGroup
				for i, s := range []side{race.a, race.b} {
					wg.Go(func() {
						<-start
						errs[i] = s.do(l, ticket)
					})
				}
				var heard [2]Verdict
				for i := range heard {
					wg.Go(func() {
						<-start
						heard[i], _ = ticket.Verdict(context.Background())
					})
				}
				close(start)
				wg.Wait()
				if heard[0] != heard[1] {
					t.Fatalf("heard %+v and %+v", heard[0], heard[1])
				}
				won := heard[0].Outcome
				if won != race.a.outcome && won != race.b.outcome {
					t.Fatalf("heard %+v", heard[0])
				}
				for i, s := range []side{race.a, race.b} {
					if code := fault.CodeOf(errs[i]); code != "" && code != fault.RequestGone {
						t.Fatal(errs[i])
					}
					if errs[i] == nil && s.do != nil && (s.outcome == Admitted || s.outcome == Declined || s.outcome == Blocked) && won != s.outcome {
						t.Fatalf("%s said it won, the guest heard %s", s.outcome, won)
					}
				}
				if race.name == "two admits" && (errs[0] == nil) == (errs[1] == nil) {
					t.Fatalf("two admits: %v, %v", errs[0], errs[1])
				}
				l.Close(Shutdown)
			}
		})
	}
}

// Many guests knock, leave, vanish and come back while the host decides and finally closes. No guest keeps waiting.
func TestCrowd(t *testing.T) {
	l := New(Options{Limit: 16, Timeout: time.Hour, Rate: limit.Rate{Burst: 1 << 20, Every: time.Second}, TotalRate: limit.Rate{Burst: 1 << 20, Every: time.Second}})
	var admitted, other atomic.Int64
	var guests, host sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		host.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				for j, r := range l.Snapshot().Requests {
					switch (i + j) % 3 {
					case 0:
						_ = l.Admit(r.ID)
					case 1:
						_ = l.Decline(r.ID)
					default:
						l.AdmitAll([]string{r.ID})
					}
				}
			}
		})
	}
	for g := range 24 {
		guests.Go(func() {
			device := fmt.Sprint("device ", g)
			for i := range 60 {
				if i%20 == 19 {
					device += "'" // a new browser, because the old one would be declined for good
				}
				ticket, err := l.Knock(context.Background(), Knock{Device: device, Name: "Ann"})
				if err != nil {
					continue
				}
				switch (g + i) % 4 {
				case 0:
					l.Leave(ticket)
				case 1:
					l.Away(ticket)
					if again, err := l.Knock(context.Background(), Knock{Device: device, Name: "Ann"}); err == nil {
						ticket = again
					}
				}
				v, err := ticket.Verdict(context.Background())
				if err != nil {
					t.Error(err)
				}
				if v.Outcome != Admitted {
					other.Add(1)
					continue
				}
				admitted.Add(1)
			}
		})
	}
	guests.Wait()
	close(stop)
	host.Wait()
	l.Close(Ended)
	if admitted.Load() == 0 || other.Load() == 0 {
		t.Errorf("%d admitted, %d not: nothing was tried", admitted.Load(), other.Load())
	}
}
