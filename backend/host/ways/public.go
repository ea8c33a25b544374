package ways

import (
	"crypto/ed25519"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/host/turncredentials"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/relay/client"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/store"
)

// MaxRelays is how many public relays a host may use.
const MaxRelays = 8

// public is a public relay that the host uses. Any goroutine may read the
// fields that never change. A relay that gets another invitation is replaced by a
// new public.
type public struct {
	ways   *Ways  // never changes
	url    string // never changes
	row    store.Relay
	remote Remote // never changes; nil if it could not be opened

	status client.Status           // owned by the loop
	source *turncredentials.Source // of TURN credentials; never changes; nil without remote
}

// dial dials a relay. It announces nothing yet.
func (w *Ways) dial(row store.Relay) *public {
	r := &public{ways: w, url: row.URL, row: row, status: client.Status{State: client.StateConnecting}}
	if w.parts.Remotes == nil || len(row.Key) != ed25519.SeedSize {
		r.status = client.Status{State: client.StateRefused, Code: fault.RelayRefused}
		return r
	}
	w.dialled++
	task := "relay " + strconv.Itoa(w.dialled) // a new name, so that it does not replace the task of an earlier relay
	far, err := w.parts.Remotes.Open(client.Options{
		URL:   row.URL,
		Token: row.Token,
		Key:   ed25519.NewKeyFromSeed(row.Key),
		OnStatus: func(s client.Status) {
			w.parts.Loop.Post(task, func() {
				if s.State != client.StateConnected { // the last offer is still shown
					s.Offer = r.status.Offer
				}
				r.status = s
				w.parts.Touch()
			})
		},
	})
	if err != nil {
		w.parts.Logger.Error("dial a relay", "code", fault.CodeOf(err))
		r.status = client.Status{State: client.StateRefused, Code: fault.CodeOf(err)}
		return r
	}
	r.remote, r.source = far, w.sourceOf(far)
	return r
}

// drop closes the connection in the background, because Close waits for guests'
// channels.
func (r *public) drop() {
	if r.remote == nil {
		return
	}
	for l := range r.ways.links {
		if l.at == r {
			l.at, l.leave = nil, func(*[sealed.NoteSize]byte) {}
		}
	}
	r.ways.parts.Background.Go(func() { r.hangUp() })
}

func (r *public) hangUp() {
	if err := r.remote.Close(); err != nil {
		r.ways.parts.Logger.Info("hang up at a relay", "code", fault.CodeOf(err))
	}
}

// relays are in the order in which they were added.
type relays []*public

// of returns the relay at a URL, or nil if the host uses none there.
func (p relays) of(url string) *public {
	if i := slices.IndexFunc(p, func(r *public) bool { return r.url == url }); i >= 0 {
		return p[i]
	}
	return nil
}

// populate announces at a relay the links that live on it.
func (r *public) populate() {
	for l := range r.ways.links {
		if l.relay == r.url {
			l.announceAt(r)
		}
	}
}

// States of relays, as the window shows them.
const (
	RelayConnecting  = "connecting"  // dialling for the first time
	RelayConnected   = "connected"   //
	RelayUnreachable = "unreachable" // the last try failed; the next is at RetryAt
	RelayRefused     = "refused"     // by the relay; Code says why
	RelayRemoved     = "removed"     // of a link: its relay is no longer in the list
)

func (r *public) view() hoststate.RelayView {
	v := hoststate.RelayView{
		URL:     r.url,
		Name:    client.Name(r.url),
		State:   relayState(r.status),
		Code:    string(r.status.Code),
		RetryAt: hoststate.Millis(r.status.Retry),
		Offer:   offerView(r.status.Offer),
		Links:   r.ways.linksOn(r.url),
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

// newCredentials returns the credentials of a guest who comes through a public
// relay, or nil for the relay inside the app.
func (r *public) newCredentials() *turncredentials.Credentials {
	if r == nil {
		return nil
	}
	return turncredentials.From(r.source)
}

// sourceOf returns the source of credentials of a public relay.
func (w *Ways) sourceOf(relay turncredentials.Giver) *turncredentials.Source {
	return &turncredentials.Source{
		Relay: relay, Context: w.parts.Context, Now: w.parts.Now, Log: w.parts.Logger, Patience: w.parts.Credentials, TryGo: w.parts.Background.TryGo,
	}
}

// stun returns the STUN servers of a relay. Until the relay has named them they are
// guessed, because a call may begin before the host is connected to it.
func (r *public) stun() []string {
	if urls := r.status.Offer.STUN; len(urls) > 0 || r.status.State == client.StateConnected {
		return urls
	}
	u, err := url.Parse(r.url)
	if err != nil { // can't be, because it was parsed before
		return nil
	}
	return []string{"stun:" + net.JoinHostPort(u.Hostname(), "3478")}
}

// address returns where the relay was reached; see [call.ICEConfig].
func (r *public) address() netip.Addr {
	if r.remote == nil {
		return netip.Addr{}
	}
	return r.remote.Status().Address
}
