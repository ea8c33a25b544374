package host

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/host/ways"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/relay/client"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
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

func (f *farRelays) Open(o client.Options) (ways.Remote, error) {
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
	_, err := f.host.Ways().AddRelay(f.ctx, "porch.example", "")
	f.must(err)
	r := far.at(porchExample)
	r.connect()
	f.until("a relay", func(s hoststate.State) bool { return s.Reach.Kind == "anywhere" })
	return f, r
}
