package client_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/guest"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/relay"
	"github.com/porch-call/porch/backend/relay/client"
	"github.com/porch-call/porch/backend/relay/hosts"
	"github.com/porch-call/porch/backend/signalling"
)

// TestGuestJoinsThroughAPublicRelay takes a guest through a public relay into a
// host's call, over real sockets, TLS and media.
func TestGuestJoinsThroughAPublicRelay(t *testing.T) {
	a := newAuthority(t)
	s := openPublic(t, a, "127.0.0.1:0", nil)
	p := dial(t, s.base(), a, nil)
	p.admit("Ada", "Bo")
	id, address := p.link(s.base())
	ada := p.mustJoin(address, "Ada")
	ada.connected()
	bo := p.mustJoin(address, "Bo")
	bo.connected()
	bo.chats("hello")
	ada.hears("hello")
	p.must(ada.Leave())
	p.must(bo.Leave())

	// The last one to leave has spent the link, and the relay's note says so to
	// whoever holds the whole link.
	var err error
	for late := time.Now().Add(patience); time.Now().Before(late) && fault.CodeOf(err) != fault.LinkSpent; {
		_, err = p.join(address, "Cy")
	}
	if fault.CodeOf(err) != fault.LinkSpent {
		t.Errorf("Join = %v", err)
	}
	// Neither log holds any of it.
	l, err := p.book.Get(id)
	p.must(err)
	for _, log := range []string{s.log.String(), p.log.String()} {
		for _, never := range []string{string(id), l.Secret.Reveal(), "Ada", "hello"} {
			if len(log) == 0 || strings.Contains(log, never) {
				t.Errorf("a log of %d bytes holds %q", len(log), never)
			}
		}
	}
}

// TestTheRelayRestarts closes a relay and opens it again in its place. The call
// goes on, its guest keeps the seat, and a waiting guest is heard again.
func TestTheRelayRestarts(t *testing.T) {
	a := newAuthority(t)
	s := openPublic(t, a, "127.0.0.1:0", nil)
	base := s.base()
	p := dial(t, base, a, nil)
	p.admit("Ada")
	_, address := p.link(base)
	ada := p.mustJoin(address, "Ada")
	ada.connected()
	seat, pc := ada.Seat(), ada.PeerConnection()
	s.Close()
	if away := <-ada.away; !away {
		t.Error("the guest came back before they were away")
	}
	openPublic(t, a, strings.Replace(base, "https://localhost", "127.0.0.1", 1), nil)
	select {
	case <-ada.away:
	case <-time.After(patience):
		t.Fatalf("the guest does not come back; line %+v", p.client.Status())
	}
	ada.chats("still here")
	if ada.Seat() == "" || ada.PeerConnection() != pc {
		t.Errorf("seat %q (before %q), the same connection: %v", ada.Seat(), seat, ada.PeerConnection() == pc)
	}
}

// TestProbe asks what a relay offers while a connection of the same key is open,
// and what is wrong with others.
func TestProbe(t *testing.T) {
	a := newAuthority(t)
	s := openPublic(t, a, "127.0.0.1:0", func(o *relay.Options) {
		o.Hosts = &hosts.Policy{Invitations: []hosts.Invitation{hosts.NewInvitation("friends", "let me in")}}
		o.STUN = []string{"stun:relay.example:3478"}
	})
	key := newKey(t)
	p := dial(t, s.base(), a, func(o *client.Options) { o.Key, o.Token = key, "let me in" })
	id, _ := p.link(s.base())
	try := func(change func(*client.Options)) (client.Offer, error) {
		o := client.Options{URL: s.base(), Key: key, Token: "let me in", TLS: a.client}
		change(&o)
		return client.Probe(p.ctx, o)
	}
	offer, err := try(func(*client.Options) {})
	if err != nil || offer.Links != hosts.DefaultQuotas.Links || len(offer.STUN) != 1 {
		t.Errorf("%+v, %v", offer, err)
	}
	if ok, code := p.client.LinkStatus(id); !ok || p.client.Status().State != client.StateConnected {
		t.Errorf("the open line: %+v, %q", p.client.Status(), code)
	}
	app, err := relay.Open(p.ctx, relay.Options{Dir: t.TempDir(), Listen: "127.0.0.1:0", Logger: p.log.Logger()})
	p.must(err)
	defer app.Close()
	for code, change := range map[fault.Code]func(*client.Options){
		fault.InvitationWanted:    func(o *client.Options) { o.Token = "" },
		fault.InvitationRefused:   func(o *client.Options) { o.Token = "let me" },
		fault.RelayUntrusted:      func(o *client.Options) { o.TLS = nil },
		fault.RelayUnreachable:    func(o *client.Options) { o.URL = "https://localhost:1" },
		fault.RelayAbsent:         func(o *client.Options) { o.URL = app.Addresses()[0].Base },
		fault.RelayAddressInvalid: func(o *client.Options) { o.URL = "http://relay.example" },
	} {
		if _, err := try(change); fault.CodeOf(err) != code {
			t.Errorf("%v, want %s", err, code)
		}
	}
}

// TestWake checks that a connection whose network is gone without a word is found
// out after Wake.
func TestWake(t *testing.T) {
	a := newAuthority(t)
	s := openPublic(t, a, "127.0.0.1:0", nil)
	p := dial(t, s.base(), a, nil)
	id, _ := p.link(s.base())
	p.client.Wake() // an open connection answers
	p.client.Wake()
	if ok, _ := p.client.LinkStatus(id); !ok {
		t.Error("the line was lost")
	}
}

// TestKnockToBell measures what a connection adds: from the guest's knock to the
// host's state.
func TestKnockToBell(t *testing.T) {
	a := newAuthority(t)
	s := openPublic(t, a, "127.0.0.1:0", nil)
	p := dial(t, s.base(), a, nil)
	_, address := p.link(s.base())
	const knocks = 15
	var took []time.Duration
	for i := range knocks {
		name := fmt.Sprintf("Guest %d", i)
		w := p.host.Watch()
		began := make(chan time.Time, 1)
		ctx, cancel := context.WithCancel(p.ctx)
		var joining sync.WaitGroup
		joining.Go(func() {
			_, _ = guest.Join(ctx, address, guest.Options{Name: name, TLS: p.tls, OnWelcome: func(signalling.Welcome) {
				began <- time.Now()
			}})
		})
		for !slices.ContainsFunc(p.host.Snapshot().Requests, func(q hoststate.RequestView) bool { return q.Name == name }) {
			if _, err := w.Next(p.ctx); err != nil {
				t.Fatal(err)
			}
		}
		took = append(took, time.Since(<-began))
		cancel()
		joining.Wait()
		w.Close()
	}
	slices.Sort(took)
	t.Logf("knock to bell: median %v, most %v", took[knocks/2], took[knocks-1])
	if took[knocks/2] > 50*time.Millisecond { // 1 ms on a quiet machine
		t.Errorf("the median is %v", took[knocks/2])
	}
}
