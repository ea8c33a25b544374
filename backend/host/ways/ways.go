package ways

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/host/loop"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/relay"
	"github.com/porch-call/porch/backend/relay/client"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/store"
)

// keyReach is the key in the store's settings of the host's choice of reach.
const keyReach = "reach"

// choice is the host's choice of reach.
type choice struct {
	Relay     string `json:"relay"`     // base of the relay on which new links are made; "" for none
	RelayOnly bool   `json:"relayOnly"` // media of links on a relay passes through it only
}

// Inside is the relay inside the app: [relay.Server].
type Inside interface {
	Addresses() []relay.Address
	PortChanged() bool
	Announce(ctx context.Context, keys sealed.LinkKeys, accept func(switchboard.Frames)) (withdraw func(), err error)
}

// Keeper keeps the choice of reach and the relays on disk: [store.Store].
type Keeper interface {
	Setting(key string, v any) (found bool, err error)
	PutSetting(key string, v any) error
	Relays() ([]store.Relay, error)
	PutRelay(store.Relay) error
	DeleteRelay(url string) error
}

// Options are the host's parts that are needed here. All are set, except Remotes.
type Options struct {
	Keeper     Keeper
	Inside     Inside
	Remotes    Remotes         // nil means that no public relay can be used
	Context    context.Context // ends with the host
	Loop       *loop.Loop
	Background *loop.Background
	// Do runs fn on the loop, in a host that is not closing.
	Do func(ctx context.Context, fn func() error) error
	// Touch says that what the window shows of reach has changed, and Forget that
	// the addresses of links have changed too. Both are called on the loop.
	Touch, Forget func()
	Copy          func(ctx context.Context, text string) error // to the system's clipboard
	Credentials   time.Duration                                // how long to wait for TURN credentials that are late
	Probe         time.Duration                                // how long to wait for a relay under test
	Logger        *slog.Logger
	Now           func() time.Time
}

// Ways are the ways in which the host's links are reached.
type Ways struct {
	parts Options // never changes

	// Owned by the loop.
	choice  choice
	relays  relays
	dialled int         // how many relays have been dialled
	tested  store.Relay // the last tested relay, with a key made for it
	links   map[*Link]struct{}
}

// New returns ways without relays. The caller calls Load on the loop, and Close in
// the end.
func New(o Options) *Ways {
	return &Ways{parts: o, links: make(map[*Link]struct{})}
}

// Load reads the choice of reach, and dials all relays of the store.
func (w *Ways) Load() error {
	rows, err := w.parts.Keeper.Relays()
	if err != nil {
		return fmt.Errorf("load relays: %w", err)
	}
	if _, err := w.parts.Keeper.Setting(keyReach, &w.choice); err != nil {
		return fmt.Errorf("load the choice of relay: %w", err)
	}
	for _, row := range rows[:min(len(rows), MaxRelays)] {
		w.relays = append(w.relays, w.dial(row))
	}
	if w.relays.of(w.choice.Relay) == nil {
		w.choice.Relay = ""
	}
	return nil
}

// Close closes the connections to all relays, and waits. It is not called on the
// loop.
func (w *Ways) Close() {
	var all relays
	_ = w.parts.Loop.Do(context.Background(), func() { all, w.relays = w.relays, nil })
	var closing sync.WaitGroup
	for _, r := range all {
		if r.remote != nil {
			closing.Go(func() { r.hangUp() })
		}
	}
	closing.Wait()
}

// ForNew returns the relay on which new links are made, "" for none. Fault:
// TooManyLinks.
func (w *Ways) ForNew() (string, error) {
	r := w.relays.of(w.choice.Relay)
	if r == nil {
		return "", nil
	}
	if most := r.status.Offer.Links; most > 0 && w.linksOn(r.url) >= most {
		return "", fault.New(fault.TooManyLinks, nil)
	}
	return r.url, nil
}

// linksOn counts the links on a relay.
func (w *Ways) linksOn(url string) (n int) {
	for l := range w.links {
		if l.relay == url {
			n++
		}
	}
	return n
}

// AddressesChanged says that the relay inside the app has other addresses now,
// because this computer has changed its network. Any goroutine may call it.
func (w *Ways) AddressesChanged() {
	w.parts.Loop.Post("addresses", func() {
		for _, r := range w.relays {
			if r.remote != nil {
				r.remote.Wake()
			}
		}
		w.parts.Touch()
	})
}

// View makes what the window shows of reach. addresses are those of the relay
// inside the app.
func (w *Ways) View(addresses []relay.Address) hoststate.Reach {
	v := hoststate.Reach{
		Kind:      string(relay.ReachComputer),
		Addresses: []hoststate.AddressView{},
		Relays:    []hoststate.RelayView{},
		NewLinks:  w.choice.Relay,
		RelayOnly: w.choice.RelayOnly,
	}
	for _, r := range w.relays {
		v.Relays = append(v.Relays, r.view())
	}
	for _, a := range addresses {
		v.Addresses = append(v.Addresses, hoststate.AddressView{URL: a.Base, Reach: string(a.Reach), Tunnel: a.Tunnel})
		if a.Reach == relay.ReachNetwork && v.Kind == string(relay.ReachComputer) || a.Reach == relay.ReachAnywhere {
			v.Kind = string(a.Reach)
		}
	}
	if r := w.relays.of(w.choice.Relay); r != nil && r.status.State == client.StateConnected {
		v.Kind = string(relay.ReachAnywhere)
	}
	return v
}

// AddressesOf returns the complete addresses of a link, the best to share first.
func (w *Ways) AddressesOf(l links.Link, addresses []relay.Address) []hoststate.AddressView {
	if w.relays.of(l.Relay) != nil { // known, even if the relay can't be reached now
		addresses = append([]relay.Address{{Base: l.Relay, Reach: relay.ReachAnywhere}}, addresses...)
	}
	v := make([]hoststate.AddressView, 0, len(addresses))
	for _, a := range shareOrder(addresses) {
		v = append(v, hoststate.AddressView{URL: sealed.Address(a.Base, l.ID, l.Secret), Reach: string(a.Reach), Tunnel: a.Tunnel})
	}
	return v
}

// shareOrder puts the address that reaches furthest first.
func shareOrder(addresses []relay.Address) []relay.Address {
	rank := func(a relay.Address) int {
		switch a.Reach {
		case relay.ReachAnywhere:
			return 0
		case relay.ReachNetwork:
			return 1
		default:
			return 2
		}
	}
	sorted := slices.Clone(addresses)
	slices.SortStableFunc(sorted, func(a, b relay.Address) int { return cmp.Compare(rank(a), rank(b)) })
	return sorted
}

// RelayOf returns the relay on which a link lives, the link's state there, and the
// reason for it.
func (w *Ways) RelayOf(l links.Link) (name, state, code string) {
	if l.Relay == "" {
		return "", "", ""
	}
	name = client.Name(l.Relay)
	r := w.relays.of(l.Relay)
	if r == nil {
		return name, RelayRemoved, ""
	}
	state, code = relayState(r.status), string(r.status.Code)
	if state != RelayConnected || l.State.Ended() {
		return name, state, code
	}
	switch announced, refused := r.remote.LinkStatus(l.ID); {
	case refused != "":
		return name, RelayRefused, string(refused)
	case !announced:
		return name, RelayConnecting, ""
	default:
		return name, RelayConnected, ""
	}
}
