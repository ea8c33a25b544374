package host

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/host/turncredentials"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/relay/client"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/store"
)

// MaxRelays is how many public relays a host may use.
const MaxRelays = 8

// keyReach is the key in the store's settings of the host's choice of reach.
const keyReach = "reach"

// reachChoice is the host's choice of reach.
type reachChoice struct {
	Relay     string `json:"relay"`     // base of the relay on which new links are made; "" for none
	RelayOnly bool   `json:"relayOnly"` // media of links on a relay passes through it only
}

// publicRelay is a public relay that the host uses. Any goroutine may read the
// fields that never change. A relay that gets another invitation is replaced by a
// new publicRelay.
type publicRelay struct {
	host   *Host  // never changes
	url    string // never changes
	row    store.Relay
	remote Remote // never changes; nil if it could not be opened

	status client.Status           // owned by the loop
	source *turncredentials.Source // of TURN credentials; never changes; nil without remote
}

// loadRelays dials all relays of the store.
func (h *Host) loadRelays() error {
	rows, err := h.keeper.Relays()
	if err != nil {
		return fmt.Errorf("load relays: %w", err)
	}
	if _, err := h.keeper.Setting(keyReach, &h.reach); err != nil {
		return fmt.Errorf("load the choice of relay: %w", err)
	}
	for _, row := range rows[:min(len(rows), MaxRelays)] {
		h.publicRelays = append(h.publicRelays, h.dialRelay(row))
	}
	if h.publicRelays.of(h.reach.Relay) == nil {
		h.reach.Relay = ""
	}
	return nil
}

// dialRelay dials a relay. It announces nothing yet.
func (h *Host) dialRelay(row store.Relay) *publicRelay {
	r := &publicRelay{host: h, url: row.URL, row: row, status: client.Status{State: client.StateConnecting}}
	if h.remotes == nil || len(row.Key) != ed25519.SeedSize {
		r.status = client.Status{State: client.StateRefused, Code: fault.RelayRefused}
		return r
	}
	h.dialled++
	task := "relay " + strconv.Itoa(h.dialled) // a new name, so that it does not replace the task of an earlier relay
	far, err := h.remotes.Open(client.Options{
		URL:   row.URL,
		Token: row.Token,
		Key:   ed25519.NewKeyFromSeed(row.Key),
		OnStatus: func(s client.Status) {
			h.loop.Post(task, func() {
				if s.State != client.StateConnected { // the last offer is still shown
					s.Offer = r.status.Offer
				}
				r.status = s
				h.touch()
			})
		},
	})
	if err != nil {
		h.log.Error("dial a relay", "code", fault.CodeOf(err))
		r.status = client.Status{State: client.StateRefused, Code: fault.CodeOf(err)}
		return r
	}
	r.remote, r.source = far, sourceOf(h, far)
	return r
}

// drop closes the connection in the background, because Close waits for guests'
// channels.
func (r *publicRelay) drop() {
	if r.remote == nil {
		return
	}
	for _, o := range r.host.openLinks {
		if o.publicRelay == r {
			o.publicRelay, o.withdrawRemote = nil, func(*[sealed.NoteSize]byte) {}
		}
	}
	r.host.background.Go(func() { r.hangUp() })
}

func (r *publicRelay) hangUp() {
	if err := r.remote.Close(); err != nil {
		r.host.log.Info("hang up at a relay", "code", fault.CodeOf(err))
	}
}

// publicRelays are in the order in which they were added.
type publicRelays []*publicRelay

// of returns the relay at a URL, or nil if the host uses none there.
func (p publicRelays) of(url string) *publicRelay {
	if i := slices.IndexFunc(p, func(r *publicRelay) bool { return r.url == url }); i >= 0 {
		return p[i]
	}
	return nil
}

// populate announces at a relay the links that live on it.
func (r *publicRelay) populate() {
	for _, o := range r.host.openLinks {
		if o.relay == r.url {
			o.announceAt(r)
		}
	}
}

// announceAt makes a link reachable at the relay on which its link lives.
func (o *openLink) announceAt(r *publicRelay) {
	if r.remote == nil {
		return
	}
	withdraw, err := r.remote.Announce(o.host.ctx, o.keys, func(f switchboard.Frames) { o.accept(r, f) })
	if err != nil {
		o.host.log.Error("announce a link at a relay", "code", fault.CodeOf(err))
		return
	}
	o.publicRelay, o.withdrawRemote = r, withdraw
}

// depart takes an open link back from all relays. A link that has ended leaves its
// note at its relay.
func (o *openLink) depart() {
	o.withdraw()
	if note, ok := Note(o.host.book, o.id); ok {
		o.withdrawRemote(&note)
	} else {
		o.withdrawRemote(nil)
	}
}

// relayForNew returns the relay on which new links are made. Fault: TooManyLinks.
func (h *Host) relayForNew() (string, error) {
	r := h.publicRelays.of(h.reach.Relay)
	if r == nil {
		return "", nil
	}
	if most := r.status.Offer.Links; most > 0 && h.openLinks.on(r.url) >= most {
		return "", fault.New(fault.TooManyLinks, nil)
	}
	return r.url, nil
}

// openLinks are the links that can be opened.
type openLinks map[sealed.LinkID]*openLink

// on counts the links on a relay.
func (o openLinks) on(url string) (n int) {
	for _, link := range o {
		if link.relay == url {
			n++
		}
	}
	return n
}

// TestRelay dials a relay once and returns what it offers. If no invitation is
// given and the relay is in the list already, it uses the invitation from there.
// Faults: RelayAddressInvalid, RelayIsLink, InvitationInvalid, and why the relay
// refused or could not be reached.
func (h *Host) TestRelay(ctx context.Context, address, invitation string) (hoststate.RelayOfferView, error) {
	url, err := client.ParsePasted(address)
	if err != nil {
		return hoststate.RelayOfferView{}, err
	}
	token, err := client.ParseInvitation(invitation)
	if err != nil {
		return hoststate.RelayOfferView{}, err
	}
	if h.remotes == nil {
		return hoststate.RelayOfferView{}, fault.New(fault.RelayUnreachable, nil)
	}
	o := client.Options{URL: url, Token: token, OnStatus: func(client.Status) {}}
	if err := h.do(ctx, func() error {
		r := h.publicRelays.of(url)
		if r != nil && o.Token == "" {
			o.Token = r.row.Token
		}
		o.Key = ed25519.NewKeyFromSeed(h.relayKey(url, r))
		return nil
	}); err != nil {
		return hoststate.RelayOfferView{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, h.timing.Probe)
	defer cancel()
	offer, err := h.remotes.Probe(ctx, o)
	if err != nil {
		if fault.CodeOf(err) == fault.Internal {
			err = fault.New(fault.RelayUnreachable, err)
		}
		return hoststate.RelayOfferView{}, err
	}
	return offerView(offer), nil
}

// relayKey returns the seed of the host's key at a relay. It is the stored one, or
// the one that was made when the relay was last tested. So if the relay's owner
// allows the host's key after a test, it is the key that is added here.
func (h *Host) relayKey(url string, r *publicRelay) []byte {
	if r != nil && len(r.row.Key) == ed25519.SeedSize {
		return r.row.Key
	}
	if h.tested.URL != url {
		_, key, err := ed25519.GenerateKey(nil)
		if err != nil { // can't be, because crypto/rand does not fail
			return nil
		}
		h.tested = store.Relay{URL: url, Key: key.Seed()}
	}
	return h.tested.Key
}

// AddRelay stores a relay and dials it. It returns at once, whether or not the
// relay can be reached. If the relay is in the list already and an invitation is
// given, it gets the invitation and is dialled again. New links open through the
// first relay that is added, until the host chooses otherwise. Faults:
// RelayAddressInvalid, RelayIsLink, InvitationInvalid, RelaysFull.
func (h *Host) AddRelay(ctx context.Context, address, invitation string) (hoststate.RelayView, error) {
	url, err := client.ParsePasted(address)
	if err != nil {
		return hoststate.RelayView{}, err
	}
	token, err := client.ParseInvitation(invitation)
	if err != nil {
		return hoststate.RelayView{}, err
	}
	var v hoststate.RelayView
	err = h.do(ctx, func() error {
		old := h.publicRelays.of(url)
		row := store.Relay{URL: url, Token: token, Key: h.relayKey(url, old), AddedAt: h.now()}
		switch n := len(h.publicRelays); {
		case old != nil:
			row.AddedAt = old.row.AddedAt
			if token == "" {
				row.Token = old.row.Token
			}
		case n >= MaxRelays:
			return fault.New(fault.RelaysFull, nil)
		case n > 0:
			// The store keeps milliseconds and sorts by them.
			if after := h.publicRelays[n-1].row.AddedAt.Add(time.Millisecond); row.AddedAt.Before(after) {
				row.AddedAt = after
			}
		}
		if err := h.keeper.PutRelay(row); err != nil {
			return err
		}
		h.tested = store.Relay{}
		r := h.dialRelay(row)
		if old != nil {
			old.drop()
			h.publicRelays[slices.Index(h.publicRelays, old)] = r
		} else {
			h.publicRelays = append(h.publicRelays, r)
		}
		r.populate()
		h.forgetParts()
		v = r.view()
		if len(h.publicRelays) > 1 || h.reach.Relay != "" {
			return nil
		}
		return h.choose(reachChoice{Relay: url, RelayOnly: h.reach.RelayOnly})
	})
	return v, err
}

// RemoveRelay forgets a relay with its key and invitation. Links that were made on
// it stay, and open on this computer and this network. Guests who wait through it
// are cut off. Fault: RelayNotFound.
func (h *Host) RemoveRelay(ctx context.Context, url string) error {
	return h.do(ctx, func() error {
		r := h.publicRelays.of(url)
		if r == nil {
			return fault.New(fault.RelayNotFound, nil)
		}
		if h.reach.Relay == url {
			if err := h.choose(reachChoice{RelayOnly: h.reach.RelayOnly}); err != nil {
				return err
			}
		}
		if err := h.keeper.DeleteRelay(url); err != nil {
			return err
		}
		r.drop()
		h.publicRelays = slices.DeleteFunc(h.publicRelays, func(other *publicRelay) bool { return other == r })
		h.forgetParts()
		return nil
	})
}

// CopyHostKey puts the public key by which a relay knows this host on the system's
// clipboard, so that the host can send it to the relay's owner. Faults:
// RelayNotFound, ClipboardUnavailable.
func (h *Host) CopyHostKey(ctx context.Context, url string) error {
	var key string
	if err := h.do(ctx, func() error {
		r := h.publicRelays.of(url)
		if r == nil || len(r.row.Key) != ed25519.SeedSize {
			return fault.New(fault.RelayNotFound, nil)
		}
		key = publicText(r.row.Key)
		return nil
	}); err != nil {
		return err
	}
	return copyText(ctx, key, h.clipboard)
}

// publicText returns the public key of a seed, in the form in which people pass it
// on.
func publicText(seed []byte) string {
	public, _ := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	return base64.RawURLEncoding.EncodeToString(public)
}

// UseRelay sets the relay on which new links are made, "" for none. Existing links
// stay where they are. Fault: RelayNotFound.
func (h *Host) UseRelay(ctx context.Context, url string) error {
	return h.do(ctx, func() error {
		if url != "" && h.publicRelays.of(url) == nil {
			return fault.New(fault.RelayNotFound, nil)
		}
		return h.choose(reachChoice{Relay: url, RelayOnly: h.reach.RelayOnly})
	})
}

// SetRelayOnly sets whether media of links on a relay passes only through the
// relay, so that no guest in the call learns this computer's address. It takes
// effect with the next call.
func (h *Host) SetRelayOnly(ctx context.Context, on bool) error {
	return h.do(ctx, func() error { return h.choose(reachChoice{Relay: h.reach.Relay, RelayOnly: on}) })
}

func (h *Host) choose(c reachChoice) error {
	if err := h.keeper.PutSetting(keyReach, c); err != nil {
		return err
	}
	h.reach = c
	h.touch()
	return nil
}

// States of relays, as the window shows them.
const (
	RelayConnecting  = "connecting"  // dialling for the first time
	RelayConnected   = "connected"   //
	RelayUnreachable = "unreachable" // the last try failed; the next is at RetryAt
	RelayRefused     = "refused"     // by the relay; Code says why
	RelayRemoved     = "removed"     // of a link: its relay is no longer in the list
)

func (r *publicRelay) view() hoststate.RelayView {
	v := hoststate.RelayView{
		URL:     r.url,
		Name:    client.Name(r.url),
		State:   relayState(r.status),
		Code:    string(r.status.Code),
		RetryAt: millis(r.status.Retry),
		Offer:   offerView(r.status.Offer),
		Links:   r.host.openLinks.on(r.url),
	}
	if v.Code != "" {
		v.Message = fault.Sentence(r.status.Code)
	}
	if v.State == RelayRefused && len(r.row.Key) == ed25519.SeedSize {
		v.HostKey = publicText(r.row.Key)
	}
	return v
}

func relayState(s client.Status) string {
	switch {
	case s.State == client.StateConnected:
		return RelayConnected
	case s.State == client.StateRefused:
		return RelayRefused
	case s.Code != "":
		return RelayUnreachable
	default:
		return RelayConnecting
	}
}

func offerView(o client.Offer) hoststate.RelayOfferView {
	return hoststate.RelayOfferView{Links: o.Links, Guests: o.Guests, Bytes: o.Bytes, Turn: o.Turn}
}

// relayOf returns the relay on which a link lives, the link's state there, and the
// reason for it.
func (d drawing) relayOf(l links.Link) (name, state, code string) {
	h := d.host
	if l.Relay == "" {
		return "", "", ""
	}
	name = client.Name(l.Relay)
	r := h.publicRelays.of(l.Relay)
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

// closeRelays closes the connections to all relays, and waits.
func (h *Host) closeRelays() {
	var relays []*publicRelay
	_ = h.loop.Do(context.Background(), func() { relays, h.publicRelays = h.publicRelays, nil })
	var closing sync.WaitGroup
	for _, r := range relays {
		if r.remote != nil {
			closing.Go(func() { r.hangUp() })
		}
	}
	closing.Wait()
}
