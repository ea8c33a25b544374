package updates

import (
	"crypto/ed25519"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
)

// server publishes a list and counts who asks for it.
type server struct {
	*httptest.Server
	asked atomic.Int32
	say   atomic.Pointer[http.HandlerFunc]
	key   ed25519.PrivateKey
}

func newServer(t *testing.T) *server {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{key: key}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		(*s.say.Load())(w, r)
	}))
	t.Cleanup(s.Close)
	s.publish(t, s.list())
	return s
}

func (s *server) answer(f http.HandlerFunc) { s.say.Store(&f) }

func (s *server) text(b []byte) {
	s.answer(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(b) })
}

func (s *server) publish(t *testing.T, l List) {
	t.Helper()
	b, err := Sign(l, s.key)
	if err != nil {
		t.Fatal(err)
	}
	s.text(b)
}

func (s *server) list() List {
	page := s.URL + "/download"
	return List{Serial: 7, Expires: time.Now().Add(time.Hour), Versions: []Version{
		{Number: "1.1.0", Changes: "Older.", Page: page},
		{Number: "1.10.0", Changes: "Newest.\nWith a second line.\x1b[31m", Page: page},
		{Number: "2.0.0-rc1", Changes: "Not released.", Page: page},
		{Number: "1.2.0", Changes: "Old.", Page: page},
	}}
}

func (s *server) options(dir string) Options {
	client := s.Client()
	client.CheckRedirect = noRedirect
	return Options{Dir: dir, Own: "1.2.0", Place: s.URL + "/versions", Key: s.key.Public().(ed25519.PublicKey), Client: client}
}

// asked opens a checker whose host agrees, and returns what it knows after it has asked.
func (s *server) asks(t *testing.T, dir string) State {
	t.Helper()
	news := make(chan struct{}, 8)
	o := s.options(dir)
	o.OnNews = func() { news <- struct{}{} }
	// As if the last time was long ago.
	c := Open(o)
	defer func() { _ = c.Close() }()
	if err := c.change(func(k *kept) { k.Asked = time.Time{} }); err != nil {
		t.Fatal(err)
	}
	if err := c.Agree(true); err != nil {
		t.Fatal(err)
	}
	select {
	case <-news:
	case <-time.After(20 * time.Second):
		t.Fatal("it does not ask")
	}
	return c.State()
}

func TestANewerVersionIsOffered(t *testing.T) {
	s := newServer(t)
	dir := t.TempDir()
	got := s.asks(t, dir)
	if got.Fault != "" || got.Newer.Number != "1.10.0" || got.Newer.Changes != "Newest.\nWith a second line.[31m" {
		t.Errorf("%+v", got)
	}
	// It is known after a restart, without asking again that day; and not any more once it is installed.
	for own, want := range map[string]string{"1.2.0": "1.10.0", "1.10.0": "", "1.10.0-dev.gabc": "1.10.0", "0.0.0-dev": "1.10.0", "dev": ""} {
		o := s.options(dir)
		o.Own = own
		c := Open(o)
		if got := c.State(); got.Newer.Number != want {
			t.Errorf("%s is offered %q, want %q", own, got.Newer.Number, want)
		}
		_ = c.Close()
	}
	if n := s.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestRefusals(t *testing.T) {
	s := newServer(t)
	good, err := Sign(s.list(), s.key)
	if err != nil {
		t.Fatal(err)
	}
	_, other, _ := ed25519.GenerateKey(rand.Reader)
	signed := func(change func(*List)) []byte {
		l := s.list()
		change(&l)
		b, err := Sign(l, s.key)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	foreign, _ := Sign(s.list(), other)
	for name, tc := range map[string]struct {
		text []byte
		say  http.HandlerFunc
		want fault.Code
	}{
		"tampered":            {text: []byte(strings.Replace(string(good), "Newest", "Nastier", 1)), want: fault.VersionsTampered},
		"another key":         {text: foreign, want: fault.VersionsTampered},
		"no signature":        {text: []byte(`{"serial": 9}`), want: fault.VersionsTampered},
		"an empty page":       {text: nil, want: fault.VersionsTampered},
		"a web page":          {text: []byte("<!doctype html>\n<p>Sign in to this Wi-Fi"), want: fault.VersionsTampered},
		"expired":             {text: signed(func(l *List) { l.Expires = time.Now().Add(-time.Second) }), want: fault.VersionsOld},
		"not a version":       {text: signed(func(l *List) { l.Versions[0].Number = "1.x" }), want: fault.VersionsTampered},
		"another origin":      {text: signed(func(l *List) { l.Versions[0].Page = "https://porch.example/download" }), want: fault.VersionsElsewhere},
		"no page of the web":  {text: signed(func(l *List) { l.Versions[0].Page = "file:///usr/bin/true" }), want: fault.VersionsElsewhere},
		"a page without TLS":  {text: signed(func(l *List) { l.Versions[0].Page = strings.Replace(s.URL, "https", "http", 1) }), want: fault.VersionsElsewhere},
		"a page with a login": {text: signed(func(l *List) { l.Versions[0].Page = strings.Replace(s.URL, "https://", "https://a@", 1) }), want: fault.VersionsElsewhere},
		"too big":             {text: append(good, make([]byte, MaxList)...), want: fault.VersionsTooBig},
		"missing":             {say: http.NotFound, want: fault.VersionsMissing},
		"a redirect":          {say: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, want: fault.VersionsElsewhere},
	} {
		t.Run(name, func(t *testing.T) {
			s.text(tc.text)
			if tc.say != nil {
				s.answer(tc.say)
			}
			if got := s.asks(t, t.TempDir()); got.Fault != tc.want || got.Newer.Number != "" {
				t.Errorf("%+v, want %s", got, tc.want)
			}
			if fault.Sentence(tc.want) == fault.Sentence(fault.Internal) {
				t.Errorf("%s has no sentence", tc.want)
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		gone := newServer(t)
		gone.Close()
		if got := gone.asks(t, t.TempDir()); got.Fault != fault.VersionsMissing {
			t.Errorf("%+v", got)
		}
	})
}

// TestRollback: who holds an old list can't make the app forget a newer one.
func TestRollback(t *testing.T) {
	s := newServer(t)
	dir := t.TempDir()
	s.asks(t, dir)
	old := s.list()
	old.Serial, old.Versions = 6, old.Versions[:1]
	s.publish(t, old)
	if got := s.asks(t, dir); got.Fault != fault.VersionsOld || got.Newer.Number != "1.10.0" {
		t.Errorf("%+v", got)
	}
	s.publish(t, s.list())
	if got := s.asks(t, dir); got.Fault != "" {
		t.Errorf("the same list again: %+v", got)
	}
}

// TestNoRequestBeforeConsent: a proxy sees all that the checker's own client does.
func TestNoRequestBeforeConsent(t *testing.T) {
	var seen atomic.Int32
	heard := make(chan string, 8)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Add(1)
		heard <- r.Method + " " + r.Host
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer proxy.Close()
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	begin := func() *Checker {
		own := client()
		own.Transport.(*http.Transport).Proxy = http.ProxyURL(at)
		return Open(Options{Dir: dir, Own: "1.0.0", Place: "https://porch.example/versions", Key: make([]byte, ed25519.PublicKeySize), Client: own})
	}
	c := begin()
	c.wake <- struct{}{} // run has looked once when this is taken
	for len(c.wake) > 0 {
		time.Sleep(time.Millisecond)
	}
	if err := c.Agree(false); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if n := seen.Load(); n != 0 {
		t.Fatalf("%d requests before consent", n)
	}

	c = begin()
	if err := c.Agree(true); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-heard:
		if got != "CONNECT porch.example:443" {
			t.Errorf("asked %s", got)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it does not ask")
	}
	_ = c.Close()

	c = begin() // on the same day
	_ = c.Agree(true)
	_ = c.Close()
	if n := seen.Load(); n != 1 {
		t.Errorf("%d requests on one day", n)
	}
}

func TestKept(t *testing.T) {
	s := newServer(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName), []byte(`{"agreed": true, "newer"`), 0o600); err != nil {
		t.Fatal(err)
	}
	c := Open(s.options(dir))
	if c.State().Agreed {
		t.Error("agreed by a damaged file")
	}
	_ = c.Close()
	_ = c.Close()

	c = Open(s.options(filepath.Join(dir, "gone")))
	if err := c.Agree(true); fault.CodeOf(err) != fault.StoreUnavailable || c.State().Agreed {
		t.Errorf("in a folder that is not there: %v, %+v", err, c.State())
	}
	_ = c.Close()
	if n := s.asked.Load(); n != 0 {
		t.Errorf("asked %d times", n)
	}
}

func TestBuilt(t *testing.T) {
	if _, _, ok := Built(); ok {
		t.Error("a program that was built without a place has one")
	}
}

func FuzzRead(f *testing.F) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	now := time.Unix(1_800_000_000, 0)
	good, err := Sign(List{Serial: 1, Expires: now.Add(time.Hour), Versions: []Version{{Number: "1.0.0", Page: "https://porch.example/"}}}, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(magic + "AAAA\n{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := Read(b, key.Public().(ed25519.PublicKey), "https://porch.example/versions", now)
		if err == nil && string(b) != string(good) && strings.TrimSuffix(string(b), "\n") != strings.TrimSuffix(string(good), "\n") {
			t.Errorf("taken: %q as %+v", b, l)
		}
	})
}
