package main

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
)

// settings are everything that an operator can say.
type settings struct {
	config string

	domain, email string
	data          string
	listen        string
	listenHTTP    string
	admin         string
	pprof         bool
	drain         time.Duration
	logFormat     string
	logLevel      string

	certificate, key string // files; ACME when empty
	acmeDirectory    string
	acmeRoot         string

	hosts         string // open, tokens or listed
	tokens        list
	tokensFile    string
	hostsFile     string
	links         int
	guestsPerLink int
	guests        int
	bytes         size // relayed per host and day

	turn           bool
	turnListen     string
	turnAddresses  list // that guests and hosts reach
	turnPorts      string
	turnRate       size // bytes a second of one allocation
	turnSecret     string
	turnSecretFile string

	nats                string // NATS servers
	natsCredentialsFile string
}

// defaultData is where a relay keeps its certificates and keys. systemd names
// the folder that it made for the service.
func defaultData(environment map[string]string) string {
	return cmp.Or(environment["STATE_DIRECTORY"], "/var/lib/porch-relay")
}

// The values of -hosts.
const (
	hostsOpen   = "open"
	hostsTokens = "tokens"
	hostsListed = "listed"
)

// environmentPrefix comes before a setting's name in the environment.
const environmentPrefix = "PORCH_RELAY_"

// configuration knows every setting by name: what the command line, the
// environment and the file may say.
type configuration struct {
	all    *flag.FlagSet
	secret map[string]bool // not taken from the command line, which every user of the machine can read
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
		f.StringVar(&s.domain, "domain", "", "the relay's `name`, as it stands in links: call.example.org")
		f.StringVar(&s.email, "email", "", "`address` at which the certificate authority can reach you (not with -certificate)")
	})
	c.group("Where", func() {
		f.StringVar(&s.config, "config", "", "`file` of settings, one \"name = value\" a line (TOML)")
		f.StringVar(&s.data, "data", defaultData(environment), "`folder` for certificates and keys")
		f.StringVar(&s.listen, "listen", ":443", "`address` for HTTPS, sockets, and TURN over TLS")
		f.StringVar(&s.listenHTTP, "listen-http", ":80", "`address` for plain HTTP, which proves the domain to the certificate authority and sends browsers to HTTPS; \"\" for none")
		f.StringVar(&s.admin, "admin", "127.0.0.1:9443", "`address` for /metrics and /healthz in plain HTTP, for you alone; \"\" for none")
		f.BoolVar(&s.pprof, "pprof", false, "serve Go's profiles at -admin, too")
	})
	c.group("Certificate", func() {
		f.StringVar(&s.acmeDirectory, "acme-directory", "", "`URL` of an ACME server (default: Let's Encrypt)")
		f.StringVar(&s.acmeRoot, "acme-root", "", "PEM `file` of the authority that vouches for the ACME server itself (default: the system's)")
		f.StringVar(&s.certificate, "certificate", "", "PEM `file` of a certificate of your own, instead of ACME; read again when it changes")
		f.StringVar(&s.key, "key", "", "PEM `file` of its private key")
	})
	c.group("Hosts", func() {
		f.StringVar(&s.hosts, "hosts", "", "`who` may make links here: open (everybody), tokens (who has an invitation), listed (the keys in -hosts-file) (default: what -tokens-file or -hosts-file says, else open)")
		f.StringVar(&s.tokensFile, "tokens-file", "", "`file` of invitations, one a line, made by \"porch-relay invite\"")
		c.secretVar(&s.tokens, "tokens", "invitations, where there is no file of them")
		f.StringVar(&s.hostsFile, "hosts-file", "", "`file` of hosts' keys, one a line, as the app shows them")
		f.IntVar(&s.links, "links", 64, "links of one host at a time")
		f.IntVar(&s.guestsPerLink, "guests-per-link", 192, "guests on one link at a time")
		f.IntVar(&s.guests, "guests", 512, "guests of one host at a time")
		s.bytes = 50e9
		f.Var(&s.bytes, "bytes", "how `much` is relayed for one host in a day by TURN: 50GB, 0 for no limit")
	})
	c.group("TURN", func() {
		f.BoolVar(&s.turn, "turn", true, "relay media for those who can't reach each other")
		f.StringVar(&s.turnListen, "turn-listen", ":3478", "`address` of STUN and TURN over UDP and TCP")
		f.Var(&s.turnAddresses, "turn-addresses", "public IP `addresses` of this machine (default: what the domain's name says)")
		f.StringVar(&s.turnPorts, "turn-ports", "49152-65535", "UDP `ports` that media is relayed through: open them in your firewall")
		f.Var(&s.turnRate, "turn-rate", "how `much` one relayed way may carry in a second: 1MB, 0 for the default")
		f.StringVar(&s.turnSecretFile, "turn-secret-file", "", "`file` of the secret that all machines of a relay share (default: made in -data)")
		c.secretVar((*text)(&s.turnSecret), "turn-secret", "the same, where there is no file")
	})
	c.group("More machines", func() {
		c.secretVar((*text)(&s.nats), "nats", "NATS servers that the machines of a relay share: nats://10.0.0.1:4222")
		f.StringVar(&s.natsCredentialsFile, "nats-credentials", "", "`file` of NATS credentials")
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

// secretVar defines a setting for the environment and the file alone.
func (c *configuration) secretVar(v flag.Value, name, usage string) {
	c.all.Var(v, name, usage)
	c.secret[name] = true
}

// load fills the settings: the command line wins over the environment, and
// that over the file. Whatever it does not know is an error that names it.
func (c *configuration) load(args []string, environment map[string]string) error {
	line := flag.NewFlagSet("porch-relay", flag.ContinueOnError)
	line.SetOutput(io.Discard) // the caller says what is wrong, once
	c.all.VisitAll(func(f *flag.Flag) {
		if c.secret[f.Name] {
			line.Func(f.Name, f.Usage, func(string) error { return errSecret })
		} else {
			line.Var(f.Value, f.Name, f.Usage)
		}
	})
	if err := line.Parse(args); err != nil {
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

// largestConfig is more than a file of settings needs.
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
			// Its own text quotes the line, which may hold a secret.
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

// set never repeats a secret in its error.
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

// textOf turns a value of the file into what the command line would say.
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

// finish completes the settings and says what is wrong with them. check needs
// less than running does.
func (s *settings) finish() error {
	switch {
	case s.domain == "":
		return errors.New("which domain? Say -domain call.example.org")
	case !isDomain(s.domain):
		return fmt.Errorf("-domain %q is not a name of a machine like call.example.org", s.domain)
	}
	s.domain = strings.ToLower(s.domain)
	if s.hosts == "" {
		switch {
		case s.hostsFile != "":
			s.hosts = hostsListed
		case s.tokensFile != "" || len(s.tokens) > 0:
			s.hosts = hostsTokens
		default:
			s.hosts = hostsOpen
		}
	}
	switch {
	case s.hosts == hostsTokens && s.tokensFile == "" && len(s.tokens) == 0:
		return errors.New("-hosts tokens needs -tokens-file; \"porch-relay invite\" makes invitations")
	case s.hosts == hostsListed && s.hostsFile == "":
		return errors.New("-hosts listed needs -hosts-file")
	case s.hosts != hostsOpen && s.hosts != hostsTokens && s.hosts != hostsListed:
		return fmt.Errorf("-hosts %q: want open, tokens or listed", s.hosts)
	case s.links <= 0 || s.guests <= 0 || s.guestsPerLink <= 0:
		return errors.New("-links, -guests and -guests-per-link must be at least 1")
	case s.logFormat != "text" && s.logFormat != "json":
		return fmt.Errorf("-log %q: want text or json", s.logFormat)
	case s.drain < 0:
		return errors.New("-drain must not be negative")
	}
	for _, a := range s.turnAddresses {
		if _, err := netip.ParseAddr(a); err != nil {
			return fmt.Errorf("-turn-addresses: %q is not an IP address", a)
		}
	}
	if _, _, err := portRange(s.turnPorts); err != nil {
		return err
	}
	return nil
}

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
		return nil
	}
	if u, err := url.Parse(s.acmeDirectory); err != nil || u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("-acme-directory %q is not an https address", s.acmeDirectory)
	}
	return nil
}

// isDomain is a host name of at least two labels (RFC 1123 section 2.1), and
// no address.
func isDomain(s string) bool {
	if len(s) > 253 || !strings.Contains(s, ".") || net.ParseIP(s) != nil {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range label {
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
	}
	return true
}

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

// list is a comma-separated setting.
type list []string

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

func (t *text) String() string     { return string(*t) }
func (t *text) Set(s string) error { *t = text(s); return nil }

// size is a number of bytes: "50GB", "1.5MB", "800". The units are decimal.
type size int64

var sizeUnits = []struct {
	name string
	of   int64
}{{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1}}

func (z *size) String() string {
	for _, u := range sizeUnits {
		if n := int64(*z); n != 0 && n%u.of == 0 {
			return strconv.FormatInt(n/u.of, 10) + u.name
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
	if err != nil || n < 0 || n*float64(of) > 1<<60 {
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
