package ways

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/relay"
	"github.com/porch-call/porch/backend/relay/client"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// ownChoice is the host's address from outside, with what a test has seen of it.
type ownChoice struct {
	Origin  string       `json:"origin,omitempty"` // "" for none
	Header  string       `json:"header,omitempty"` // see relay.Outside
	Proxies []netip.Addr `json:"proxies,omitempty"`
	Funnel  int          `json:"funnel,omitempty"` // the port of Tailscale Funnel, if that leads here; 0 if not
}

func (c ownChoice) outside() *relay.Outside {
	if c.Origin == "" {
		return nil
	}
	return &relay.Outside{Origin: c.Origin, Header: c.Header, Proxies: c.Proxies}
}

// Times between looks through the address from outside.
const (
	lookAgain = 15 * time.Minute
	lookSoon  = time.Minute // after a failure
)

const maxTrialAnswer = 16 << 10 // bytes

// forgedGuest is the address that a test claims to be a guest's (RFC 5737). A
// proxy that passes it on as the last one lets guests name any address.
var forgedGuest = netip.AddrFrom4([4]byte{192, 0, 2, 77})

// TestOwn looks at this Porch through an address from outside, as a guest's browser
// would, and returns what was seen. Faults: RelayAddressInvalid, RelayIsLink,
// OutsideUnreachable, OutsideUntrusted, OutsideElsewhere, OutsideHost,
// OutsideSockets.
func (w *Ways) TestOwn(ctx context.Context, address string) (hoststate.OwnTestView, error) {
	origin, err := client.ParsePasted(address)
	if err != nil {
		return hoststate.OwnTestView{}, err
	}
	seen, from, err := w.look(ctx, origin)
	if err != nil {
		return hoststate.OwnTestView{}, err
	}
	v := hoststate.OwnTestView{URL: origin, Name: client.Name(origin), Counted: seen.Header != ""}
	if from.IsValid() {
		v.From = from.String()
	}
	return v, nil
}

// UseOwn makes links open at an address from outside; "" removes it. It looks
// through the address first, but takes it even if nothing is seen from here,
// because some routers hide an address from their own network. Faults:
// RelayAddressInvalid, RelayIsLink.
func (w *Ways) UseOwn(ctx context.Context, address string) error {
	if address == "" {
		return w.setOwn(ctx, ownChoice{}, nil)
	}
	origin, err := client.ParsePasted(address)
	if err != nil {
		return err
	}
	seen, _, failed := w.look(ctx, origin)
	if failed != nil {
		seen = ownChoice{Origin: origin}
	}
	return w.setOwn(ctx, seen, failed)
}

// setOwn stores the address from outside, with what a look through it has told.
func (w *Ways) setOwn(ctx context.Context, own ownChoice, failed error) error {
	return w.parts.Do(ctx, func() error {
		next := w.choice
		next.Own = own
		if err := w.choose(next); err != nil {
			return err
		}
		w.looked(failed)
		w.parts.Inside.SetOutside(own.outside())
		w.parts.Forget()
		return nil
	})
}

// looked notes the outcome of a look.
func (w *Ways) looked(err error) {
	w.ownState, w.ownCode = hoststate.OwnWorks, ""
	if err != nil {
		w.ownState, w.ownCode = hoststate.OwnFails, fault.CodeOf(err)
	}
	w.parts.Touch()
}

// keepLooking looks through the address from outside again and again, so that the
// window tells the truth. It runs until the host closes.
func (w *Ways) keepLooking() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-w.parts.Context.Done():
			return
		case <-w.lookNow:
		case <-timer.C:
		}
		var own ownChoice
		if err := w.parts.Do(w.parts.Context, func() error { own = w.choice.Own; return nil }); err != nil {
			return
		}
		if own.Origin == "" {
			timer.Reset(lookAgain)
			continue
		}
		seen, _, err := w.look(w.parts.Context, own.Origin)
		_ = w.parts.Do(w.parts.Context, func() error { // fails once the host closes
			if w.choice.Own.Origin != own.Origin {
				return nil
			}
			w.looked(err)
			// If the proxy has changed, what it is no longer trusted with is forgotten.
			if err == nil && (seen.Header != own.Header || !slices.Equal(seen.Proxies, own.Proxies)) {
				seen.Funnel = own.Funnel
				next := w.choice
				next.Own = seen
				if err := w.choose(next); err != nil {
					return err
				}
				w.parts.Inside.SetOutside(seen.outside())
			}
			return nil
		})
		if err != nil {
			timer.Reset(lookSoon)
		} else {
			timer.Reset(lookAgain)
		}
	}
}

// look asks for this Porch through an origin: for an answer that only this one can
// give, and over a WebSocket.
func (w *Ways) look(ctx context.Context, origin string) (seen ownChoice, from netip.Addr, err error) {
	w.looking.Lock() // one at a time, because a trial ends the one before
	defer w.looking.Unlock()
	ctx, cancel := context.WithTimeout(ctx, w.parts.Probe)
	defer cancel()
	token := rand.Text()
	end := w.parts.Inside.Try(relay.Outside{Origin: origin}, token)
	defer func() { end() }() // of the last trial
	transport := &http.Transport{
		TLSClientConfig: w.parts.TLS.Clone(), MaxResponseHeaderBytes: maxTrialAnswer, DisableKeepAlives: true,
	}
	defer transport.CloseIdleConnections()
	c := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	arrived, err := askTrial(ctx, c, origin, token)
	if err != nil {
		return seen, from, err
	}
	seen = ownChoice{Origin: origin}
	if !arrived.From.IsLoopback() {
		seen.Proxies = []netip.Addr{arrived.From}
	}
	if !(&relay.Outside{Origin: origin}).Is(arrived.Host) {
		return seen, from, fault.New(fault.OutsideHost, nil)
	}
	for _, name := range relay.TrialHeaders {
		if a := relay.LastAddress(arrived.Headers[name]); a.IsValid() && a != forgedGuest {
			seen.Header, from = name, a
			break
		}
	}
	end()
	end = w.parts.Inside.Try(*seen.outside(), token) // the proxy is known now
	if err := askSocket(ctx, c, origin); err != nil {
		return seen, from, fault.New(fault.OutsideSockets, err)
	}
	return seen, from, nil
}

// askTrial asks what of a request arrives. It claims to pass on a guest's.
func askTrial(ctx context.Context, c *http.Client, origin, token string) (seen relay.Seen, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, origin+relay.TrialPath, nil)
	if err != nil {
		return seen, fault.New(fault.RelayAddressInvalid, err)
	}
	r.Header.Set(relay.TrialToken, token)
	for _, name := range relay.TrialHeaders {
		r.Header.Set(name, forgedGuest.String())
	}
	response, err := c.Do(r)
	if err != nil {
		var untrusted *tls.CertificateVerificationError
		if errors.As(err, &untrusted) {
			return seen, fault.New(fault.OutsideUntrusted, err)
		}
		return seen, fault.New(fault.OutsideUnreachable, err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(io.LimitReader(response.Body, maxTrialAnswer))
	if err != nil {
		return seen, fault.New(fault.OutsideUnreachable, err)
	}
	switch response.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return seen, fault.Newf(fault.OutsideUnreachable, "status %d", response.StatusCode)
	}
	if response.StatusCode != http.StatusOK || json.Unmarshal(b, &seen) != nil || seen.Host == "" {
		return seen, fault.Newf(fault.OutsideElsewhere, "status %d", response.StatusCode)
	}
	return seen, nil
}

// askSocket asks for a link that does not exist, as a page would.
func askSocket(ctx context.Context, c *http.Client, origin string) error {
	ws, response, err := websocket.Dial(ctx, origin+switchboard.SocketPath, &websocket.DialOptions{
		HTTPClient: c, Subprotocols: []string{signalling.Subprotocol}, HTTPHeader: http.Header{"Origin": {origin}},
	})
	if response != nil && response.Body != nil {
		defer response.Body.Close()
	}
	if err != nil {
		return err
	}
	defer func() { _ = ws.CloseNow() }() // the answer is all that is wanted
	keys, err := sealed.NewLinkKeys()
	if err != nil {
		return err
	}
	b, err := signalling.Encode(signalling.Open{Version: signalling.ProtocolVersion, Link: string(keys.ID())})
	if err != nil {
		return err
	}
	if err := ws.Write(ctx, websocket.MessageText, b); err != nil {
		return err
	}
	_, _, err = ws.Read(ctx)
	return err
}

func (w *Ways) ownView() hoststate.OwnView {
	own := w.choice.Own
	if own.Origin == "" {
		return hoststate.OwnView{}
	}
	v := hoststate.OwnView{
		URL: own.Origin, Name: client.Name(own.Origin), State: w.ownState, Code: string(w.ownCode), Counted: own.Header != "",
	}
	if v.Code != "" {
		v.Message = fault.Sentence(w.ownCode)
	}
	return v
}
