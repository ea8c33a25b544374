package ways

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/host/ways/funnel"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/relay"
	"github.com/porch-call/porch/backend/relay/client"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/store"
)

// TestRelay dials a relay once and returns what it offers. If no invitation is
// given and the relay is in the list already, it uses the invitation from there.
// Faults: RelayAddressInvalid, RelayIsLink, InvitationInvalid, and why the relay
// refused or could not be reached.
func (w *Ways) TestRelay(ctx context.Context, address, invitation string) (hoststate.RelayOfferView, error) {
	url, err := client.ParsePasted(pasted(address))
	if err != nil {
		return hoststate.RelayOfferView{}, err
	}
	token, err := client.ParseInvitation(invitation)
	if err != nil {
		return hoststate.RelayOfferView{}, err
	}
	if w.parts.Remotes == nil {
		return hoststate.RelayOfferView{}, fault.New(fault.RelayUnreachable, nil)
	}
	o := client.Options{URL: url, Token: token, OnStatus: func(client.Status) {}}
	if err := w.parts.Do(ctx, func() error {
		r := w.relays.of(url)
		if r != nil && o.Token == "" {
			o.Token = r.row.Token
		}
		o.Key = ed25519.NewKeyFromSeed(w.relayKey(url, r))
		return nil
	}); err != nil {
		return hoststate.RelayOfferView{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, w.parts.Probe)
	defer cancel()
	offer, err := w.parts.Remotes.Probe(ctx, o)
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
func (w *Ways) relayKey(url string, r *public) []byte {
	if r != nil && len(r.row.Key) == ed25519.SeedSize {
		return r.row.Key
	}
	if w.tested.URL != url {
		_, key, err := ed25519.GenerateKey(nil)
		if err != nil { // can't be, because crypto/rand does not fail
			return nil
		}
		w.tested = store.Relay{URL: url, Key: key.Seed()}
	}
	return w.tested.Key
}

// AddRelay stores a relay and dials it. It returns at once, whether or not the
// relay can be reached. If the relay is in the list already and an invitation is
// given, it gets the invitation and is dialled again. New links open through the
// first relay that is added, until the host chooses otherwise. Faults:
// RelayAddressInvalid, RelayIsLink, InvitationInvalid, RelaysFull.
func (w *Ways) AddRelay(ctx context.Context, address, invitation string) (hoststate.RelayView, error) {
	url, err := client.ParsePasted(pasted(address))
	if err != nil {
		return hoststate.RelayView{}, err
	}
	token, err := client.ParseInvitation(invitation)
	if err != nil {
		return hoststate.RelayView{}, err
	}
	var v hoststate.RelayView
	err = w.parts.Do(ctx, func() error {
		old := w.relays.of(url)
		row := store.Relay{URL: url, Token: token, Key: w.relayKey(url, old), AddedAt: w.parts.Now()}
		switch n := len(w.relays); {
		case old != nil:
			row.AddedAt = old.row.AddedAt
			if token == "" {
				row.Token = old.row.Token
			}
		case n >= MaxRelays:
			return fault.New(fault.RelaysFull, nil)
		case n > 0:
			// The store keeps milliseconds and sorts by them.
			if after := w.relays[n-1].row.AddedAt.Add(time.Millisecond); row.AddedAt.Before(after) {
				row.AddedAt = after
			}
		}
		if err := w.parts.Keeper.PutRelay(row); err != nil {
			return err
		}
		w.tested = store.Relay{}
		r := w.dial(row)
		if old != nil {
			old.drop()
			w.relays[slices.Index(w.relays, old)] = r
		} else {
			w.relays = append(w.relays, r)
		}
		r.populate()
		w.parts.Forget()
		v = r.view()
		if len(w.relays) > 1 || w.choice.Relay != "" {
			return nil
		}
		return w.useRelay(url)
	})
	return v, err
}

// RemoveRelay forgets a relay with its key and invitation. Links that were made on
// it stay, and open on this computer and this network. Guests who wait through it
// are cut off. Fault: RelayNotFound.
func (w *Ways) RemoveRelay(ctx context.Context, url string) error {
	return w.parts.Do(ctx, func() error {
		r := w.relays.of(url)
		if r == nil {
			return fault.New(fault.RelayNotFound, nil)
		}
		if w.choice.Relay == url {
			if err := w.useRelay(""); err != nil {
				return err
			}
		}
		if err := w.parts.Keeper.DeleteRelay(url); err != nil {
			return err
		}
		r.drop()
		w.relays = slices.DeleteFunc(w.relays, func(other *public) bool { return other == r })
		w.parts.Forget()
		return nil
	})
}

// CopyHostKey puts the public key by which a relay knows this host on the system's
// clipboard, so that the host can send it to the relay's owner. Faults:
// RelayNotFound, ClipboardUnavailable.
func (w *Ways) CopyHostKey(ctx context.Context, url string) error {
	var key string
	if err := w.parts.Do(ctx, func() error {
		r := w.relays.of(url)
		if r == nil || len(r.row.Key) != ed25519.SeedSize {
			return fault.New(fault.RelayNotFound, nil)
		}
		key = publicText(r.row.Key)
		return nil
	}); err != nil {
		return err
	}
	return w.parts.Copy(ctx, key)
}

// publicText returns the public key of a seed, in the form in which people pass it
// on.
func publicText(seed []byte) string {
	public, _ := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	return base64.RawURLEncoding.EncodeToString(public)
}

// UseRelay sets the relay on which new links are made, "" for none. Existing links
// stay where they are. Fault: RelayNotFound.
func (w *Ways) UseRelay(ctx context.Context, url string) error {
	return w.parts.Do(ctx, func() error {
		if url != "" && w.relays.of(url) == nil {
			return fault.New(fault.RelayNotFound, nil)
		}
		return w.useRelay(url)
	})
}

// SetRelayOnly sets whether media of links on a relay passes only through the
// relay, so that no guest in the call learns this computer's address. It takes
// effect with the next call.
func (w *Ways) SetRelayOnly(ctx context.Context, on bool) error {
	return w.parts.Do(ctx, func() error {
		next := w.choice
		next.RelayOnly = on
		return w.choose(next)
	})
}

// SetRouter sets whether the router is asked to let calls in.
func (w *Ways) SetRouter(ctx context.Context, on bool) error {
	return w.parts.Do(ctx, func() error {
		next := w.choice
		next.Router = on
		if err := w.choose(next); err != nil {
			return err
		}
		if w.parts.Router != nil {
			w.parts.Router.Enable(on)
		}
		return nil
	})
}

// SetWho sets who may open links: WhoAnywhere, WhoNetwork or WhoComputer. It takes
// effect at once, for all links. Guests who are in a call stay. Fault:
// MessageInvalid.
func (w *Ways) SetWho(ctx context.Context, who string) error {
	if !slices.Contains([]string{WhoAnywhere, WhoNetwork, WhoComputer}, who) {
		return fault.Newf(fault.MessageInvalid, "nobody may open links")
	}
	return w.parts.Do(ctx, func() error {
		if who == w.choice.who() {
			return nil
		}
		before := w.choice.who()
		next := w.choice
		next.Who = who
		if err := w.choose(next); err != nil {
			return err
		}
		w.parts.Inside.SetAudience(audience(who))
		for l := range w.links {
			l.renewDoor()
			switch r := w.relays.of(l.relay); {
			case r == nil:
			case who == WhoAnywhere:
				l.announceAt(r)
			case before == WhoAnywhere:
				l.leave(nil)
				l.at, l.leave = nil, func(*[sealed.NoteSize]byte) {}
			}
		}
		w.parts.Forget()
		return nil
	})
}

// States of Tailscale Funnel, as the window shows them.
const (
	funnelOff = "off"
	funnelOn  = "on"
)

// UseFunnel turns Tailscale Funnel on, by Tailscale's own program, and takes its
// address as the address from outside; or turns off what it has turned on. Faults:
// FunnelMissing, FunnelRefused.
func (w *Ways) UseFunnel(ctx context.Context, on bool) error {
	if !on {
		var own ownChoice
		if err := w.parts.Do(ctx, func() error { own = w.choice.Own; return nil }); err != nil || own.Funnel == 0 {
			return err
		}
		if err := funnel.Off(ctx, own.Funnel); err != nil {
			return err
		}
		return w.funnelled(ctx, funnelOff, ownChoice{}, nil)
	}
	port, err := w.localPort()
	if err != nil {
		return err
	}
	origin, at, err := funnel.On(ctx, port)
	if err != nil {
		return err
	}
	seen, _, failed := w.look(ctx, origin)
	if failed != nil { // the certificate may take minutes; keepLooking sees it come
		seen = ownChoice{Origin: origin}
	}
	seen.Funnel = at
	return w.funnelled(ctx, funnelOn, seen, failed)
}

func (w *Ways) funnelled(ctx context.Context, state string, own ownChoice, failed error) error {
	if err := w.setOwn(ctx, own, failed); err != nil {
		return err
	}
	return w.parts.Do(ctx, func() error {
		w.funnel = state
		w.parts.Touch()
		return nil
	})
}

// localPort returns the port of the relay inside the app on this computer. Fault:
// FunnelRefused if it has none there.
func (w *Ways) localPort() (uint16, error) {
	for _, a := range w.parts.Inside.Addresses() {
		u, err := url.Parse(a.Base)
		if err != nil || a.Reach != relay.ReachComputer {
			continue
		}
		if n, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
			return uint16(n), nil
		}
	}
	return 0, fault.Newf(fault.FunnelRefused, "no address on this computer")
}

func (w *Ways) useRelay(url string) error {
	next := w.choice
	next.Relay = url
	return w.choose(next)
}

func (w *Ways) choose(c choice) error {
	if err := w.parts.Keeper.PutSetting(keyReach, c); err != nil {
		return err
	}
	w.choice = c
	w.parts.Touch()
	return nil
}
