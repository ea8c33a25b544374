package host

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/host/turncredentials"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/relay/client"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
	"github.com/porch-call/porch/backend/store"
)

const (
	porchExample = "https://porch.example"
	otherExample = "https://other.example:8443"
)

// farRelays are public relays without a network, one for each address.
type farRelays struct {
	t *testing.T

	mu     sync.Mutex
	relays map[string]*farRelay
	probed []client.Options
	probe  error
}

func newFarRelays(t *testing.T) *farRelays {
	return &farRelays{t: t, relays: make(map[string]*farRelay)}
}

// at is the relay of an address.
func (f *farRelays) at(url string) *farRelay {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.relays[url]
	if r == nil {
		r = &farRelay{
			memory: switchboard.NewMemory(64, 64),
			notes:  make(map[sealed.LinkID][sealed.NoteSize]byte),
			status: client.Status{State: client.StateConnecting},
		}
		f.relays[url] = r
	}
	return r
}

func (f *farRelays) Open(o client.Options) (Remote, error) {
	r := f.at(o.URL)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opened = append(r.opened, o)
	ln := &farLine{farRelay: r, options: o}
	r.lines = append(r.lines, ln)
	return ln, nil
}

func (f *farRelays) Probe(_ context.Context, o client.Options) (client.Offer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.probed = append(f.probed, o)
	return client.Offer{Links: 64, Guests: 192, Bytes: 1 << 30, Turn: true}, f.probe
}

type farRelay struct {
	memory *switchboard.Memory

	mu      sync.Mutex
	opened  []client.Options
	lines   []*farLine
	status  client.Status
	notes   map[sealed.LinkID][sealed.NoteSize]byte
	given   int           // credentials
	hold    chan struct{} // credentials come once it is closed
	lasting time.Duration // of credentials; an hour when 0
	failing error
	revoked []string
	refused map[sealed.LinkID]fault.Code
}

// say changes the status, as the network would.
func (r *farRelay) say(s client.Status) {
	r.mu.Lock()
	r.status = s
	ln := r.lines[len(r.lines)-1]
	closed := ln.closed
	r.mu.Unlock()
	if !closed {
		ln.options.OnStatus(s)
	}
}

func (r *farRelay) connect() {
	r.say(client.Status{State: client.StateConnected, Offer: client.Offer{
		Links: 3, Guests: 8, Turn: true, STUN: []string{"stun:porch.example:3478"},
	}})
}

func (r *farRelay) revocations() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(slices.Values(r.revoked))
}

// farLine is the host's end of one line.
type farLine struct {
	*farRelay
	options client.Options
	holds   []switchboard.Attachment // of farRelay.mu
	closed  bool                     // likewise
}

func (r *farLine) Status() client.Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

func (r *farLine) Announce(ctx context.Context, keys sealed.LinkKeys, accept func(switchboard.Frames)) (func(*[sealed.NoteSize]byte), error) {
	a, err := r.memory.Attach(ctx, keys.ID(), keys.Public(), accept)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holds = append(r.holds, a)
	return func(note *[sealed.NoteSize]byte) {
		a.Detach()
		r.mu.Lock()
		defer r.mu.Unlock()
		if note != nil {
			r.notes[keys.ID()] = *note
		}
	}, nil
}

func (r *farLine) Credentials(ctx context.Context) ([]signalling.ICEServer, error) {
	r.mu.Lock()
	hold := r.hold
	r.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failing != nil {
		return nil, r.failing
	}
	r.given++
	lasting := r.lasting
	if lasting == 0 {
		lasting = time.Hour
	}
	return []signalling.ICEServer{{
		URLs:     []string{"turn:porch.example:3478", "turns:porch.example:443?transport=tcp"},
		Username: fmt.Sprintf("%d:user-%d", time.Now().Add(lasting).Unix(), r.given), Credential: "secret",
	}}, nil
}

func (r *farLine) Wake() {}

func (r *farLine) LinkStatus(id sealed.LinkID) (bool, fault.Code) {
	r.mu.Lock()
	defer r.mu.Unlock()
	code := r.refused[id]
	return code == "", code
}

func (r *farLine) Revoke(username string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, user, _ := strings.Cut(username, ":")
	r.revoked = append(r.revoked, user)
}

func (r *farLine) Close() error {
	r.mu.Lock()
	holds := r.holds
	r.closed = true
	r.mu.Unlock()
	for _, a := range holds {
		a.Detach()
	}
	return nil
}

// through is the fixture whose guests come by a public relay.
func (f *fixture) through(r *farRelay) *fixture {
	via := *f
	via.board = board{Memory: r.memory}
	return &via
}

// onRelay is a host whose new links live on a relay that is connected.
func onRelay(t *testing.T, s setup) (*fixture, *farRelay) {
	t.Helper()
	far := newFarRelays(t)
	s.remotes = far
	f := start(t, s)
	_, err := f.host.AddRelay(f.ctx, "porch.example", "")
	f.must(err)
	r := far.at(porchExample)
	r.connect()
	f.until("a relay", func(s hoststate.State) bool { return s.Reach.Kind == "anywhere" })
	return f, r
}

func TestLinkOnARelay(t *testing.T) {
	far := newFarRelays(t)
	f := start(t, setup{remotes: far})
	if _, err := f.host.AddRelay(f.ctx, " HTTPS://Porch.Example/ ", " invited\n"); err != nil {
		t.Fatal(err)
	}
	r := far.at(porchExample)
	reach := f.host.Snapshot().Reach
	if reach.Kind != "network" || reach.NewLinks != porchExample || len(reach.Relays) != 1 ||
		reach.Relays[0].State != RelayConnecting || reach.Relays[0].Name != "porch.example" {
		t.Fatalf("before the first connection: %+v", reach)
	}
	if o := r.opened[0]; o.URL != porchExample || o.Token != "invited" || len(o.Key) != ed25519.PrivateKeySize {
		t.Fatalf("opened: %s, a key of %d bytes", o.URL, len(o.Key))
	}

	// A link that is made meanwhile works at once, and its address is known.
	l := f.link()
	if l.Relay != "porch.example" || l.RelayState != RelayConnecting || len(l.Addresses) != 3 ||
		l.Addresses[0].Reach != "anywhere" || !strings.HasPrefix(l.Addresses[0].URL, porchExample+"/j/"+l.ID+"#") ||
		l.Addresses[1].Reach != "network" || l.Addresses[2].Reach != "computer" {
		t.Fatalf("link: %+v", l)
	}
	retry := time.UnixMilli(time.Now().UnixMilli() + 5000)
	r.say(client.Status{State: client.StateConnecting, Code: fault.RelayUnreachable, Retry: retry})
	s := f.until("the relay is out of reach", func(s hoststate.State) bool { return s.Reach.Relays[0].State == RelayUnreachable })
	if v := s.Reach.Relays[0]; s.Reach.Kind != "network" || v.RetryAt != retry.UnixMilli() || v.Code != "relay-unreachable" ||
		v.Message == "" || v.Links != 1 || v.HostKey != "" || s.Links[0].RelayState != RelayUnreachable {
		t.Fatalf("out of reach: %+v", s)
	}
	r.connect()
	s = f.until("the relay is reached", func(s hoststate.State) bool { return s.Reach.Kind == "anywhere" })
	if v := s.Reach.Relays[0]; v.State != RelayConnected || v.Offer.Links != 3 || !v.Offer.Turn || v.Code != "" {
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
	f.must(f.host.RemoveLink(f.ctx, l.ID))
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
		if _, err := f.host.AddRelay(f.ctx, address, "invitation-of-"+address); err != nil {
			t.Fatal(err)
		}
	}
	f.must(f.host.SetRelayOnly(f.ctx, true))
	first := f.link()
	f.must(f.host.UseRelay(f.ctx, otherExample))
	second := f.link()
	f.must(f.host.UseRelay(f.ctx, ""))
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
	f.must(f.host.RemoveRelay(f.ctx, porchExample))
	waiting.closed(signalling.CloseHostGone)
	s := f.host.Snapshot()
	if len(s.Reach.Relays) != 0 || s.Reach.NewLinks != "" || s.Reach.Kind != "network" {
		t.Fatalf("reach: %+v", s.Reach)
	}
	if l = f.linkNow(l.ID); l.State != "open" || l.Relay != "porch.example" || l.RelayState != RelayRemoved || len(l.Addresses) != 2 {
		t.Fatalf("link: %+v", l)
	}
	f.admit("Boris")
	near.seated()
	if now := f.link(); now.Relay != "" || len(now.Addresses) != 2 {
		t.Fatalf("new link: %+v", now)
	}
	if err := f.host.RemoveRelay(f.ctx, porchExample); fault.CodeOf(err) != fault.RelayNotFound {
		t.Error(err)
	}
	if err := f.host.UseRelay(f.ctx, porchExample); fault.CodeOf(err) != fault.RelayNotFound {
		t.Error(err)
	}
	rows, err := f.store.Relays()
	f.must(err)
	if len(rows) != 0 {
		t.Error("the relay's key is still kept")
	}

	// Added again, its links open through it again, by another key.
	_, err = f.host.AddRelay(f.ctx, porchExample, "")
	f.must(err)
	if r.opened[0].Key.Equal(r.opened[1].Key) {
		t.Error("the relay knows the host that had removed it")
	}
	if l = f.linkNow(l.ID); l.RelayState != RelayConnecting || len(l.Addresses) != 3 {
		t.Fatalf("link: %+v", l)
	}
	f.through(r).knock(l, "Carla")
}

func TestAddRelay(t *testing.T) {
	far := newFarRelays(t)
	f := start(t, setup{remotes: far})
	add := func(address, invitation string, want fault.Code) {
		t.Helper()
		if _, err := f.host.AddRelay(f.ctx, address, invitation); fault.CodeOf(err) != want {
			t.Errorf("%q: %v, want %s", address, err, want)
		}
	}
	add("no relay", "", fault.RelayAddressInvalid)
	add("https://porch.example/j/x#y", "", fault.RelayIsLink)
	add("porch.example", "two words", fault.InvitationInvalid)

	// The key of the test is the key of the relay.
	if offer, err := f.host.TestRelay(f.ctx, "porch.example", "old"); err != nil || offer.Links != 64 || !offer.Turn {
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
	s := f.until("a refusal", func(s hoststate.State) bool { return s.Reach.Relays[0].State == RelayRefused })
	if len(s.Reach.Relays[0].HostKey) != 43 || s.Reach.Kind != "network" {
		t.Errorf("refused: %+v", s.Reach)
	}
	l := f.link()
	if l.RelayState != RelayRefused {
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
	if _, err := f.host.TestRelay(f.ctx, "porch.example", ""); err != nil || far.probed[1].Token != "new" {
		t.Error("the kept invitation is not tested")
	}
	far.probe = context.DeadlineExceeded
	if _, err := f.host.TestRelay(f.ctx, "porch.example", ""); fault.CodeOf(err) != fault.RelayUnreachable {
		t.Error(err)
	}

	for n := 1; n < MaxRelays; n++ {
		add(fmt.Sprintf("relay%d.example", n), "", "")
	}
	add("one-more.example", "", fault.RelaysFull)
	if s := f.host.Snapshot(); s.Reach.NewLinks != porchExample || len(s.Reach.Relays) != MaxRelays {
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
	f.must(f.host.RemoveLink(f.ctx, last.ID))
	f.link()
}

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
		h := &Host{now: time.Now, log: slog.New(slog.DiscardHandler), timing: Timing{Credentials: time.Second}}
		h.ctx, h.cancel = context.WithCancel(t.Context())
		p := turncredentials.From(sourceOf(h, there))
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

		p.Await(h.ctx) // nothing is under way
		p.Prepare()
		p.Prepare() // one request
		p.Await(h.ctx)
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
		p.Await(h.ctx)
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
		p = turncredentials.From(sourceOf(h, there))
		change(-time.Hour, nil)
		p.Prepare()
		p.Await(h.ctx)
		if got := user(); got != "user-5" {
			t.Errorf("handed out %q", got)
		}
		p.End()
		p = turncredentials.From(sourceOf(h, there))
		change(time.Hour, fault.New(fault.RelayUnreachable, nil))
		p.Prepare()
		p.Await(h.ctx)
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
		none.Await(h.ctx)
		none.End()
		if none.Servers() != nil || none.Renewed() != nil {
			t.Error("a guest of the relay inside the app needs no servers")
		}
		h.cancel()
		h.background.Wait()
	})
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
		s.PutSetting(keyReach, reachChoice{Relay: otherExample}),
		s.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	far := newFarRelays(t)
	f := start(t, setup{dir: dir, remotes: far})
	state := f.host.Snapshot()
	if v := state.Reach; v.NewLinks != "" || len(v.Relays) != 1 || v.Relays[0].State != RelayRefused {
		t.Errorf("reach: %+v", v)
	}
	if l := state.Links[0]; l.RelayState != RelayRemoved || len(l.Addresses) != 2 {
		t.Errorf("link: %+v", l)
	}
	if len(far.relays) != 0 {
		t.Error("dialled with a broken key")
	}
	_, err = f.host.AddRelay(f.ctx, porchExample, "") // makes a new one
	f.must(err)
	if len(far.at(porchExample).opened) != 1 {
		t.Error("not dialled")
	}
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
