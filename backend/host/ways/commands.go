package ways

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"slices"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/relay/client"
	"github.com/porch-call/porch/backend/store"
)

// TestRelay dials a relay once and returns what it offers. If no invitation is
// given and the relay is in the list already, it uses the invitation from there.
// Faults: RelayAddressInvalid, RelayIsLink, InvitationInvalid, and why the relay
// refused or could not be reached.
func (w *Ways) TestRelay(ctx context.Context, address, invitation string) (hoststate.RelayOfferView, error) {
	url, err := client.ParsePasted(address)
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
	url, err := client.ParsePasted(address)
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
		return w.choose(choice{Relay: url, RelayOnly: w.choice.RelayOnly})
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
			if err := w.choose(choice{RelayOnly: w.choice.RelayOnly}); err != nil {
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
		return w.choose(choice{Relay: url, RelayOnly: w.choice.RelayOnly})
	})
}

// SetRelayOnly sets whether media of links on a relay passes only through the
// relay, so that no guest in the call learns this computer's address. It takes
// effect with the next call.
func (w *Ways) SetRelayOnly(ctx context.Context, on bool) error {
	return w.parts.Do(ctx, func() error { return w.choose(choice{Relay: w.choice.Relay, RelayOnly: on}) })
}

func (w *Ways) choose(c choice) error {
	if err := w.parts.Keeper.PutSetting(keyReach, c); err != nil {
		return err
	}
	w.choice = c
	w.parts.Touch()
	return nil
}
