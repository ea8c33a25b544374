package host

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/host/loop"
	"github.com/porch-call/porch/backend/host/turncredentials"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/relay/client"
	"github.com/porch-call/porch/backend/signalling"
)

func TestCredentialsAreRevoked(t *testing.T) {
	name := func(v *visitor) string {
		t.Helper()
		servers := v.seat.ICEServers
		if len(servers) != 2 {
			t.Fatalf("servers: %+v", servers)
		}
		_, user, _ := strings.Cut(servers[1].Username, ":")
		return user
	}
	revoked := func(r *farRelay, want ...string) {
		t.Helper()
		slices.Sort(want)
		deadline := time.Now().Add(patience)
		for got := r.revocations(); !slices.Equal(got, want); got = r.revocations() {
			if time.Now().After(deadline) {
				t.Fatalf("revoked %q, want %q", got, want)
			}
			time.Sleep(time.Millisecond)
		}
	}
	f, r := onRelay(t, setup{timing: Timing{Credentials: patience}})
	l := f.link()
	far := f.through(r)

	declined := far.knock(l, "Declined")
	f.must(f.host.Decline(f.ctx, f.request("Declined").ID))
	if d := expect[signalling.Declined](declined); !d.MayRetry {
		t.Fatal(d)
	}
	declined.send(signalling.Leave{})

	ada, boris, carla := far.enter(l, "Ada"), far.enter(l, "Boris"), far.enter(l, "Carla")
	names := []string{name(ada), name(boris), name(carla)}
	if slices.Contains(names[1:], names[0]) || names[1] == names[2] {
		t.Fatalf("shared: %q", names)
	}
	revoked(r) // nothing that was not handed out

	f.must(f.host.RemoveParticipant(f.ctx, l.ID, ada.seat.Participant, false))
	ada.ended(signalling.EndKicked)
	revoked(r, names[0])
	boris.vanish()
	f.until("Boris is away", func(s hoststate.State) bool {
		return slices.ContainsFunc(s.Calls[0].Participants, func(p hoststate.ParticipantView) bool { return p.Away })
	})
	again := far.greet(l, boris.back)
	again.seated()
	if name(again) != names[1] {
		t.Errorf("back with %q, had %q", name(again), names[1])
	}
	revoked(r, names[0])
	carla.send(signalling.Leave{})
	revoked(r, names[0], names[2])
	f.must(f.host.EndCall(f.ctx, l.ID))
	again.ended(signalling.EndEnded)
	revoked(r, names...)
}

// A relay that is slow, or has none to give, keeps nobody at an open door.
func TestCredentialsThatDoNotCome(t *testing.T) {
	f, r := onRelay(t, setup{timing: Timing{Credentials: 50 * time.Millisecond}})
	l := f.link()
	r.mu.Lock()
	r.hold = make(chan struct{})
	r.mu.Unlock()
	ada := f.through(r).enter(l, "Ada")
	if servers := ada.seat.ICEServers; len(servers) != 1 || servers[0].Username != "" {
		t.Errorf("slow: %+v", servers)
	}
	r.mu.Lock()
	close(r.hold)
	r.hold, r.failing = nil, fault.New(fault.RelayUnreachable, nil)
	r.mu.Unlock()
	boris := f.through(r).enter(l, "Boris")
	if servers := boris.seat.ICEServers; len(servers) != 1 {
		t.Errorf("failing: %+v", servers)
	}
}

func TestPassage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := newFarRelays(t)
		there, _ := far.Open(client.Options{URL: porchExample})
		r := far.at(porchExample)
		r.lasting = 10 * time.Minute
		ctx, cancel := context.WithCancel(t.Context())
		var background loop.Background
		source := func() *turncredentials.Source {
			return &turncredentials.Source{
				Relay: there, Context: ctx, Now: time.Now, Log: slog.New(slog.DiscardHandler), Patience: time.Second, TryGo: background.TryGo,
			}
		}
		p := turncredentials.From(source())
		asked := func() int {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.given
		}
		change := func(lasting time.Duration, failing error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.lasting, r.failing = lasting, failing
		}
		user := func() string {
			if s := p.Servers(); len(s) > 0 {
				_, user, _ := strings.Cut(s[0].Username, ":")
				return user
			}
			return ""
		}

		p.Await(ctx) // nothing is under way
		p.Prepare()
		p.Prepare() // one request
		p.Await(ctx)
		synctest.Wait()
		if asked() != 1 {
			t.Errorf("%d requests", asked())
		}
		time.Sleep(25 * time.Minute) // who waits long has them fetched again, in time
		synctest.Wait()
		if asked() != 3 {
			t.Errorf("%d requests in 25 minutes", asked())
		}
		if got := user(); got != "user-3" {
			t.Errorf("handed out %q", got)
		}
		time.Sleep(time.Hour) // once they are handed out, they are not fetched any more
		synctest.Wait()
		if asked() != 3 || user() != "" {
			t.Errorf("%d requests; expired ones are handed out", asked())
		}
		if got := p.Renewed(); got != nil { // STUN alone would take the relayed way from a connection
			t.Errorf("handed out %v to somebody whose connection goes on", got)
		}
		p.Prepare() // the guest comes back
		p.Await(ctx)
		if got := p.Renewed(); len(got) == 0 || !strings.HasSuffix(got[len(got)-1].Username, ":user-4") || user() != "user-4" {
			t.Errorf("handed out %v", got)
		}
		p.End()
		p.End()
		if got := r.revocations(); !slices.Equal(got, []string{"user-3", "user-4"}) {
			t.Errorf("revoked %q", got)
		}
		if p.Prepare(); user() != "" || asked() != 4 {
			t.Error("goes on after its end")
		}

		// A relay whose clock is wrong, and one that fails for a while.
		p = turncredentials.From(source())
		change(-time.Hour, nil)
		p.Prepare()
		p.Await(ctx)
		if got := user(); got != "user-5" {
			t.Errorf("handed out %q", got)
		}
		p.End()
		p = turncredentials.From(source())
		change(time.Hour, fault.New(fault.RelayUnreachable, nil))
		p.Prepare()
		p.Await(ctx)
		change(time.Hour, nil)
		p.Prepare() // not at once again
		synctest.Wait()
		if asked() != 5 {
			t.Error("asks without a pause")
		}
		time.Sleep(turncredentials.Pause + time.Second)
		synctest.Wait()
		if got := user(); got != "user-6" {
			t.Errorf("handed out %q", got)
		}
		p.End()
		var none *turncredentials.Credentials
		none.Prepare()
		none.Await(ctx)
		none.End()
		if none.Servers() != nil || none.Renewed() != nil {
			t.Error("a guest of the relay inside the app needs no servers")
		}
		cancel()
		background.Wait()
	})
}

// TestStrangersUseUpNoCredentials: of many who knock, credentials are fetched ahead
// for a few, for none whom the lobby does not take, and for whoever is let in.
func TestStrangersUseUpNoCredentials(t *testing.T) {
	f, r := onRelay(t, setup{})
	l := f.link()
	far := f.through(r)
	given := func() int {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.given
	}
	f.must(f.host.LockCall(f.ctx, l.ID, true))
	for range 5 {
		v := far.greet(l, nil)
		v.send(signalling.Knock{Name: "Refused"})
		v.ended(signalling.EndLocked)
	}
	if n := given(); n != 0 {
		t.Errorf("%d credentials for guests whom the lobby refused", n)
	}
	f.must(f.host.LockCall(f.ctx, l.ID, false))
	var last *visitor
	for i := range 3 * turncredentials.MaxEarly {
		last = far.knock(l, fmt.Sprint("Guest ", i))
	}
	f.until("all wait", func(s hoststate.State) bool { return len(s.Requests) == 3*turncredentials.MaxEarly })
	if n := given(); n > turncredentials.MaxEarly {
		t.Errorf("%d credentials for %d who wait", n, 3*turncredentials.MaxEarly)
	}
	f.admit(fmt.Sprint("Guest ", 3*turncredentials.MaxEarly-1))
	last.seated()
	relayed := func(s signalling.ICEServer) bool { return s.Username != "" }
	if !slices.ContainsFunc(last.seat.ICEServers, relayed) {
		t.Errorf("who was let in got %+v", last.seat.ICEServers)
	}
}
