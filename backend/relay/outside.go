package relay

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/porch-call/porch/backend/relay/oneport"
)

// Outside is an address from outside that ends at a relay inside an app, through
// a tunnel or a reverse proxy that ends TLS before it.
type Outside struct {
	// Origin is the one that browsers show there: "https://porch.example". Links
	// begin with it.
	Origin string
	// Header is the header whose last element is the guest's address, because the
	// proxy adds it there. "" means that no header can be trusted. Then all guests
	// who come this way count as one address.
	Header string
	// Proxies are the addresses of proxies on other computers. Those on this
	// computer are always taken for one.
	Proxies []netip.Addr
}

// Audience says who may open links at a relay inside an app.
type Audience int32

// The audiences. The zero value is the default.
const (
	Everybody    Audience = iota // who finds it
	ThisNetwork                  // not by the address from outside
	ThisComputer                 // nobody on other computers
)

// SetOutside sets the address from outside; nil removes it. It is for a relay of
// one app.
func (s *Server) SetOutside(o *Outside) { s.outside.Store(o) }

// SetAudience sets who may open links. Sockets that are open stay.
func (s *Server) SetAudience(a Audience) { s.audience.Store(int32(a)) }

// Trial is an address from outside that is being tested, and what has been seen
// of it. See [Server.Try].
type Trial struct {
	outside Outside
	token   string
}

// Seen is what arrived of a request that was sent to an address from outside.
type Seen struct {
	Host    string              `json:"host"`    // the Host header
	From    netip.Addr          `json:"from"`    // whoever connected: the proxy
	Headers map[string][]string `json:"headers"` // of TrialHeaders, what arrived
}

// TrialHeaders are the headers in which proxies name the guest's address, the best
// first.
var TrialHeaders = []string{"X-Forwarded-For", "Cf-Connecting-Ip", "X-Real-Ip"}

// TrialPath answers what has been seen of a request whose header TrialToken has the
// token. That is no part of the path, because proxies write paths into their logs.
const (
	TrialPath  = "/trial"
	TrialToken = "Porch-Trial"
)

// Try accepts guests at an address from outside until end is called, and answers
// at TrialPath whoever knows the token with what has been seen of the request. The
// token can't be guessed. A second call ends the first.
func (s *Server) Try(o Outside, token string) (end func()) {
	t := &Trial{outside: o, token: token}
	s.trial.Store(t)
	return func() { s.trial.CompareAndSwap(t, nil) }
}

// Is reports whether a Host header names this address.
func (o *Outside) Is(host string) bool {
	return o != nil && strings.EqualFold(strings.TrimSuffix(host, ":443"), strings.TrimPrefix(o.Origin, "https://"))
}

// trusts reports whether a connection comes from a proxy.
func (o *Outside) trusts(from netip.Addr) bool {
	return from.IsLoopback() || slices.Contains(o.Proxies, from)
}

// guest returns the guest's address: the last element of the header. All before it
// may have been forged.
func (o *Outside) guest(h http.Header) netip.Addr {
	unknown := netip.IPv6Unspecified()
	if o.Header == "" {
		return unknown
	}
	if a := LastAddress(h.Values(o.Header)); a.IsValid() {
		return a
	}
	return unknown
}

// LastAddress returns the last element of a header that lists addresses, or the
// zero Addr if that is no address.
func LastAddress(values []string) netip.Addr {
	if len(values) == 0 {
		return netip.Addr{}
	}
	last := values[len(values)-1]
	last = strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
	if p, err := netip.ParseAddrPort(last); err == nil {
		return p.Addr().Unmap().WithZone("")
	}
	a, err := netip.ParseAddr(strings.Trim(last, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

// visit is where a request comes from.
type visit struct {
	from    netip.Addr // the guest's
	outside *Outside   // nil unless it came by an address from outside
}

// visitOf returns where a request comes from. ok is false if it names another
// host, or came a way that would take it for somebody else.
func (s *Server) visitOf(r *http.Request, c *oneport.Conn) (v visit, ok bool) {
	v.from = c.From()
	if s.public != nil {
		return v, s.hostAllowed(r.Host)
	}
	if out := s.outsideOf(r.Host, c.From()); out != nil {
		return visit{from: out.guest(r.Header), outside: out}, out.trusts(c.From())
	}
	// A proxy that passes another Host on would make its guests people at this
	// computer.
	if c.From().IsLoopback() && forwarded(r.Header) {
		return v, false
	}
	return v, s.hostAllowed(r.Host)
}

// outsideOf returns the address from outside that a Host header names, or nil. A
// trial of the address that is in use counts for proxies that it has found anew.
func (s *Server) outsideOf(host string, from netip.Addr) *Outside {
	out := s.outside.Load()
	if t := s.trial.Load(); t != nil && t.outside.Is(host) && (!out.Is(host) || !out.trusts(from)) {
		return &t.outside
	}
	if out.Is(host) {
		return out
	}
	return nil
}

// forwarded reports whether a proxy has passed a request on.
func forwarded(h http.Header) bool {
	return h.Get("Forwarded") != "" || h.Get("Via") != "" ||
		slices.ContainsFunc(TrialHeaders, func(name string) bool { return h.Get(name) != "" })
}

// admits reports whether the audience has this guest in it.
func (s *Server) admits(v visit) bool {
	switch Audience(s.audience.Load()) {
	case ThisComputer:
		return v.outside == nil && v.from.IsLoopback()
	case ThisNetwork:
		return v.outside == nil
	default:
		return true
	}
}

// notNow is for a person who opens a link that the host has closed to them.
const notNow = "This link can't be opened from here now. Ask whoever sent it to you."

// answerTrial answers a request of a trial, and reports whether it is one.
func (s *Server) answerTrial(w http.ResponseWriter, r *http.Request, c *oneport.Conn) bool {
	t := s.trial.Load()
	token := r.Header.Get(TrialToken)
	if t == nil || r.URL.Path != TrialPath || subtle.ConstantTimeCompare([]byte(token), []byte(t.token)) != 1 {
		return false
	}
	seen := Seen{Host: r.Host, From: c.From(), Headers: map[string][]string{}}
	for _, name := range TrialHeaders {
		if values := r.Header.Values(name); len(values) > 0 {
			seen.Headers[name] = values
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_ = json.NewEncoder(w).Encode(seen) // an error is the asker's connection
	return true
}
