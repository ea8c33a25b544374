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

// keyReach is where in the settings of the store the host's choice is kept.
const keyReach = "reach"

// reachChoice is what the host has chosen about reach.
type reachChoice struct {
	Relay     string `json:"relay"`     // base of the relay on which new links are made; "" for none
	RelayOnly bool   `json:"relayOnly"` // media of links on a relay goes through it
}

// publicRelay is a public relay that the host uses. What never changes may be read
// anywhere; a relay that gets another invitation is another publicRelay.
type publicRelay struct {
	host   *Host  // never changes
	url    string // never changes
	row    store.Relay
	remote Remote // never changes; nil when it could not be opened

	status client.Status           // of the loop
	source *turncredentials.Source // of TURN credentials; never changes; nil without remote
}

// loadRelays dials each relay of the store.
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
	task := "relay " + strconv.Itoa(h.dialled) // its own, not that of the one it replaces
	far, err := h.remotes.Open(client.Options{
		URL:   row.URL,
		Token: row.Token,
		Key:   ed25519.NewKeyFromSeed(row.Key),
		OnStatus: func(s client.Status) {
			h.loop.Post(task, func() {
				if s.State != client.StateConnected { // what was offered last is still told
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

// drop hangs up beside the loop: it waits for guests' channels.
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

// publicRelays are in the order of adding.
type publicRelays []*publicRelay

// of returns the relay at a URL; nil when the host uses none there.
func (p publicRelays) of(url string) *publicRelay {
	if i := slices.IndexFunc(p, func(r *publicRelay) bool { return r.url == url }); i >= 0 {
		return p[i]
	}
	return nil
}

// populate announces the links that live on a relay there.
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

// depart takes an open link back from everywhere. One that has ended leaves its
// note at its relay.
func (o *openLink) depart() {
	o.withdraw()
	if note, ok := Note(o.host.book, o.id); ok {
		o.withdrawRemote(&note)
	} else {
		o.withdrawRemote(nil)
	}
}

// relayForNew is the relay on which a link is made now. Fault: TooManyLinks.
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

// on counts those on a relay.
func (o openLinks) on(url string) (n int) {
	for _, link := range o {
		if link.relay == url {
			n++
		}
	}
	return n
}

// TestRelay dials a relay once and says what it offers. The invitation of a
// relay that is in the list already is used when none is given. Faults:
// RelayAddressInvalid, RelayIsLink, InvitationInvalid, and why it is refused or
// not reached.
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

// relayKey is the seed of the host's key at a relay: the kept one, or the one
// that was made when the relay was last tested, so that who allows the host in
// after the test allows the key that is added.
func (h *Host) relayKey(url string, r *publicRelay) []byte {
	if r != nil && len(r.row.Key) == ed25519.SeedSize {
		return r.row.Key
	}
	if h.tested.URL != url {
		_, key, err := ed25519.GenerateKey(nil)
		if err != nil { // never: crypto/rand does not fail
			return nil
		}
		h.tested = store.Relay{URL: url, Key: key.Seed()}
	}
	return h.tested.Key
}

// AddRelay keeps a relay and dials it. It works at once, whether or not the
// relay can be reached. A relay that is in the list already gets the invitation,
// if one is given, and is dialled anew. New links open through the first relay
// that is added, until the host chooses otherwise. Faults: RelayAddressInvalid,
// RelayIsLink, InvitationInvalid, RelaysFull.
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
			// The store keeps milliseconds, and the order by them.
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

// RemoveRelay forgets a relay with its key and invitation. Links that were made
// on it stay, and open on this computer and this network; who waits through it
// is cut off. Fault: RelayNotFound.
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
// clipboard, for the relay's owner. Faults: RelayNotFound, ClipboardUnavailable.
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

// publicText is the public key of a seed, as people hand it on.
func publicText(seed []byte) string {
	public, _ := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	return base64.RawURLEncoding.EncodeToString(public)
}

// UseRelay says on which relay new links are made; "" for none. Links that are
// there stay where they live. Fault: RelayNotFound.
func (h *Host) UseRelay(ctx context.Context, url string) error {
	return h.do(ctx, func() error {
		if url != "" && h.publicRelays.of(url) == nil {
			return fault.New(fault.RelayNotFound, nil)
		}
		return h.choose(reachChoice{Relay: url, RelayOnly: h.reach.RelayOnly})
	})
}

// SetRelayOnly says whether media of links on a relay goes through the relay
// only, so that nobody in the call learns this computer's address. It counts
// from the next call.
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
	RelayRemoved     = "removed"     // of a link: its relay is not in the list any more
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

// relayOf is the relay on which a link lives, how it is to the link, and why.
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

// closeRelays hangs up at all relays, and waits.
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
