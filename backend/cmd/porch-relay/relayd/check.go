package relayd

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/relay"
	"github.com/porch-call/porch/backend/relay/client"
)

const checkHelp = `porch-relay check looks at a relay from outside, as guests and hosts do, and tells
what is wrong and what to do about it. Run it on another machine than the relay's,
best at home. It exits with 0 when all is well, and with 1 when something is not.

With an invitation in -token-file ("-" is standard input) it looks at TURN, too;
a relay that is open to all hosts needs none.

`

// errCheck says that the check found a fault, which it has printed already.
var errCheck = errors.New("check: something is wrong")

// checker checks a relay part by part, and writes each finding as a line.
type checker struct {
	out     io.Writer
	host    string
	port    int // of HTTPS
	plain   int // of HTTP; 0 is not checked
	roots   *x509.CertPool
	token   string
	timeout time.Duration
	network string // "ip" or "ip4"

	wrong     bool
	addresses []netip.Addr
}

// runCheck is the command "check".
func runCheck(args []string, environment map[string]string, stdout, stderr io.Writer) error {
	c, err := parseCheck(args, environment, stdout, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	c.run(context.Background())
	if c.wrong {
		return errCheck
	}
	return nil
}

func parseCheck(args []string, environment map[string]string, stdout, stderr io.Writer) (*checker, error) {
	c := &checker{out: stdout, network: "ip"}
	flags := flag.NewFlagSet("porch-relay check", flag.ContinueOnError)
	flags.SetOutput(stderr)
	domain := flags.String("domain", "", "the relay's `name`, as it stands in links: call.example.org, or call.example.org:8443")
	config := flags.String("config", "", "take the domain from this `file` of settings")
	tokenFile := flags.String("token-file", "", "`file` with an invitation; \"-\" is standard input")
	root := flags.String("root", "", "PEM `file` of an authority to trust besides the system's")
	flags.IntVar(&c.plain, "http-port", 80, "`port` of plain HTTP; 0 looks at none")
	only4 := flags.Bool("4", false, "look at IPv4 only, where this computer has no IPv6")
	flags.DurationVar(&c.timeout, "timeout", 10*time.Second, "how `long` to wait for each answer")
	flags.Usage = func() {
		fmt.Fprint(stdout, checkHelp)
		flags.SetOutput(stdout)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if *only4 {
		c.network = "ip4"
	}
	s := settings{}
	if *config != "" {
		if err := newConfiguration(&s, environment).load([]string{"-config", *config}, environment); err != nil {
			return nil, err
		}
	}
	if *domain != "" {
		s.domain = *domain
	}
	if !s.readDomain() {
		return nil, errors.New("which relay? Say -domain call.example.org")
	}
	c.host, c.port = s.host(), 443
	if _, named, err := net.SplitHostPort(s.domain); err == nil {
		if c.port, err = strconv.Atoi(named); err != nil {
			return nil, fmt.Errorf("-domain %q: want a number as its port", s.domain)
		}
	}
	if *root != "" {
		b, err := readSmall(*root, 1<<20)
		if err != nil {
			return nil, err
		}
		if c.roots, err = x509.SystemCertPool(); err != nil {
			c.roots = x509.NewCertPool()
		}
		if !c.roots.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("%s holds no certificate", *root)
		}
	}
	if *tokenFile == "" {
		return c, nil
	}
	b, err := readToken(*tokenFile)
	c.token = strings.TrimSpace(string(b))
	return c, err
}

func readToken(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(io.LimitReader(os.Stdin, 4096))
	}
	return readSmall(path, 4096)
}

// The three verdicts of a part.

func (c *checker) ok(what, format string, args ...any) {
	fmt.Fprintf(c.out, "ok     %-14s %s\n", what, fmt.Sprintf(format, args...))
}

func (c *checker) note(what, format string, args ...any) {
	fmt.Fprintf(c.out, "note   %-14s %s\n", what, fmt.Sprintf(format, args...))
}

// bad also says what to do.
func (c *checker) bad(what, found, do string) {
	c.wrong = true
	fmt.Fprintf(c.out, "WRONG  %-14s %s\n       %-14s → %s\n", what, found, "", do)
}

// run checks all parts. It leaves out those that depend on a part that is wrong.
func (c *checker) run(ctx context.Context) {
	if !c.dns(ctx) {
		return
	}
	if c.plain != 0 {
		c.redirect(ctx)
	}
	if !c.reach(ctx, "HTTPS", c.port, "open TCP port "+strconv.Itoa(c.port)+" in the firewall of the machine and of its provider, and see whether the relay runs") {
		return
	}
	if !c.certificate(ctx) {
		return
	}
	c.page(ctx)
	c.socket(ctx)
	if offer, ok := c.dialIn(ctx); ok {
		c.relayed(ctx, offer)
	}
}

// dns looks up the name.
func (c *checker) dns(ctx context.Context) bool {
	const what = "DNS"
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, c.network, c.host)
	if err != nil || len(found) == 0 {
		c.bad(what, c.host+" leads nowhere", "at your DNS provider, make an A record (and an AAAA record, for IPv6) with the address of the relay's machine; new ones can take an hour")
		return false
	}
	var names []string
	for _, a := range found {
		a = a.Unmap()
		if slices.Contains(c.addresses, a) {
			continue // a hosts file may list it twice
		}
		c.addresses = append(c.addresses, a)
		names = append(names, a.String())
		if a.IsPrivate() || a.IsLoopback() {
			c.note(what, "%s is not on the internet: only its own network reaches it", a)
		}
	}
	c.ok(what, "%s is %s", c.host, strings.Join(names, ", "))
	return true
}

// reach opens a TCP connection to each address.
func (c *checker) reach(ctx context.Context, what string, port int, do string) bool {
	reached := 0
	for _, a := range c.addresses {
		at := netip.AddrPortFrom(a, uint16(port)).String()
		d := net.Dialer{Timeout: c.timeout}
		conn, err := d.DialContext(ctx, "tcp", at)
		if err != nil {
			if a.Is6() && !a.IsLoopback() {
				do += "; or remove the AAAA record; or, if this computer has no IPv6, say -4"
			}
			c.bad(what, at+" "+why(err), do)
			continue
		}
		conn.Close()
		reached++
	}
	if reached == len(c.addresses) {
		c.ok(what, "port %d answers at each address", port)
	}
	return reached > 0
}

// why returns an error of the network in few words.
func why(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refuses connections"
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return "does not answer"
	}
	return "can't be reached: " + err.Error()
}

// client returns an HTTP client for one address.
func (c *checker) client(a netip.Addr, port int) (client *http.Client, free func()) {
	d := net.Dialer{Timeout: c.timeout}
	t := &http.Transport{
		TLSClientConfig: &tls.Config{ServerName: c.host, RootCAs: c.roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "tcp", netip.AddrPortFrom(a, uint16(port)).String())
		},
		ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10,
	}
	return &http.Client{
		Transport: t, Timeout: c.timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, t.CloseIdleConnections
}

// reply is the answer of a web server.
type reply struct {
	status int
	proto  string
	header http.Header
	body   string // the first 64 KB
}

// get asks one address for a page.
func (c *checker) get(ctx context.Context, a netip.Addr, port int, address string) (reply, error) {
	client, free := c.client(a, port)
	defer free()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return reply{}, err
	}
	response, err := client.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	b, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	return reply{response.StatusCode, response.Proto, response.Header, string(b)}, err
}

// base returns the address that links begin with.
func (c *checker) base() string {
	if c.port == 443 {
		return "https://" + c.host
	}
	return "https://" + net.JoinHostPort(c.host, strconv.Itoa(c.port))
}

// redirect checks plain HTTP.
func (c *checker) redirect(ctx context.Context) {
	const what = "HTTP"
	if !c.reach(ctx, what, c.plain, "open TCP port "+strconv.Itoa(c.plain)+" in the firewall: the certificate authority asks there, and so do browsers when somebody types the name") {
		return
	}
	host := c.host
	if c.plain != 80 {
		host = net.JoinHostPort(c.host, strconv.Itoa(c.plain))
	}
	r, err := c.get(ctx, c.addresses[0], c.plain, "http://"+host+"/")
	switch {
	case err != nil:
		c.bad(what, why(err), "see what listens on that port: it should be the relay (-listen-http)")
	case r.status/100 != 3 || !strings.HasPrefix(r.header.Get("Location"), c.base()+"/"):
		c.bad(what, fmt.Sprintf("answers %d and does not lead to %s", r.status, c.base()), "another web server has the port, or the relay runs under another -domain")
	default:
		c.ok(what, "leads to %s", c.base())
	}
}

// certificate checks the certificate of each address.
func (c *checker) certificate(ctx context.Context) bool {
	const what = "certificate"
	good := true
	for _, a := range c.addresses {
		at := netip.AddrPortFrom(a, uint16(c.port)).String()
		d := tls.Dialer{NetDialer: &net.Dialer{Timeout: c.timeout}, Config: &tls.Config{ServerName: c.host, RootCAs: c.roots, MinVersion: tls.VersionTLS12}}
		limited, cancel := context.WithTimeout(ctx, c.timeout)
		conn, err := d.DialContext(limited, "tcp", at)
		cancel()
		if err != nil {
			found, do := explainTLS(err)
			c.bad(what, found, do)
			good = false
			continue
		}
		leaf := conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
		conn.Close()
		left, whole := time.Until(leaf.NotAfter), leaf.NotAfter.Sub(leaf.NotBefore)
		if left < whole/5 {
			c.bad(what, "expires in "+left.Round(time.Minute).String()+" and has not been renewed",
				"see the relay's log for \"certificate: not obtained\": port 80 or 443 must be open to the certificate authority")
			continue
		}
		c.ok(what, "is for %s, signed by %s, good for %s", c.host, leaf.Issuer.String(), days(left))
	}
	return good
}

func days(d time.Duration) string {
	if d < 48*time.Hour {
		return d.Round(time.Hour).String()
	}
	return strconv.Itoa(int(d/(24*time.Hour))) + " days"
}

// explainTLS returns what is wrong with a handshake, and what to do.
func explainTLS(err error) (found, do string) {
	var (
		name    x509.HostnameError
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
		alert   tls.AlertError
	)
	switch {
	case errors.As(err, &name):
		return "is for " + strings.Join(name.Certificate.DNSNames, ", ") + " and not for this name", "start the relay with the -domain that links name"
	case errors.As(err, &unknown):
		return "is signed by nobody whom browsers know", "for a certificate of your own: put the whole chain into the file; for ACME: use a real directory, not one for tests; for an authority of your own: say -root"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "has expired", "see the relay's log for \"certificate: not obtained\", and this computer's clock"
	case errors.As(err, &record):
		return "the port speaks no TLS", "another program has the port, or the port belongs to plain HTTP"
	case errors.As(err, &alert):
		return "the relay has none yet", "see its log for \"certificate: not obtained\": the name must lead to it, and port 80 or 443 be open to the certificate authority"
	}
	return "no handshake: " + why(err), "see the relay's log"
}

// page checks the guest page and /healthz.
func (c *checker) page(ctx context.Context) {
	const what = "page"
	for _, a := range c.addresses {
		r, err := c.get(ctx, a, c.port, c.base()+"/")
		switch {
		case err != nil:
			c.bad(what, why(err), "see the relay's log")
		case r.status != http.StatusOK || !strings.Contains(strings.ToLower(r.body), "<!doctype html"):
			c.bad(what, fmt.Sprintf("answers %d, not the page for guests", r.status), "the name leads to another web server, or the relay runs under another -domain")
		case r.header.Get("Content-Security-Policy") == "" || r.header.Get("Strict-Transport-Security") == "":
			c.bad(what, "comes without the headers that protect it", "something between browsers and the relay takes them away: let the relay answer itself")
		default:
			c.ok(what, "comes over %s", r.proto)
		}
	}
	r, err := c.get(ctx, c.addresses[0], c.port, c.base()+relay.HealthPath)
	switch {
	case err != nil:
		c.bad("health", why(err), "see the relay's log")
	case r.status != http.StatusOK:
		c.bad("health", "the relay says: "+firstLine(r.body), "it is being stopped, or its log says more")
	default:
		c.ok("health", "%s", firstLine(r.body))
	}
}

// firstLine returns the beginning of what a stranger has sent, safe to print.
func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return strconv.QuoteToASCII(s[:min(len(s), 80)])
}

// dialIn dials in as a host does.
func (c *checker) dialIn(ctx context.Context) (offer client.Offer, ok bool) {
	const what = "hosts"
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	offer, err := client.Probe(ctx, c.stranger())
	switch code := fault.CodeOf(err); code {
	case "":
		stun := "no STUN"
		if len(offer.STUN) > 0 {
			stun = "STUN"
		}
		turn := "no TURN"
		if offer.Turn {
			turn = "TURN"
		}
		c.ok(what, "may dial in: %d links, %d guests, %s, %s", offer.Links, offer.Guests, stun, turn)
		return offer, true
	case fault.InvitationWanted, fault.HostNotAllowed:
		c.ok(what, "may dial in when invited or listed; say -token-file to look at TURN, too")
	case fault.InvitationRefused:
		c.bad(what, "this invitation is refused", "make one with \"porch-relay invite\", and have the relay read it: systemctl reload porch-relay")
	default:
		c.bad(what, fault.Sentence(code), "see the relay's log; something between may not let WebSockets through")
	}
	return offer, false
}

// stranger returns the options of a host with a new key.
func (c *checker) stranger() client.Options {
	_, key, _ := ed25519.GenerateKey(nil) // never fails
	return client.Options{
		URL: c.base(), Token: c.token, Key: key, Logger: slog.New(slog.DiscardHandler),
		TLS: &tls.Config{RootCAs: c.roots, MinVersion: tls.VersionTLS12},
	}
}
