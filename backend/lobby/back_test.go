package lobby

import (
	"context"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/signalling"
)

// TestReturn puts a guest back among those who wait: without a bell, whatever the lock says, and so that nothing but a
// decision of the host lets them in.
func TestReturn(t *testing.T) {
	inBubble(t, Options{Limit: 1, Locked: true}, func(p porch) {
		k := Knock{Device: "phone", Key: "key", Name: "Ann", Standing: true}
		out := p.Return(k)
		r := p.Snapshot().Requests[0]
		if !r.Outside || !r.Away || r.Bell != signalling.BellAskWait || r.ID != out.ID() {
			t.Fatalf("%+v", r)
		}
		back, err := p.Knock(context.Background(), k)
		must(t, err)
		p.waits(back)
		if r := p.Snapshot().Requests[0]; r.Away || r.ID != out.ID() || r.Rings != 0 {
			t.Fatalf("%+v", r)
		}

		// Whoever leaves and comes again, with the device or the key alone, knocks like everybody.
		p.Leave(back)
		p.SetLocked(false)
		for _, again := range []Knock{k, {Device: "other", Key: "key", Name: "Ann", Standing: true}} {
			knocked, err := p.Knock(context.Background(), again)
			must(t, err)
			p.waits(knocked)
			p.Leave(knocked)
		}
		time.Sleep(time.Minute)
		last, err := p.Knock(context.Background(), k)
		must(t, err)
		must(t, p.Admit(last.ID()))
		standing, err := p.Knock(context.Background(), k)
		must(t, err)
		if v := p.verdict(standing); v.Outcome != Admitted {
			t.Fatalf("%+v", v)
		}
	})
}

// TestReturnIsDecidedBeforeTheKnock lets in a guest outside whose page has not knocked yet.
func TestReturnIsDecidedBeforeTheKnock(t *testing.T) {
	inBubble(t, Options{}, func(p porch) {
		k := Knock{Device: "phone", Name: "Ann"}
		must(t, p.Admit(p.Return(k).ID()))
		back, err := p.Knock(context.Background(), k)
		must(t, err)
		if v := p.verdict(back); v.Outcome != Admitted {
			t.Fatalf("%+v", v)
		}
		p.Return(k)
		time.Sleep(3 * time.Minute)
		if n := len(p.Snapshot().Requests); n != 0 {
			t.Fatalf("%d wait who are gone", n)
		}
	})
}

// TestPutOut puts out a guest whose seat was held with two devices: none of them comes in by a standing decision, nor
// does a key that is proved only outside, until the host lets it in.
func TestPutOut(t *testing.T) {
	inBubble(t, Options{}, func(p porch) {
		p.PutOut([]string{"laptop", "phone"}, "key")
		back := p.Return(Knock{Device: "phone", Name: "Ann"})
		own, err := p.Knock(context.Background(), Knock{Device: "phone", Key: "phone's key", Name: "Ann", Standing: true})
		must(t, err)
		p.waits(own)
		p.Leave(own)
		p.Leave(back)
		for _, k := range []Knock{{Device: "laptop"}, {Device: "phone"}, {Device: "new", Key: "key"}, {Device: "newer", Key: "phone's key"}} {
			k.Name, k.Standing = "Ann", true
			ticket, err := p.Knock(context.Background(), k)
			must(t, err)
			p.waits(ticket)
			must(t, p.Admit(ticket.ID()))
		}
	})
}

// TestNoPromiseOfAStandingDecision: a guest who came by a standing decision and was lost at once is judged anew.
func TestNoPromiseOfAStandingDecision(t *testing.T) {
	inBubble(t, Options{}, func(p porch) {
		k := Knock{Device: "phone", Key: "key", Name: "Ann", Standing: true}
		in, err := p.Knock(context.Background(), k)
		must(t, err)
		if v := p.verdict(in); v.Outcome != Admitted || !v.Standing {
			t.Fatalf("%+v", v)
		}
		p.Undelivered(in)
		k.Standing = false // the host has taken it back
		back, err := p.Knock(context.Background(), k)
		must(t, err)
		p.waits(back)
	})
}
