package host

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/host/ways"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/relay/client"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
	"github.com/porch-call/porch/backend/store"
)

func TestLinkOnARelay(t *testing.T) {
	far := newFarRelays(t)
	f := start(t, setup{remotes: far})
	if _, err := f.host.Ways().AddRelay(f.ctx, " HTTPS://Porch.Example/ ", " invited\n"); err != nil {
		t.Fatal(err)
	}
	r := far.at(porchExample)
	reach := f.host.Snapshot().Reach
	if reach.Kind != "network" || reach.NewLinks != porchExample || len(reach.Relays) != 1 ||
		reach.Relays[0].State != ways.RelayConnecting || reach.Relays[0].Name != "porch.example" {
		t.Fatalf("before the first connection: %+v", reach)
	}
	if o := r.opened[0]; o.URL != porchExample || o.Token != "invited" || len(o.Key) != ed25519.PrivateKeySize {
		t.Fatalf("opened: %s, a key of %d bytes", o.URL, len(o.Key))
	}

	// A link that is made meanwhile works at once, and its address is known.
	l := f.link()
	if l.Relay != "porch.example" || l.RelayState != ways.RelayConnecting || len(l.Addresses) != 3 ||
		l.Addresses[0].Reach != "anywhere" || !strings.HasPrefix(l.Addresses[0].URL, porchExample+"/j/"+l.ID+"#") ||
		l.Addresses[1].Reach != "network" || l.Addresses[2].Reach != "computer" {
		t.Fatalf("link: %+v", l)
	}
	retry := time.UnixMilli(time.Now().UnixMilli() + 5000)
	r.say(client.Status{State: client.StateConnecting, Code: fault.RelayUnreachable, Retry: retry})
	s := f.until("the relay is out of reach", func(s hoststate.State) bool { return s.Reach.Relays[0].State == ways.RelayUnreachable })
	if v := s.Reach.Relays[0]; s.Reach.Kind != "network" || v.RetryAt != retry.UnixMilli() || v.Code != "relay-unreachable" ||
		v.Message == "" || v.Links != 1 || v.HostKey != "" || s.Links[0].RelayState != ways.RelayUnreachable {
		t.Fatalf("out of reach: %+v", s)
	}
	r.connect()
	s = f.until("the relay is reached", func(s hoststate.State) bool { return s.Reach.Kind == "anywhere" })
	if v := s.Reach.Relays[0]; v.State != ways.RelayConnected || v.Offer.Links != 3 || !v.Offer.Turn || v.Code != "" {
		t.Fatalf("connected: %+v", v)
	}

	ada := f.through(r).enter(l, "Ada")
	boris := f.enter(l, "Boris") // by the relay inside the app: one call
	if len(boris.roster.Participants) != 2 || boris.seat.ICEServers != nil {
		t.Fatalf("roster %+v, servers %+v", boris.roster.Participants, boris.seat.ICEServers)
	}
	if servers := ada.seat.ICEServers; len(servers) != 2 || servers[0].URLs[0] != "stun:porch.example:3478" || servers[1].Username == "" {
		t.Fatalf("servers: %+v", servers)
	}
	f.must(f.host.Link(l.ID).Remove(f.ctx))
	ada.ended(signalling.EndRemoved)
	boris.ended(signalling.EndRemoved)
	id, secret := secretOf(t, l)
	r.mu.Lock()
	note := r.notes[id]
	r.mu.Unlock()
	if reason, err := sealed.OpenNote(secret, id, note[:]); err != nil || reason != sealed.NoteRemoved {
		t.Errorf("the note at the relay: %q, %v", reason, err)
	}
	if l = f.linkNow(l.ID); l.Relay != "porch.example" || len(l.Addresses) != 0 {
		t.Errorf("removed: %+v", l)
	}
}

func TestRelaysOutliveARestart(t *testing.T) {
	far := newFarRelays(t)
	dir := t.TempDir()
	f := start(t, setup{dir: dir, remotes: far})
	for _, address := range []string{"porch.example", "other.example:8443"} {
		if _, err := f.host.Ways().AddRelay(f.ctx, address, "invitation-of-"+address); err != nil {
			t.Fatal(err)
		}
	}
	f.must(f.host.Ways().SetRelayOnly(f.ctx, true))
	first := f.link()
	f.must(f.host.Ways().UseRelay(f.ctx, otherExample))
	second := f.link()
	f.must(f.host.Ways().UseRelay(f.ctx, ""))
	third := f.link()
	f.close()

	a, b := far.at(porchExample), far.at(otherExample)
	f = start(t, setup{dir: dir, remotes: far})
	s := f.host.Snapshot()
	if !s.Reach.RelayOnly || s.Reach.NewLinks != "" || len(s.Reach.Relays) != 2 || s.Reach.Relays[0].URL != porchExample {
		t.Fatalf("reach: %+v", s.Reach)
	}
	for _, r := range []*farRelay{a, b} {
		before, after := r.opened[0], r.opened[1]
		if !before.Key.Equal(after.Key) || before.Token != after.Token {
			t.Error("the relay knows another host after a restart")
		}
	}
	if a.opened[0].Key.Equal(b.opened[0].Key) {
		t.Error("two relays can tell that it is the same host")
	}
	for id, want := range map[string]string{first.ID: "porch.example", second.ID: "other.example:8443", third.ID: ""} {
		l := f.linkNow(id)
		if l.Relay != want || len(l.Addresses) != 2+len(strings.Fields(want)) {
			t.Errorf("link on %q: %+v", want, l)
		}
	}
	f.through(a).knock(first, "Ada")
	f.through(b).knock(second, "Boris")
	f.knock(third, "Carla")

	// What the window gets holds no key and no invitation.
	state, err := json.Marshal(f.host.Snapshot())
	f.must(err)
	f.refused.mu.Lock()
	text := string(state) + f.refused.text.String()
	f.refused.mu.Unlock()
	if strings.Contains(text, "invitation-of") {
		t.Error("an invitation is shown or logged")
	}
}

func TestRemoveRelay(t *testing.T) {
	f, r := onRelay(t, setup{})
	l := f.link()
	waiting := f.through(r).knock(l, "Ada")
	near := f.knock(l, "Boris")
	f.must(f.host.Ways().RemoveRelay(f.ctx, porchExample))
	waiting.closed(signalling.CloseHostGone)
	s := f.host.Snapshot()
	if len(s.Reach.Relays) != 0 || s.Reach.NewLinks != "" || s.Reach.Kind != "network" {
		t.Fatalf("reach: %+v", s.Reach)
	}
	if l = f.linkNow(l.ID); l.State != "open" || l.Relay != "porch.example" || l.RelayState != ways.RelayRemoved || len(l.Addresses) != 2 {
		t.Fatalf("link: %+v", l)
	}
	f.admit("Boris")
	near.seated()
	if now := f.link(); now.Relay != "" || len(now.Addresses) != 2 {
		t.Fatalf("new link: %+v", now)
	}
	if err := f.host.Ways().RemoveRelay(f.ctx, porchExample); fault.CodeOf(err) != fault.RelayNotFound {
		t.Error(err)
	}
	if err := f.host.Ways().UseRelay(f.ctx, porchExample); fault.CodeOf(err) != fault.RelayNotFound {
		t.Error(err)
	}
	rows, err := f.store.Relays()
	f.must(err)
	if len(rows) != 0 {
		t.Error("the relay's key is still kept")
	}

	// Added again, its links open through it again, by another key.
	_, err = f.host.Ways().AddRelay(f.ctx, porchExample, "")
	f.must(err)
	if r.opened[0].Key.Equal(r.opened[1].Key) {
		t.Error("the relay knows the host that had removed it")
	}
	if l = f.linkNow(l.ID); l.RelayState != ways.RelayConnecting || len(l.Addresses) != 3 {
		t.Fatalf("link: %+v", l)
	}
	f.through(r).knock(l, "Carla")
}

func TestAddRelay(t *testing.T) {
	far := newFarRelays(t)
	f := start(t, setup{remotes: far})
	add := func(address, invitation string, want fault.Code) {
		t.Helper()
		if _, err := f.host.Ways().AddRelay(f.ctx, address, invitation); fault.CodeOf(err) != want {
			t.Errorf("%q: %v, want %s", address, err, want)
		}
	}
	add("no relay", "", fault.RelayAddressInvalid)
	add("https://porch.example/j/x#y", "", fault.RelayIsLink)
	add("porch.example", "two words", fault.InvitationInvalid)

	// The key of the test is the key of the relay.
	if offer, err := f.host.Ways().TestRelay(f.ctx, "porch.example", "old"); err != nil || offer.Links != 64 || !offer.Turn {
		t.Error(offer, err)
	}
	add("porch.example", "old", "")
	r := far.at(porchExample)
	if o := far.probed[0]; o.Token != "old" || !o.Key.Equal(r.opened[0].Key) {
		t.Error("the relay was tested as another host")
	}
	// Refused, it says by which key it can be let in; with another invitation, it
	// is dialled anew as the same host.
	r.say(client.Status{State: client.StateRefused, Code: fault.TokenRefused})
	s := f.until("a refusal", func(s hoststate.State) bool { return s.Reach.Relays[0].State == ways.RelayRefused })
	if len(s.Reach.Relays[0].HostKey) != 43 || s.Reach.Kind != "network" {
		t.Errorf("refused: %+v", s.Reach)
	}
	l := f.link()
	if l.RelayState != ways.RelayRefused {
		t.Errorf("link: %+v", l)
	}
	add("porch.example", "new", "")
	if o := r.opened[1]; o.Token != "new" || !o.Key.Equal(r.opened[0].Key) {
		t.Error("dialled anew as another host")
	}
	add("porch.example", "", "")
	if r.opened[2].Token != "new" {
		t.Error("the invitation is lost")
	}
	r.connect()
	f.until("the relay", func(s hoststate.State) bool { return s.Reach.Kind == "anywhere" })
	f.through(r).knock(l, "Ada") // by the newest connection
	if _, err := f.host.Ways().TestRelay(f.ctx, "porch.example", ""); err != nil || far.probed[1].Token != "new" {
		t.Error("the kept invitation is not tested")
	}
	far.probe = context.DeadlineExceeded
	if _, err := f.host.Ways().TestRelay(f.ctx, "porch.example", ""); fault.CodeOf(err) != fault.RelayUnreachable {
		t.Error(err)
	}

	for n := 1; n < ways.MaxRelays; n++ {
		add(fmt.Sprintf("relay%d.example", n), "", "")
	}
	add("one-more.example", "", fault.RelaysFull)
	if s := f.host.Snapshot(); s.Reach.NewLinks != porchExample || len(s.Reach.Relays) != ways.MaxRelays {
		t.Errorf("reach: %+v", s.Reach)
	}
}

func TestLinksOfARelayAreCounted(t *testing.T) {
	f, _ := onRelay(t, setup{})
	var last hoststate.LinkView
	for range 3 {
		last = f.link()
	}
	if _, err := f.host.CreateLink(f.ctx); fault.CodeOf(err) != fault.TooManyLinks {
		t.Fatal(err)
	}
	if n := len(f.host.Snapshot().Links); n != 3 {
		t.Errorf("%d links", n)
	}
	f.must(f.host.Link(last.ID).Remove(f.ctx))
	f.link()
}

// TestRelayRows: what other versions, or a hand, may have left in the store
// keeps nobody from their links.
func TestRelayRows(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	book, err := links.Open(s, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := book.Create(otherExample); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		s.PutRelay(store.Relay{URL: porchExample, Key: []byte("short"), AddedAt: time.Now()}),
		s.PutSetting("reach", map[string]any{"relay": otherExample}),
		s.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	far := newFarRelays(t)
	f := start(t, setup{dir: dir, remotes: far})
	state := f.host.Snapshot()
	if v := state.Reach; v.NewLinks != "" || len(v.Relays) != 1 || v.Relays[0].State != ways.RelayRefused {
		t.Errorf("reach: %+v", v)
	}
	if l := state.Links[0]; l.RelayState != ways.RelayRemoved || len(l.Addresses) != 2 {
		t.Errorf("link: %+v", l)
	}
	if len(far.relays) != 0 {
		t.Error("dialled with a broken key")
	}
	_, err = f.host.Ways().AddRelay(f.ctx, porchExample, "") // makes a new one
	f.must(err)
	if len(far.at(porchExample).opened) != 1 {
		t.Error("not dialled")
	}
}
