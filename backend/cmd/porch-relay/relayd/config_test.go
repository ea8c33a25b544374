package relayd

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/relay/hosts"
)

func load(t *testing.T, file string, environment map[string]string, args ...string) (settings, error) {
	t.Helper()
	var s settings
	if file != "" {
		path := filepath.Join(t.TempDir(), "porch-relay.conf")
		writeFile(t, path, []byte(file))
		args = append([]string{"-config", path}, args...)
	}
	err := newConfiguration(&s, environment).load(args, environment)
	return s, err
}

// TestPrecedence checks that flags win over the environment, and the environment
// over the file.
func TestPrecedence(t *testing.T) {
	s, err := load(t, `
domain = "file.example"
email = "file@example.org"
drain = "1m"
links = 5
turn = false
turn-addresses = ["192.0.2.1", "2001:db8::1"]
bytes = "1.5GB"
tokens = ["aaaaaaaaaaaaaaaaaaaa"]
`, map[string]string{"PORCH_RELAY_EMAIL": "environment@example.org", "PORCH_RELAY_DOMAIN": "environment.example", "HOME": "/root"}, "-domain", "flag.example")
	if err != nil {
		t.Fatal(err)
	}
	if s.domain != "flag.example" || s.email != "environment@example.org" || s.drain != time.Minute || s.links != 5 || s.turn ||
		!slices.Equal(s.turnAddresses, list{"192.0.2.1", "2001:db8::1"}) || s.bytes != 1.5e9 || len(s.tokens) != 1 || s.guests != hosts.DefaultQuotas.Guests {
		t.Errorf("%+v", s)
	}
}

// TestDomainOfAnotherScript checks that a domain may be written as people write
// it, and is used as the network has it.
func TestDomainOfAnotherScript(t *testing.T) {
	for written, want := range map[string]string{
		"Réle.example":      "xn--rle-bma.example",
		"réle.example:8443": "xn--rle-bma.example:8443",
		"Call.example":      "call.example",
	} {
		s, err := load(t, "", nil, "-domain", written, "-email", "a@b.example")
		if err != nil || s.finish() != nil || s.domain != want {
			t.Errorf("%s: %v, %v", written, s, err)
		}
	}
}

// TestUnknown checks that an unknown setting is an error that names it, and that
// no error repeats a secret.
func TestUnknown(t *testing.T) {
	for _, tc := range []struct {
		file        string
		environment map[string]string
		args        []string
		want        string
	}{
		{file: `domian = "a.example"`, want: "domian is no setting"},
		{file: "[hosts]\nlinks = 3", want: "hosts: "},
		{file: "links = \"many\"", want: "links: "},
		{file: "links = 1.5", want: "links: want a text"},
		{file: "config = \"x\"", want: "config is no setting"},
		{file: "secret = hunter2hunter2", want: "line 1"},
		{file: "a = 1\na = 2", want: "line 2"},
		{environment: map[string]string{"PORCH_RELAY_DOMIAN": "x"}, want: "PORCH_RELAY_DOMIAN"},
		{environment: map[string]string{"PORCH_RELAY_DRAIN": "soon"}, want: "PORCH_RELAY_DRAIN"},
		{args: []string{"-domian", "x"}, want: "domian"},
		{args: []string{"-secret", "hunter2hunter2"}, want: "every user of this machine"},
		{args: []string{"-tokens", "hunter2hunter2"}, want: "every user of this machine"},
		{args: []string{"-config", "/nowhere/porch.conf"}, want: "/nowhere/porch.conf"},
		{args: []string{"stray"}, want: `"stray"`},
	} {
		_, err := load(t, tc.file, tc.environment, tc.args...)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want %q", tc, err, tc.want)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%+v repeats the secret: %v", tc, err)
		}
	}
}

func TestFinish(t *testing.T) {
	for want, args := range map[string][]string{
		"which domain":       {},
		"-domain":            {"-domain", "203.0.113.5"},
		"-email":             {"-domain", "a.example"},
		"not one address":    {"-domain", "a.example", "-email", "someone"},
		"whole names":        {"-domain", "call", "-email", "a@b.example"},
		"https address":      {"-domain", "a.example", "-email", "a@b.example", "-acme-directory", "http://x"},
		"belong together":    {"-domain", "a.example", "-certificate", "x"},
		"-hosts \"some\"":    {"-domain", "a.example", "-hosts", "some"},
		"-hosts invited":     {"-domain", "a.example", "-hosts", "invited"},
		"-turn-ports":        {"-domain", "a.example", "-turn-ports", "9-3"},
		"-turn-addresses":    {"-domain", "a.example", "-turn-addresses", "here"},
		"no network":         {"-domain", "a.example", "-turn-deny", "203.0.113.0"},
		"-log \"xml\"":       {"-domain", "a.example", "-log", "xml"},
		"more than 0":        {"-domain", "a.example", "-links", "0"},
		"all machines share": {"-domain", "a.example", "-nats", "nats://127.0.0.1:4222"},
		"one of them":        {"-domain", "a.example", "-secret-file", "s", "-nats", "nats://127.0.0.1:4222", "-cluster-listen", "127.0.0.1:4248"},
		"stands apart":       {"-domain", "a.example", "-secret-file", "s", "-cluster-listen", "127.0.0.1:4248", "-nats-root", "r"},
		"-cluster-peers":     {"-domain", "a.example", "-secret-file", "s", "-cluster-peers", "127.0.0.1:4248"},
	} {
		s, err := load(t, "", nil, args...)
		if err == nil {
			if err = s.finish(); err == nil {
				err = s.finishServing()
			}
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
	s, err := load(t, "", nil, "-domain", "Call.Example.org", "-email", "you@example.org")
	if err != nil || s.finish() != nil || s.finishServing() != nil || s.domain != "call.example.org" || s.hosts != hostsOpen {
		t.Errorf("what the README says: %v, %+v", err, s)
	}
}

// TestSample checks that the package's sample settings are valid as they are, and
// with every commented setting enabled.
func TestSample(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "build", "relay", "porch-relay.conf"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := load(t, string(b), nil); err != nil {
		t.Error(err)
	}
	var all strings.Builder
	for line := range strings.SplitSeq(string(b), "\n") {
		if rest, ok := strings.CutPrefix(line, "#"); ok && !strings.HasPrefix(rest, " ") {
			line = rest
		}
		all.WriteString(line + "\n")
	}
	if s, err := load(t, all.String(), nil); err != nil || s.finish() != nil || s.finishServing() != nil || s.domain != "call.example.org" {
		t.Errorf("%v\n%s", err, all.String())
	}
}

func TestHelp(t *testing.T) {
	var out, said bytes.Buffer
	for _, args := range [][]string{{"-help"}, {"help"}} {
		out.Reset()
		if code := Run(args, nil, &out, &said); code != exitWell {
			t.Fatalf("%v: %d", args, code)
		}
		for line := range strings.SplitSeq(out.String(), "\n") {
			if len(line) > 100 {
				t.Errorf("too wide: %s", line)
			}
		}
		c := newConfiguration(new(settings), nil)
		for _, name := range c.names() {
			if !strings.Contains(out.String(), "-"+name+" ") && !strings.Contains(out.String(), "  "+name+" ") && !strings.Contains(out.String(), "-"+name+"\n") {
				t.Errorf("the help does not have %s", name)
			}
		}
	}
	if code := Run([]string{"nonsense"}, nil, &out, &said); code != exitUsage {
		t.Errorf("nonsense: %d", code)
	}
	for _, asked := range []string{"version", "-version"} {
		out.Reset()
		if code := Run([]string{asked}, nil, &out, &said); code != exitWell || !strings.HasPrefix(out.String(), "porch-relay ") {
			t.Errorf("%s: %d, %q", asked, code, out.String())
		}
	}
}

func TestSize(t *testing.T) {
	for in, want := range map[string]size{"50GB": 50e9, "20GiB": 20 << 30, "1.5mb": 1.5e6, "800": 800, "3 KB": 3000, "7B": 7} {
		var z size
		if err := z.Set(in); err != nil || z != want {
			t.Errorf("%q: %d, %v", in, z, err)
		}
		var again size
		if err := again.Set(z.String()); err != nil || again != z {
			t.Errorf("%q became %s", in, z.String())
		}
	}
	for _, in := range []string{"", "many", "-1", "NaN", "1e300", "GB"} {
		var z size
		if err := z.Set(in); err == nil {
			t.Errorf("%q is %d", in, z)
		}
	}
}

func TestHostFiles(t *testing.T) {
	dir := t.TempDir()
	invitations, keys := filepath.Join(dir, "invitations"), filepath.Join(dir, "keys")
	s := settings{invitations: invitations, hostKeys: keys}
	writeFile(t, keys, []byte("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA Boris\n"))
	if i, k, err := s.guestList(); err != nil || len(i) != 0 || len(k) != 1 || k[0].Name != "Boris" {
		t.Fatalf("no invitations yet: %v %v %v", i, k, err)
	}
	writeFile(t, invitations, []byte("# comment\n\nsome-long-enough-token Ada L links=2 bytes=5GB # more\n"))
	i, _, err := s.guestList()
	if err != nil || len(i) != 1 || i[0].Name != "Ada L" || i[0].Quotas.Links != 2 || i[0].Quotas.Bytes != 5e9 || i[0].Digest != hosts.NewInvitation("", "some-long-enough-token").Digest {
		t.Fatalf("%+v, %v", i, err)
	}
	for _, line := range []string{"short", "sha256:nonsense", "some-long-enough-token links=none", "some-long-enough-token lynx=3", strings.Repeat("x", 300)} {
		writeFile(t, invitations, []byte("\n"+line+"\n"))
		if _, _, err := s.guestList(); err == nil || !strings.Contains(err.Error(), "line 2") || strings.Contains(err.Error(), "some-long-enough") {
			t.Errorf("%q: %v", line, err)
		}
	}
	writeFile(t, invitations, nil)
	writeFile(t, keys, []byte("AAAA\n"))
	if _, _, err := s.guestList(); err == nil {
		t.Error("a key of three bytes")
	}
}

func FuzzHostFile(f *testing.F) {
	f.Add("sha256:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU Nobody links=3\n# comment\n")
	f.Add("some-long-enough-token Ada bytes=5GB")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "invitations")
		writeFile(t, path, []byte(text))
		invitations, _, err := settings{invitations: path}.guestList()
		if err == nil {
			for _, i := range invitations {
				if i.Quotas != nil && (i.Quotas.Links < 0 || i.Quotas.Bytes < 0) {
					t.Errorf("%+v", i.Quotas)
				}
			}
		}
	})
}

func TestAccounts(t *testing.T) {
	now := time.Date(2026, 1, 1, 23, 59, 0, 0, time.UTC)
	a := newAccounts(func(owner string) int64 {
		if owner == "much" {
			return 1000
		}
		return 100
	}, 200)
	a.now = func() time.Time { return now }
	if !a.take("little", 0) || !a.take("little", 99) || a.take("little", 1) || a.take("little", 0) {
		t.Error("the allowance is not kept")
	}
	if !a.take("much", 500) {
		t.Error("another's allowance was used up")
	}
	now = now.Add(2 * time.Minute)
	if !a.take("little", 0) {
		t.Error("a new day begins with what was used")
	}
}

// openOwner returns the owner of TURN credentials of an open host.
func openOwner(host int, address string) string { return fmt.Sprintf("%022d%s", host, address) }

// TestAccountsOfStrangers checks that a new key of an open host gets no new
// allowance, and that strangers, however many, take nothing from invited hosts.
func TestAccountsOfStrangers(t *testing.T) {
	const one, neighbour, another = "wide1111own11111", "wide1111own22222", "wide2222own33333"
	a := newAccounts(func(string) int64 { return 100 }, 200)
	allowed := 0
	for i := range 50 {
		if a.take(openOwner(i, one), 90) {
			allowed++
		}
	}
	if allowed != 2 {
		t.Errorf("%d keys of one address have relayed 90 bytes each", allowed)
	}
	if !a.take(openOwner(1000, another), 90) {
		t.Error("another address may relay nothing")
	}
	if a.take(openOwner(1001, neighbour), 90) {
		t.Error("a /48 has used up its share, and another address of it goes on")
	}
	invited := openOwner(2000, "")
	if !a.take(invited, 50) {
		t.Error("an invited host may relay nothing")
	}
	for i := range maxAccounts + 100 {
		a.take(openOwner(i, fmt.Sprintf("%016d", i)), 1)
	}
	if len(a.strangers) > maxAccounts || len(a.addresses) > maxAccounts {
		t.Errorf("%d and %d accounts", len(a.strangers), len(a.addresses))
	}
	if a.take(openOwner(maxAccounts+200, fmt.Sprintf("%016d", maxAccounts+200)), 1) {
		t.Error("a stranger without an account may relay")
	}
	if !a.take(invited, 49) || a.take(invited, 1) {
		t.Error("an invited host's account was lost")
	}
}

func TestSecret(t *testing.T) {
	dir := t.TempDir()
	made, err := openSecret(settings{data: filepath.Join(dir, "data")})
	if err != nil {
		t.Fatal(err)
	}
	again, err := openSecret(settings{data: filepath.Join(dir, "data")})
	if err != nil || !bytes.Equal(made, again) {
		t.Errorf("made anew: %v", err)
	}
	if info, err := os.Stat(filepath.Join(dir, "data", "secret")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if _, err := openSecret(settings{secret: "short"}); err == nil || strings.Contains(err.Error(), "\"short\"") {
		t.Errorf("a short one: %v", err)
	}
	a, err1 := made.key("turn")
	b, err2 := made.key("noise")
	if err1 != nil || err2 != nil || bytes.Equal(a, b) || len(a) != 32 {
		t.Error("keys of two uses are one")
	}
}

func TestTurnAddresses(t *testing.T) {
	s := settings{domain: "call.example.org:8443", listen: ":443", turnListen: ":3478"}
	stun, urls, err := s.turnURLs()
	want := "stun:call.example.org:3478 turn:call.example.org:3478?transport=udp turn:call.example.org:3478?transport=tcp turns:call.example.org:8443?transport=tcp"
	if got := strings.Join(append(stun, urls...), " "); err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
	own := []netip.Addr{netip.MustParseAddr("203.0.113.9")}
	got, err := s.publicAddresses(t.Context(), func() ([]netip.Addr, error) { return own, nil })
	if err != nil || !slices.Equal(got, own) {
		t.Errorf("%v, %v", got, err)
	}
	s.turnAddresses = list{"198.51.100.1"}
	if got, err = s.publicAddresses(t.Context(), func() ([]netip.Addr, error) { return own, nil }); err != nil || got[0] != netip.MustParseAddr("198.51.100.1") {
		t.Errorf("%v, %v", got, err)
	}
	s = settings{domain: "localhost"}
	if _, err := s.publicAddresses(t.Context(), func() ([]netip.Addr, error) { return nil, nil }); err == nil || !strings.Contains(err.Error(), "-turn-addresses") {
		t.Errorf("no address: %v", err)
	}
}
