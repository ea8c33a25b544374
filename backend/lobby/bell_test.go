package lobby

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porch-call/porch/backend/signalling"
)

// rings returns when the bell rang within a time from the start of the test, and how the bell stood with each ring.
func (p porch) rings(ticket *Ticket, start time.Time, within time.Duration) (at []string) {
	p.Helper()
	end := time.Now().Add(within)
	for time.Now().Before(end) {
		synctest.Wait()
		select {
		case b := <-ticket.Bell():
			if b.Bell == signalling.BellRung && !b.Seen {
				at = append(at, fmt.Sprintf("%d after %v", b.Rings, time.Since(start)))
			}
		default:
		}
		time.Sleep(time.Second)
	}
	return at
}

func (p porch) want(got []string, want ...string) {
	p.Helper()
	if !slices.Equal(got, want) {
		p.Errorf("rang %q, want %q", got, want)
	}
}

func TestTheBellGoesOn(t *testing.T) {
	inBubble(t, Options{}, func(p porch) {
		start := time.Now()
		ann := p.knock("a", "Ann")
		p.want(p.rings(ann, start, 170*time.Second),
			"1 after 0s", "2 after 10s", "3 after 20s", "4 after 40s", "5 after 1m40s", "6 after 2m40s")
		p.See([]string{"unknown", ann.ID()})
		synctest.Wait()
		if b := <-ann.Bell(); !b.Seen || b.Rings != 6 {
			t.Errorf("the guest hears %+v", b)
		}
		if r := p.Snapshot().Requests[0]; !r.Seen || r.Rings != 6 {
			t.Errorf("the host sees %+v", r)
		}
		p.want(p.rings(ann, start, 10*time.Minute))
	})
}

func TestNoBellForGuestsWhoAreAway(t *testing.T) {
	inBubble(t, Options{AwayGrace: time.Hour}, func(p porch) {
		start := time.Now()
		ann := p.knock("a", "Ann")
		p.want(p.rings(ann, start, 5*time.Second), "1 after 0s")
		p.Away(ann)
		p.want(p.rings(ann, start, time.Minute))
		back := p.knock("a", "Ann")
		synctest.Wait()
		if b := <-back.Bell(); b.Rings != 2 { // it was due, and is heard with the return
			t.Errorf("came back to %+v", b)
		}
		p.want(p.rings(back, start, 20*time.Second), "3 after 1m15s")
	})
}

func TestSilenceHolds(t *testing.T) {
	inBubble(t, Options{}, func(p porch) {
		start := time.Now()
		ann := p.knock("a", "Ann")
		p.want(p.rings(ann, start, 15*time.Second), "1 after 0s", "2 after 10s")
		p.SetSilenced(true)
		bea := p.knock("b", "Bea")
		p.want(p.rings(ann, start, 5*time.Minute))
		p.want(p.rings(bea, start, time.Minute))
		p.SetSilenced(false)
		p.want(p.rings(bea, start, 5*time.Second), "1 after 6m15s")
	})
}

// Many guests who wait are one bell: those who knock later ring with the others, and none rings more than its schedule.
func TestOneBellForMany(t *testing.T) {
	inBubble(t, Options{}, func(p porch) {
		start := time.Now()
		moments := map[time.Duration]int{}
		var tickets []*Ticket
		for i := range 5 {
			tickets = append(tickets, p.knock(fmt.Sprint(i), "Ann"))
			time.Sleep(3 * time.Second)
		}
		for time.Since(start) < 10*time.Minute {
			synctest.Wait()
			for _, ticket := range tickets {
				select {
				case b := <-ticket.Bell():
					moments[b.Since.Sub(start)]++
				default:
				}
			}
			time.Sleep(time.Second)
		}
		if len(moments) > 5+4+10 {
			t.Errorf("five guests ring at %d moments: %v", len(moments), moments)
		}
		for _, r := range p.Snapshot().Requests {
			if r.Rings < 11 || r.Rings > 16 {
				t.Errorf("rang %d times in ten minutes", r.Rings)
			}
		}
	})
}

func TestAskToWaitWithATime(t *testing.T) {
	inBubble(t, Options{}, func(p porch) {
		start := time.Now()
		ann := p.knock("a", "Ann")
		p.want(p.rings(ann, start, 5*time.Second), "1 after 0s")
		must(t, p.AskToWait(ann.ID(), 5*time.Minute))
		synctest.Wait()
		if b := <-ann.Bell(); b.Bell != signalling.BellAskWait || !b.Seen || b.Until.Sub(b.Since) != 5*time.Minute {
			t.Errorf("the guest hears %+v", b)
		}
		p.want(p.rings(ann, start, 6*time.Minute), "2 after 5m5s", "3 after 5m15s", "4 after 5m35s")
		must(t, p.AskToWait(ann.ID(), 0))
		p.want(p.rings(ann, start, 15*time.Minute))
	})
}
