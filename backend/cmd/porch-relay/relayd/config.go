package relayd

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/porch-call/porch/backend/kit/hostname"
	"github.com/porch-call/porch/backend/relay"
	"github.com/porch-call/porch/backend/relay/hosts"
	"github.com/porch-call/porch/backend/relay/switchboard"
)

// settings are all that an operator can set.
type settings struct {
	config string

	domain, email string
	data          string
	pages         string
	listen        string
	listenHTTP    string
	proxies       list // networks
	admin         string
	pprof         bool
	drain         time.Duration
	logFormat     string
	logLevel      string

	certificate, key string // files; ACME if empty
	acmeDirectory    string
	acmeRoot         string

	hosts       string // open or invited
	invitations string // file
	tokens      list
	hostKeys    string // file
	links       int
	guests      int
	perLink     int
	bytes       size // relayed per host and day

	addressBytes size // the same for all open hosts of one address
	queued       size // bytes in memory for slow readers

	secret     string // shared by the machines of a relay
	secretFile string

	turn          bool
	turnListen    string
	turnAddresses list // at which guests and hosts reach TURN
	turnPorts     string
	turnTTL       time.Duration
	turnAllow     list // prefixes that are not on the internet
	turnDeny      list

	clusterListen   string
	clusterPeers    list
	nats            list // servers
	natsPrefix      string
	natsUser        string
	natsPassword    string
	natsToken       string
	natsCredentials string // file
	natsNKey        string // file
	natsRoot        string // file
}

// defaultData returns where a relay keeps its certificates and keys. systemd
// names the folder that it made for the service.
func defaultData(environment map[string]string) string {
	return cmp.Or(environment["STATE_DIRECTORY"], "/var/lib/porch-relay")
}

// The values of -hosts.
const (
	hostsOpen    = "open"
	hostsInvited = "invited"
)

// environmentPrefix stands in front of a setting's name in the environment.
const environmentPrefix = "PORCH_RELAY_"

// configuration has every setting by name, as it stands on the command line, in
// the environment and in the file.
type configuration struct {
	all    *flag.FlagSet
	secret map[string]bool // not taken from the command line, because every user of the machine can read that
	groups []group
}

// group is a heading of the help and the settings under it.
type group struct {
	title string
	names []string
}

func newConfiguration(s *settings, environment map[string]string) *configuration {
	c := &configuration{all: flag.NewFlagSet("porch-relay", flag.ContinueOnError), secret: map[string]bool{}}
	f := c.all

	c.group("What you must say", func() {
		f.StringVar(&s.domain, "domain", "", "the relay's `name`, as it stands in links: call.example.org, or call.example.org:8443")
		f.StringVar(&s.email, "email", "", "`address` at which the certificate authority can reach you (not with -certificate)")
	})
	c.group("Where", func() {
		f.StringVar(&s.config, "config", "", "`file` of settings, one \"name = value\" a line (TOML)")
		f.StringVar(&s.data, "data", defaultData(environment), "`folder` for certificates and keys")
		f.StringVar(&s.pages, "pages", "", "`folder` of a built guest page (default: the one built in)")
		f.StringVar(&s.listen, "listen", ":443", "`address` for HTTPS, sockets, and TURN over TLS")
		f.StringVar(&s.listenHTTP, "listen-http", ":80", "`address` for plain HTTP, which proves the domain to the certificate authority and sends browsers to HTTPS; \"\" for none")
		f.Var(&s.proxies, "proxies", "`networks` of proxies before this relay, which pass TLS on as it is and begin each connection with a PROXY header: 127.0.0.1/32,::1/128")
		f.StringVar(&s.admin, "admin", "127.0.0.1:9443", "`address` for /metrics and /healthz in plain HTTP, for you alone; \"\" for none")
		f.BoolVar(&s.pprof, "pprof", false, "serve Go's profiles at -admin, too")
	})
	c.group("Certificate", func() {
		f.StringVar(&s.acmeDirectory, "acme-directory", "", "`URL` of an ACME server (default: Let's Encrypt)")
		f.StringVar(&s.acmeRoot, "acme-root", "", "PEM `file` of the authority that vouches for the ACME server itself (default: the system's)")
		f.StringVar(&s.certificate, "certificate", "", "PEM `file` of a certificate of your own, instead of ACME; read again when it changes")
		f.StringVar(&s.key, "key", "", "PEM `file` of its private key")
	})
	quotas := hosts.DefaultQuotas
	c.group("Hosts", func() {
		f.StringVar(&s.hosts, "hosts", "", "`who` may make links here: open (everybody) or invited (default: invited when there are invitations or keys, else open)")
		f.StringVar(&s.invitations, "invitations", "", "`file` of invitations, one a line: \"porch-relay invite\" writes it")
		c.secretVar(&s.tokens, "tokens", "invitations, with commas between, where there is no file of them")
		f.StringVar(&s.hostKeys, "host-keys", "", "`file` of hosts' keys, one a line, as the app's settings show them")
		f.IntVar(&s.links, "links", quotas.Links, "links of one host at a time")
		f.IntVar(&s.guests, "guests", quotas.Guests, "guests of one host at a time")
		f.IntVar(&s.perLink, "guests-per-link", quotas.PerLink, "guests at one link at a time")
		s.bytes = size(quotas.Bytes)
		f.Var(&s.bytes, "bytes", "how `much` media is relayed for one host in a day")
		s.addressBytes = size(4 * quotas.Bytes)
		f.Var(&s.addressBytes, "bytes-per-address", "how `much` media is relayed in a day for all hosts of one address that were not invited")
	})
	s.queued = size(switchboard.DefaultQueued())
	c.group("Memory", func() {
		f.Var(&s.queued, "queued", "how `much` may wait for hosts and guests who read slowly, in all (default: a quarter of GOMEMLIMIT, or 128MiB); a host may hold a sixteenth of it")
	})
	c.group("TURN", func() {
		f.BoolVar(&s.turn, "turn", true, "relay media for those who can't reach each other")
		f.StringVar(&s.turnListen, "turn-listen", ":3478", "`address` of STUN and TURN over UDP and TCP")
		f.Var(&s.turnAddresses, "turn-addresses", "public IP `addresses` of this machine, with commas between (default: its own, or else the domain's)")
		f.StringVar(&s.turnPorts, "turn-ports", "49152-65535", "UDP `ports` that media is relayed through: open them in your firewall")
		f.DurationVar(&s.turnTTL, "turn-ttl", 4*time.Hour, "how `long` credentials are good for")
		f.Var(&s.turnDeny, "turn-deny", "`networks` that nothing is relayed to, besides all that are not on the internet: 203.0.113.0/24")
		f.Var(&s.turnAllow, "turn-allow", "`networks` that media is relayed to although they are not on the internet: for laboratories")
	})
	c.group("More than one machine", func() {
		f.StringVar(&s.secretFile, "secret-file", "", "`file` of a secret of at least 32 characters that all machines of this relay share (default: made in -data)")
		c.secretVar((*text)(&s.secret), "secret", "what -secret-file would hold, where there is no file")
		f.StringVar(&s.clusterListen, "cluster-listen", "", "`address` on which the other machines reach this one, and nobody else does: 10.0.0.1:4248")
		f.Var(&s.clusterPeers, "cluster-peers", "such `addresses` of all machines, with commas between; this one's own may be among them")
		f.Var(&s.nats, "nats", "in place of these, NATS `servers` that the machines share, with commas between: nats://10.0.0.1:4222")
		f.StringVar(&s.natsPrefix, "nats-prefix", "porch", "`word` that all subjects begin with")
		f.StringVar(&s.natsUser, "nats-user", "", "`name` of a NATS user")
		c.secretVar((*text)(&s.natsPassword), "nats-password", "password of -nats-user")
		c.secretVar((*text)(&s.natsToken), "nats-token", "a NATS token")
		f.StringVar(&s.natsCredentials, "nats-credentials", "", "`file` of NATS credentials (.creds)")
		f.StringVar(&s.natsNKey, "nats-nkey", "", "`file` with the seed of an nkey")
		f.StringVar(&s.natsRoot, "nats-root", "", "PEM `file` of the authority that vouches for the NATS servers (default: the system's)")
	})
	c.group("Running", func() {
		f.DurationVar(&s.drain, "drain", 20*time.Second, "how `long` to go on for those who are here, once told to stop")
		f.StringVar(&s.logFormat, "log", "text", "`form` of the log on standard error: text or json")
		f.StringVar(&s.logLevel, "log-level", "info", "`least` that is logged: debug, info, warn or error")
	})
	return c
}

func (c *configuration) group(title string, define func()) {
	before := c.names()
	define()
	var names []string
	for _, n := range c.names() {
		if !slices.Contains(before, n) {
			names = append(names, n)
		}
	}
	c.groups = append(c.groups, group{title, names})
}

func (c *configuration) names() (names []string) {
	c.all.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	return names
}

// secretVar defines a setting for the environment and the file only.
func (c *configuration) secretVar(v flag.Value, name, usage string) {
	c.all.Var(v, name, usage)
	c.secret[name] = true
}

// load fills the settings. The command line wins over the environment, and the
// environment over the file. An unknown setting is an error that names it.
func (c *configuration) load(args []string, environment map[string]string) error {
	line := flag.NewFlagSet("porch-relay", flag.ContinueOnError)
	line.SetOutput(io.Discard) // the caller prints what is wrong, once
	named := ""                // the secret that was given, if any
	c.all.VisitAll(func(f *flag.Flag) {
		if c.secret[f.Name] {
			line.Func(f.Name, f.Usage, func(string) error { named = f.Name; return errSecret })
		} else {
			line.Var(f.Value, f.Name, f.Usage)
		}
	})
	if err := line.Parse(args); named != "" {
		return fmt.Errorf("-%s: %w", named, errSecret) // flag's own error repeats the value
	} else if err != nil {
		return err
	}
	if line.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", line.Arg(0))
	}
	said := map[string]bool{}
	line.Visit(func(f *flag.Flag) { said[f.Name] = true })
	if err := c.fromEnvironment(environment, said); err != nil {
		return err
	}
	path := c.all.Lookup("config").Value.String()
	if path == "" {
		return nil
	}
	return c.fromFile(path, said)
}

var errSecret = errors.New("a secret on the command line can be read by every user of this machine: put it into the file or the environment")

func (c *configuration) fromEnvironment(environment map[string]string, said map[string]bool) error {
	for _, key := range slices.Sorted(maps.Keys(environment)) {
		rest, ours := strings.CutPrefix(key, environmentPrefix)
		if !ours {
			continue
		}
		name := strings.ToLower(strings.ReplaceAll(rest, "_", "-"))
		if c.all.Lookup(name) == nil {
			return fmt.Errorf("the environment names %s, which is no setting", key)
		}
		if said[name] {
			continue
		}
		said[name] = true
		if err := c.set(name, environment[key]); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

// largestConfig bounds a file of settings, in bytes.
const largestConfig = 1 << 20

func (c *configuration) fromFile(path string, said map[string]bool) error {
	b, err := readSmall(path, largestConfig)
	if err != nil {
		return err
	}
	values := map[string]any{}
	if _, err := toml.Decode(string(b), &values); err != nil {
		var wrong toml.ParseError
		if errors.As(err, &wrong) {
			// The parser's own text quotes the line, which may hold a secret.
			return fmt.Errorf("%s, line %d: not \"name = value\" (a text stands in quotes)", path, wrong.Position.Line)
		}
		return fmt.Errorf("%s: not a file of settings", path)
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if c.all.Lookup(name) == nil || name == "config" {
			return fmt.Errorf("%s: %s is no setting", path, name)
		}
		if said[name] {
			continue
		}
		said[name] = true
		value, err := textOf(values[name])
		if err == nil {
			err = c.set(name, value)
		}
		if err != nil {
			return fmt.Errorf("%s: %s: %w", path, name, err)
		}
	}
	return nil
}

// set sets one setting. Its error never repeats a secret.
func (c *configuration) set(name, value string) error {
	err := c.all.Set(name, value)
	switch {
	case err == nil:
		return nil
	case c.secret[name]:
		return errors.New("not a value for this setting")
	}
	return fmt.Errorf("%q is no value for it: %w", value, err)
}

// textOf returns a value of the file as it would stand on the command line.
func textOf(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case []any:
		var items []string
		for _, i := range v {
			s, ok := i.(string)
			if !ok || strings.ContainsAny(s, ", ") {
				return "", errors.New("want a list of texts without spaces")
			}
			items = append(items, s)
		}
		return strings.Join(items, ","), nil
	}
	return "", errors.New("want a text, a number, true or false, or a list of texts")
}

// finish completes the settings and returns what is wrong with them. check needs
// fewer settings than a running relay.
func (s *settings) finish() error {
	switch {
	case s.domain == "":
		return errors.New("which domain? Say -domain call.example.org")
	case !s.readDomain():
		return fmt.Errorf("-domain %q is not a machine's name like call.example.org", s.domain)
	}
	if s.hosts == "" {
		s.hosts = hostsOpen
		if s.invitations != "" || s.hostKeys != "" || len(s.tokens) > 0 {
			s.hosts = hostsInvited
		}
	}
	switch {
	case s.hosts == hostsInvited && s.invitations == "" && s.hostKeys == "" && len(s.tokens) == 0:
		return errors.New("-hosts invited needs -invitations or -host-keys; \"porch-relay invite\" makes invitations")
	case s.hosts != hostsOpen && s.hosts != hostsInvited:
		return fmt.Errorf("-hosts %q: want open or invited", s.hosts)
	case s.links <= 0 || s.guests <= 0 || s.perLink <= 0 || s.bytes <= 0 || s.addressBytes <= 0 || s.queued <= 0:
		return errors.New("-links, -guests, -guests-per-link, -bytes, -bytes-per-address and -queued must be more than 0")
	case s.logFormat != "text" && s.logFormat != "json":
		return fmt.Errorf("-log %q: want text or json", s.logFormat)
	case s.drain < 0 || s.turnTTL <= 0:
		return errors.New("-drain and -turn-ttl can't be negative")
	case len(s.nats) > 0 && s.clusterListen != "":
		return errors.New("-cluster-listen and -nats: want one of them")
	case s.clusterListen != "" && s.natsUser+s.natsPassword+s.natsToken+s.natsCredentials+s.natsNKey+s.natsRoot != "":
		return errors.New("-nats-user and the like are for a NATS server that stands apart: take them away, or -cluster-listen")
	case len(s.clusterPeers) > 0 && s.clusterListen == "":
		return errors.New("-cluster-peers needs -cluster-listen, the address on which they reach this machine")
	case s.severalMachines() && s.secret == "" && s.secretFile == "":
		return errors.New("-cluster-listen and -nats need a secret that all machines share: say -secret-file")
	}
	for _, a := range s.turnAddresses {
		if _, err := netip.ParseAddr(a); err != nil {
			return fmt.Errorf("-turn-addresses: %q is not an IP address", a)
		}
	}
	for _, networks := range []list{s.turnAllow, s.turnDeny, s.proxies} {
		if _, err := prefixes(networks); err != nil {
			return err
		}
	}
	if _, _, err := portRange(s.turnPorts); err != nil {
		return err
	}
	return nil
}

// severalMachines reports whether this is one machine of a relay of several.
func (s *settings) severalMachines() bool { return len(s.nats) > 0 || s.clusterListen != "" }

// finishServing also checks what only a running relay needs.
func (s *settings) finishServing() error {
	switch {
	case (s.certificate == "") != (s.key == ""):
		return errors.New("-certificate and -key belong together")
	case s.certificate != "":
		return nil
	case s.email == "":
		return errors.New("the certificate authority wants to reach you: say -email you@example.org")
	case strings.Count(s.email, "@") != 1 || strings.ContainsAny(s.email, " <>,"):
		return fmt.Errorf("-email %q is not one address", s.email)
	}
	if s.acmeDirectory == "" {
		if !strings.Contains(s.host(), ".") {
			return fmt.Errorf("-domain %q: Let's Encrypt gives certificates for whole names only, like call.example.org", s.domain)
		}
		return nil
	}
	if u, err := url.Parse(s.acmeDirectory); err != nil || u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("-acme-directory %q is not an https address", s.acmeDirectory)
	}
	return nil
}

// readDomain brings the domain into the form that the network uses, whatever
// script it was written in. It reports whether it is a machine's name.
func (s *settings) readDomain() bool {
	host, port, err := net.SplitHostPort(s.domain)
	if err != nil {
		host, port = s.domain, ""
	}
	name, ok := hostname.ASCII(host)
	if !ok || !isHostName(name) {
		return false
	}
	s.domain = name
	if port != "" {
		s.domain += ":" + port
	}
	return true
}

// isHostName accepts names only, no addresses.
func isHostName(s string) bool { return relay.IsHostName(s) && net.ParseIP(s) == nil }

// portRange reads "from-to".
func portRange(s string) (from, to uint16, err error) {
	a, b, ok := strings.Cut(s, "-")
	low, err1 := strconv.ParseUint(strings.TrimSpace(a), 10, 16)
	high, err2 := strconv.ParseUint(strings.TrimSpace(b), 10, 16)
	if !ok || err1 != nil || err2 != nil || low == 0 || low > high {
		return 0, 0, fmt.Errorf("-turn-ports %q: want the first and the last, as in 49152-65535", s)
	}
	return uint16(low), uint16(high), nil
}

// prefixes reads networks.
func prefixes(networks list) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, n := range networks {
		p, err := netip.ParsePrefix(n)
		if err != nil {
			return nil, fmt.Errorf("%q is no network like 203.0.113.0/24", n)
		}
		out = append(out, p)
	}
	return out, nil
}

// list is a comma-separated setting.
type list []string

// String implements flag.Value.
func (l *list) String() string { return strings.Join(*l, ",") }

// Set implements flag.Value. It replaces what was there.
func (l *list) Set(s string) error {
	*l = nil
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			*l = append(*l, item)
		}
	}
	return nil
}

// text is a string as a flag.Value.
type text string

// String implements flag.Value.
func (t *text) String() string { return string(*t) }

// Set implements flag.Value.
func (t *text) Set(s string) error { *t = text(s); return nil }

// size is a number of bytes: "50GB", "20GiB", "1.5MB", "800".
type size int64

var sizeUnits = []struct {
	name string
	of   int64
}{{"TIB", 1 << 40}, {"GIB", 1 << 30}, {"MIB", 1 << 20}, {"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1}}

// String implements flag.Value.
func (z *size) String() string {
	for _, u := range sizeUnits {
		if n := int64(*z); n != 0 && n%u.of == 0 {
			return strconv.FormatInt(n/u.of, 10) + strings.ReplaceAll(u.name, "IB", "iB")
		}
	}
	return "0"
}

// Set implements flag.Value.
func (z *size) Set(s string) error {
	s = strings.ToUpper(strings.TrimSpace(s))
	of := int64(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(s, u.name); ok {
			s, of = strings.TrimSpace(rest), u.of
			break
		}
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || !(n >= 0 && n*float64(of) <= 1<<60) { // not NaN either
		return errors.New("want a size like 50GB")
	}
	*z = size(n * float64(of))
	return nil
}

// readSmall reads a file of at most limit bytes.
func readSmall(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return nil, fmt.Errorf("%w: this program may not read it", err)
		}
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return b, nil
}
