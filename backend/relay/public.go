package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/porch-call/porch/backend/kit/household"
	"github.com/porch-call/porch/backend/relay/oneport"
	"github.com/porch-call/porch/backend/relay/wire"
)

// publicSite is what differs in a relay with a domain of its own.
type publicSite struct {
	host string // the domain, in small letters
	base string // of links
}

// siteOf reads Options.Domain for a relay that is bound to port.
func siteOf(domain string, port uint16) (*publicSite, error) {
	host, named, err := net.SplitHostPort(domain)
	if err != nil {
		host, named = domain, strconv.Itoa(int(port))
	}
	n, err := strconv.ParseUint(named, 10, 16)
	if err != nil || n == 0 || !IsHostName(host) {
		return nil, fmt.Errorf("relay: %q is no domain", domain)
	}
	site := &publicSite{host: strings.ToLower(host)}
	site.base = "https://" + site.host
	if n != 443 {
		site.base += ":" + named
	}
	return site, nil
}

// listenPublic opens the port of a public relay: 443 unless another is asked for.
// It remembers no port.
func listenPublic(ctx context.Context, listen string) (net.Listener, error) {
	if listen == "" {
		listen = ":443"
	}
	e, err := oneport.ParseEndpoint(listen)
	if err != nil {
		return nil, err
	}
	return oneport.ListenOn(ctx, e.Host, e.Port)
}

// servePlain answers on Options.Plain: challenges, health, and for all else a
// redirect.
func (s *Server) servePlain(challenge func(http.ResponseWriter, *http.Request) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.guard(func() {
			c := oneport.ConnOf(r.Context())
			switch {
			case c == nil || !s.requests.Allow(household.Of(c.From()), time.Now()):
				wire.RefuseTooFast(w)
			case r.URL.Path == HealthPath:
				s.serveHealth(w)
			case challenge != nil && challenge(w, r):
			default:
				s.toHTTPS(w, r)
			}
		})
	})
}

// toHTTPS redirects a browser to the public address, whichever way it came.
func (s *Server) toHTTPS(w http.ResponseWriter, r *http.Request) {
	if name, ok := splitHost(r.Host); !ok || !strings.EqualFold(name, s.public.host) {
		misdirected(w)
		return
	}
	if !namesPath(r) {
		badTarget(w)
		return
	}
	w.Header().Set("Connection", "close")
	http.Redirect(w, r, s.public.base+r.URL.RequestURI(), http.StatusPermanentRedirect)
}

// otherName is for a person whose browser names another host, and for the relay's
// operator. It does not say which name would be right.
const otherName = `This is a Porch relay, but the address that you opened is not its own.

If somebody sent you a link: ask them for a new one, or check that all of it was copied.
If you run this relay: open it by the name that "porch-relay -domain" gives it. A proxy before it must pass that name on
unchanged (the Host header), and the connection as it is, with TLS; docs/relay.md shows how.
If you run Porch itself behind a tunnel or a reverse proxy: enter its address in Porch, as "Address from outside". It
must pass the Host header on unchanged.`

func misdirected(w http.ResponseWriter) {
	w.Header().Set("Connection", "close")
	http.Error(w, otherName, http.StatusMisdirectedRequest)
}

// namesPath reports whether a request is for a path of this relay. "*", an
// authority and an opaque URI (RFC 9112 section 3.2) are not, and must not get
// into an address to which a browser is redirected.
func namesPath(r *http.Request) bool {
	return r.Method != http.MethodConnect && r.URL.Opaque == "" &&
		(strings.HasPrefix(r.URL.Path, "/") || r.URL.Path == "" && r.URL.Host != "")
}

func badTarget(w http.ResponseWriter) {
	w.Header().Set("Connection", "close")
	http.Error(w, "bad request", http.StatusBadRequest)
}

// serveHealth tells a supervisor whether to send new guests and hosts here.
func (s *Server) serveHealth(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	s.mu.Lock()
	well := !s.closed && !s.draining
	s.mu.Unlock()
	if !well {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte("draining\n")) // an error is the asker's connection
		return
	}
	_, _ = w.Write([]byte("ok\n")) // an error is the asker's connection
}

// Drain prepares for Close. From then on it refuses new sockets, HealthPath
// answers 503, and hosts that have dialled in are asked to open a connection
// elsewhere. It waits until they have, or returns ctx's error. Guests stay until
// Close. Calls don't notice either.
func (s *Server) Drain(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
	s.log.Info("relay: drains")
	for {
		gone := s.hosts.Quiet()
		s.hosts.Move()
		select {
		case <-gone:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-s.lifetime.Done():
			return nil
		case <-time.After(time.Second): // for connections that were being opened
		}
	}
}

// checkPublic refuses options of a public relay that lack something.
func checkPublic(o Options) error {
	switch {
	case o.Domain != "" && o.GetCertificate == nil:
		return errors.New("relay: a domain needs GetCertificate")
	case o.Domain == "" && (o.Plain != "" || o.GetCertificate != nil):
		return errors.New("relay: Plain and GetCertificate need a domain")
	}
	return nil
}
