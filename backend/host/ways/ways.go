package ways

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/host/loop"
	"github.com/porch-call/porch/backend/host/ways/funnel"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/kit/portmap"
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
	Relay     string    `json:"relay"`         // base of the relay on which new links are made; "" for none
	RelayOnly bool      `json:"relayOnly"`     // media of links on a relay passes through it only
	Who       string    `json:"who,omitempty"` // may open links; "" is WhoAnywhere
	Own       ownChoice `json:"own,omitzero"`
	Router    bool      `json:"router,omitempty"` // the router is asked to let calls in
}

// Who may open links.
const (
	WhoAnywhere = "anywhere" // who has the link, the best way that works
	WhoNetwork  = "network"  // on this computer and this network
	WhoComputer = "computer" // on this computer
)

func (c choice) who() string {
	if c.Who == WhoNetwork || c.Who == WhoComputer {
		return c.Who
	}
	return WhoAnywhere
}

// Inside is the relay inside the app: [relay.Server].
type Inside interface {
	Addresses() []relay.Address
	PortChanged() bool
	Announce(ctx context.Context, keys sealed.LinkKeys, accept func(switchboard.Frames)) (withdraw func(), err error)
	SetOutside(*relay.Outside)
	SetAudience(relay.Audience)
	Try(o relay.Outside, token string) (end func())
}

// Router asks the router to let packets in: [portmap.Mapper].
type Router interface {
	Enable(bool)
	Status() portmap.Status
	NetworkChanged()
}

// Keeper keeps the choice of reach and the relays on disk: [store.Store].
type Keeper interface {
	Setting(key string, v any) (found bool, err error)
	PutSetting(key string, v any) error
	Relays() ([]store.Relay, error)
	PutRelay(store.Relay) error
	DeleteRelay(url string) error
}

// Options are the host's parts that are needed here. All are set, except Remotes,
// Router, TLS and Doors.
type Options struct {
	Keeper     Keeper
	Inside     Inside
	Remotes    Remotes // nil means that no public relay can be used
	Book       Book
	Doors      Doors           // nil means that no link can have a direct door
	Page       string          // address of the static page to which direct links lead; "" means that none are made
	Router     Router          // nil means that the router can't be asked
	TLS        *tls.Config     // of the address from outside; nil means the system's authorities
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
	Probe         time.Duration                                // how long to wait for a relay, or an address from outside, under test
	Logger        *slog.Logger
	Now           func() time.Time
}

// Ways are the ways in which the host's links are reached.
type Ways struct {
	parts   Options       // never changes
	looking sync.Mutex    // held while an address from outside is tested; no other lock is taken under it but the relay's
	lookNow chan struct{} // buffered 1; full means that keepLooking is woken already

	// Owned by the loop.
	choice  choice
	relays  relays
	dialled int         // how many relays have been dialled
	tested  store.Relay // the last tested relay, with a key made for it
	links   map[*Link]struct{}

	ownState string     // of the address from outside, as last seen
	ownCode  fault.Code // why it fails
	funnel   string     // see hoststate.Reach
}

// New returns ways without relays. The caller calls Load on the loop, and Close in
// the end.
func New(o Options) *Ways {
	if o.TLS == nil {
		o.TLS = new(tls.Config)
	}
	return &Ways{parts: o, links: make(map[*Link]struct{}), lookNow: make(chan struct{}, 1), ownState: hoststate.OwnChecking}
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
	w.parts.Inside.SetOutside(w.choice.Own.outside())
	w.parts.Inside.SetAudience(audience(w.choice.who()))
	if w.parts.Router != nil {
		w.parts.Router.Enable(w.choice.Router)
	}
	if funnel.Program() != "" {
		w.funnel = funnelOff
		if w.choice.Own.Funnel != 0 {
			w.funnel = funnelOn
		}
	}
	w.parts.Background.Go(w.keepLooking)
	return nil
}

func audience(who string) relay.Audience {
	switch who {
	case WhoNetwork:
		return relay.ThisNetwork
	case WhoComputer:
		return relay.ThisComputer
	default:
		return relay.Everybody
	}
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
	if r == nil || w.choice.who() != WhoAnywhere {
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
	if w.parts.Router != nil {
		w.parts.Router.NetworkChanged()
	}
	w.lookSoon()
	w.parts.Loop.Post("addresses", func() {
		for _, r := range w.relays {
			if r.remote != nil {
				r.remote.Wake()
			}
		}
		w.parts.Touch()
	})
}

// lookSoon wakes keepLooking.
func (w *Ways) lookSoon() {
	select {
	case w.lookNow <- struct{}{}:
	default:
	}
}

// RouterChanged says that the router has answered, so the ways to the doors may have changed as well. Any goroutine may call it.
func (w *Ways) RouterChanged() { w.parts.Loop.Post("router", w.parts.Forget) }

// View makes what the window shows of reach. addresses are those of the relay
// inside the app.
func (w *Ways) View(addresses []relay.Address) hoststate.Reach {
	v := hoststate.Reach{
		Kind:      string(relay.ReachComputer),
		Addresses: []hoststate.AddressView{},
		Relays:    []hoststate.RelayView{},
		NewLinks:  w.choice.Relay,
		RelayOnly: w.choice.RelayOnly,
		Who:       w.choice.who(),
		Own:       w.ownView(),
		Router:    w.routerView(),
		Funnel:    w.funnel,
		Doors:     w.offersDoors(),
	}
	addresses = w.allowed(addresses)
	for _, r := range w.relays {
		v.Relays = append(v.Relays, r.view())
	}
	for _, a := range addresses {
		v.Addresses = append(v.Addresses, hoststate.AddressView{URL: a.Base, Reach: string(a.Reach), Tunnel: a.Tunnel})
		if a.Reach == relay.ReachNetwork && v.Kind == string(relay.ReachComputer) || a.Reach == relay.ReachAnywhere {
			v.Kind = string(a.Reach)
		}
	}
	r := w.relays.of(w.choice.Relay)
	if v.Who == WhoAnywhere && (r != nil && r.status.State == client.StateConnected || v.Own.State == hoststate.OwnWorks) {
		v.Kind = string(relay.ReachAnywhere)
	}
	return v
}

// allowed leaves out the addresses that the host has closed.
func (w *Ways) allowed(addresses []relay.Address) []relay.Address {
	if w.choice.who() != WhoComputer {
		return addresses
	}
	return slices.DeleteFunc(slices.Clone(addresses), func(a relay.Address) bool { return a.Reach != relay.ReachComputer })
}

func (w *Ways) routerView() hoststate.RouterView {
	if w.parts.Router == nil {
		return hoststate.RouterView{State: string(portmap.Off)}
	}
	s := w.parts.Router.Status()
	v := hoststate.RouterView{
		On: w.choice.Router, State: string(s.State), By: s.By, Until: hoststate.Millis(s.Until), Pinhole: s.Pinhole,
	}
	if s.External.IsValid() {
		v.External = s.External.String()
	}
	if s.Router.IsValid() {
		v.Address = s.Router.WithZone("").String()
	}
	return v
}

// AddressesOf returns the complete addresses of a link, the best to share first.
func (w *Ways) AddressesOf(l links.Link, addresses []relay.Address) []hoststate.AddressView {
	addresses = w.allowed(addresses)
	if w.choice.who() == WhoAnywhere {
		// Known, even if they can't be reached now. The relay comes first.
		var far []relay.Address
		if w.relays.of(l.Relay) != nil {
			far = append(far, relay.Address{Base: l.Relay, Reach: relay.ReachAnywhere})
		}
		if origin := w.choice.Own.Origin; origin != "" {
			far = append(far, relay.Address{Base: origin, Reach: relay.ReachAnywhere})
		}
		addresses = append(far, addresses...)
	}
	v := append(make([]hoststate.AddressView, 0, len(addresses)+1), w.doorAddresses(l)...)
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
