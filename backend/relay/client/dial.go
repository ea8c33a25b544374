package client

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"crypto/x509"

	"github.com/coder/websocket"
	"golang.org/x/time/rate"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/signalling"
)

// b64 is base64url without padding.
var b64 = base64.RawURLEncoding

// newHTTPClient returns a client that opens WebSockets, and a function that frees
// it. It follows no redirect, because the host identifies itself only to the
// relay that was named.
func newHTTPClient(config *tls.Config, timeout time.Duration) (*http.Client, func()) {
	config = config.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	config.NextProtos = []string{"http/1.1"}
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    timeout,
		ResponseHeaderTimeout:  timeout,
		MaxResponseHeaderBytes: 16 << 10,
		DisableKeepAlives:      true,
	}
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, t.CloseIdleConnections
}

// bareHost returns a host without its port.
func bareHost(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}

// dial opens a connection and registers. A probe only learns the offer: dial
// closes its connection before it returns.
func (c *Client) dial(ctx context.Context, probe bool) (*hostConn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.times.dial, fault.Newf(fault.RelayUnreachable, "no answer"))
	defer cancel()
	pings := rate.NewLimiter(2, 10)
	var local, remote netip.AddrPort
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		if a, ok := i.Conn.LocalAddr().(*net.TCPAddr); ok {
			local = a.AddrPort()
		}
		if a, ok := i.Conn.RemoteAddr().(*net.TCPAddr); ok {
			remote = a.AddrPort()
		}
	}})
	//nolint:bodyclose // its body is the socket, or read already
	ws, response, err := websocket.Dial(ctx, c.base+switchboard.HostPath, &websocket.DialOptions{
		HTTPClient:      c.client,
		Subprotocols:    []string{signalling.HostSubprotocol},
		CompressionMode: websocket.CompressionDisabled,
		OnPingReceived:  func(context.Context, []byte) bool { return pings.Allow() },
	})
	if err != nil {
		return nil, refusal(ctx, response, err)
	}
	h := newHostConn(c, ws)
	h.local = local.Addr().Unmap().WithZone("")
	if u, err := url.Parse(c.base); err == nil {
		if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u}); err == nil && proxy == nil {
			h.remote = remote.Addr().Unmap().WithZone("")
		}
	}
	if err := h.register(ctx, probe); err != nil {
		_ = ws.CloseNow()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	if probe {
		_ = ws.CloseNow()
		return h, nil
	}
	h.start()
	return h, nil
}

// refusal returns why there is no WebSocket.
func refusal(ctx context.Context, r *http.Response, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var (
		unverified *tls.CertificateVerificationError
		unknown    x509.UnknownAuthorityError
		record     tls.RecordHeaderError
		dialling   *url.Error
	)
	switch {
	case errors.As(err, &unverified) || errors.As(err, &unknown):
		return fault.New(fault.RelayUntrusted, err)
	case errors.As(err, &record):
		return fault.New(fault.RelayAbsent, err)
	case r == nil:
		if errors.As(err, &dialling) {
			err = dialling.Err // its text names the address
		}
		return fault.New(fault.RelayUnreachable, err)
	case r.StatusCode == http.StatusTooManyRequests:
		return fault.New(fault.TooFast, err)
	case r.StatusCode == http.StatusServiceUnavailable:
		return fault.New(fault.RelayFull, err)
	case r.StatusCode == http.StatusBadRequest:
		return fault.New(fault.RelayVersion, err)
	case r.StatusCode >= 500:
		return fault.New(fault.RelayUnreachable, err)
	}
	return fault.New(fault.RelayAbsent, err)
}

// register identifies this host to the relay, and takes the relay's offer.
func (h *hostConn) register(ctx context.Context, probe bool) error {
	if h.ws.Subprotocol() != signalling.HostSubprotocol {
		return fault.Newf(fault.RelayAbsent, "another subprotocol")
	}
	m, err := h.hear(ctx)
	if err != nil {
		return err
	}
	challenge, ok := m.(signalling.ChallengeHost)
	if !ok {
		return unexpected(m)
	}
	nonce, err := b64.DecodeString(challenge.Nonce)
	if err != nil {
		return fault.New(fault.MessageInvalid, err)
	}
	key := h.client.o.Key
	b, err := signalling.Encode(signalling.Register{
		Version:   signalling.HostVersion,
		Key:       b64.EncodeToString(key.Public().(ed25519.PublicKey)),
		Signature: b64.EncodeToString(ed25519.Sign(key, append([]byte(signalling.RegisterContext+h.client.hostName), nonce...))),
		Token:     h.client.o.Token,
		Probe:     probe,
		Gone:      true,
	})
	if err != nil {
		return err
	}
	if err := h.ws.Write(ctx, websocket.MessageText, b); err != nil {
		return lost(err)
	}
	if m, err = h.hear(ctx); err != nil {
		return err
	}
	offer, ok := m.(signalling.Registered)
	if !ok {
		return unexpected(m)
	}
	h.offer = Offer{
		Links: offer.Links, Guests: offer.Guests, PerLink: offer.PerLink, Bytes: offer.Bytes,
		Turn: offer.Turn, STUN: offer.STUN,
	}
	return nil
}

// hear returns the relay's next message before the connection is open.
func (h *hostConn) hear(ctx context.Context) (signalling.Message, error) {
	kind, b, err := h.ws.Read(ctx)
	if err != nil {
		return nil, lost(err)
	}
	if kind != websocket.MessageText {
		return nil, fault.Newf(fault.MessageUnexpected, "a frame before the line is open")
	}
	m, err := signalling.DecodeFromRelayHost(b)
	if err != nil {
		return nil, err
	}
	if refused, ok := m.(signalling.Refused); ok {
		return nil, refusedAs(refused)
	}
	return m, nil
}

func refusedAs(m signalling.Refused) error {
	return fault.Newf(fault.Code(m.Code), "the relay refused the line")
}

func unexpected(m signalling.Message) error {
	return fault.Newf(fault.MessageUnexpected, "%s at the wrong moment", m.Type())
}

// lost returns the end of a connection as a fault.
func lost(err error) error {
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	return fault.New(fault.RelayUnreachable, err)
}
