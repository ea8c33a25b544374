package client_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/call"
	"github.com/porch-call/porch/backend/guest"
	"github.com/porch-call/porch/backend/host"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/media/capture"
	"github.com/porch-call/porch/backend/relay"
	"github.com/porch-call/porch/backend/relay/client"
	"github.com/porch-call/porch/backend/relay/hosts"
	"github.com/porch-call/porch/backend/relay/internal/testlog"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
	"github.com/porch-call/porch/backend/store"
	"github.com/porch-call/porch/backend/windowsocket"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// authority signs certificates of localhost for a test.
type authority struct {
	certificate tls.Certificate
	client      *tls.Config
}

func newAuthority(t testing.TB) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return authority{
		certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf},
		client:      &tls.Config{RootCAs: roots},
	}
}

// publicRelay is a public relay on loopback, with an authority that its guests
// and hosts trust.
type publicRelay struct {
	*relay.Server
	authority authority
	notes     *relay.Notebook
	log       *testlog.Log
}

func (p *publicRelay) base() string { return p.Addresses()[0].Base }

func openPublic(t testing.TB, a authority, listen string, change func(*relay.Options)) *publicRelay {
	t.Helper()
	p := &publicRelay{authority: a, notes: relay.NewNotebook(1000), log: new(testlog.Log)}
	o := relay.Options{
		Dir: t.TempDir(), Listen: listen, Domain: "localhost",
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &a.certificate, nil },
		Hosts:          &hosts.Policy{Open: true},
		Notes:          p.notes.Get, OnNote: p.notes.Put,
		Logger: p.log.Logger(),
	}
	if change != nil {
		change(&o)
	}
	s, err := relay.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	p.Server = s
	return p
}

func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// dialled makes a host announce its links at a public relay alone.
type dialled struct {
	*client.Client
	book func() *links.Book
}

func (d dialled) Addresses() []relay.Address {
	return []relay.Address{{Base: d.Base(), Reach: relay.ReachAnywhere}}
}

func (d dialled) PortChanged() bool { return false }

func (d dialled) SetOutside(*relay.Outside)        {}
func (d dialled) SetAudience(relay.Audience)       {}
func (d dialled) Try(relay.Outside, string) func() { return func() {} }

func (d dialled) Announce(ctx context.Context, keys sealed.LinkKeys, accept func(switchboard.Frames)) (func(), error) {
	withdraw, err := d.Client.Announce(ctx, keys, accept)
	if err != nil {
		return nil, err
	}
	return func() {
		if note, ok := host.Note(d.book(), keys.ID()); ok {
			withdraw(&note)
			return
		}
		withdraw(nil)
	}, nil
}

// porch is a host whose links are at a public relay, with everything real but
// the window.
type porch struct {
	t      testing.TB
	ctx    context.Context
	host   *host.Host
	book   *links.Book
	client *client.Client
	status chan client.Status
	log    *testlog.Log
	tls    *tls.Config

	closers []func()
}

// dial starts a host whose connection goes to url.
func dial(t testing.TB, url string, a authority, change func(*client.Options)) *porch {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	p := &porch{t: t, ctx: ctx, log: new(testlog.Log), tls: a.client, status: make(chan client.Status, 256)}
	p.closers = append(p.closers, cancel)
	t.Cleanup(p.close)
	log := p.log.Logger()

	o := client.Options{URL: url, Key: newKey(t), TLS: a.client, Logger: log, OnStatus: func(s client.Status) {
		select {
		case p.status <- s:
		default:
		}
	}}
	if change != nil {
		change(&o)
	}
	var err error
	p.client, err = client.Open(o)
	p.must(err)
	p.closers = append(p.closers, func() { _ = p.client.Close() })

	kept, err := store.Open(t.TempDir())
	p.must(err)
	p.closers = append(p.closers, func() { _ = kept.Close() })
	p.book, err = links.Open(kept, time.Now)
	p.must(err)
	calls, err := call.NewEngine(call.Options{Logger: log})
	p.must(err)
	p.closers = append(p.closers, func() { _ = calls.Close() })
	devices, err := capture.Open(capture.Options{Synthetic: true, Logger: log})
	p.must(err)
	p.closers = append(p.closers, func() { _ = devices.Close() })
	windows, err := windowsocket.Listen(ctx, windowsocket.Options{
		Origins: func(string) bool { return false }, Handler: func(*windowsocket.Conn) {}, Logger: log,
	})
	p.must(err)
	p.closers = append(p.closers, func() { _ = windows.Close() })
	p.host, err = host.Open(ctx, host.Options{
		Book: p.book, Settings: kept, Relay: dialled{p.client, func() *links.Book { return p.book }}, Calls: calls, Capture: devices,
		Windows: windows, Synthetic: true, Timing: host.Timing{Hello: 2 * time.Second, SeatHold: patience, Undo: -1}, Logger: log,
	})
	p.must(err)
	p.closers = append(p.closers, p.host.Close)
	return p
}

func (p *porch) close() {
	for _, c := range slices.Backward(p.closers) {
		c()
	}
	p.closers = nil
}

func (p *porch) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// until waits for a state of the host.
func (p *porch) until(what string, ok func(hoststate.State) bool) {
	p.t.Helper()
	w := p.host.Watch()
	defer w.Close()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	for {
		if ok(p.host.Snapshot()) {
			return
		}
		if _, err := w.Next(ctx); err != nil {
			p.t.Fatalf("waiting for %s: %v", what, err)
		}
	}
}

// link makes a link, waits until guests find it, and returns its address at
// base.
func (p *porch) link(base string) (id sealed.LinkID, address string) {
	p.t.Helper()
	v, err := p.host.CreateLink(p.ctx)
	p.must(err)
	id = sealed.LinkID(v.ID)
	p.untilAnnounced(id)
	l, err := p.book.Get(id)
	p.must(err)
	return id, sealed.Address(base, id, l.Secret)
}

func (p *porch) untilAnnounced(id sealed.LinkID) {
	p.t.Helper()
	for late := time.After(patience); ; {
		if ok, _ := p.client.LinkStatus(id); ok {
			return
		}
		select {
		case <-p.status:
		case <-late:
			_, code := p.client.LinkStatus(id)
			p.t.Fatalf("not announced: %q, line %+v", code, p.client.Status())
		}
	}
}

// admit lets in every guest whose name is in names.
func (p *porch) admit(names ...string) {
	w := p.host.Watch()
	var wg sync.WaitGroup
	wg.Go(func() {
		seen := map[string]bool{}
		for {
			for _, r := range p.host.Snapshot().Requests {
				if !seen[r.ID] && slices.Contains(names, r.Name) {
					seen[r.ID] = true
					_ = p.host.Admit(p.ctx, r.ID) // a guest may be gone already
				}
			}
			if _, err := w.Next(context.Background()); err != nil {
				return
			}
		}
	})
	p.closers = append(p.closers, func() { w.Close(); wg.Wait() })
}

// visitor is a guest, with what it was told.
type visitor struct {
	*guest.Guest
	p        *porch
	messages chan signalling.Message
	away     chan bool
}

func (p *porch) options(v *visitor, name string) guest.Options {
	return guest.Options{
		Name: name, TLS: p.tls,
		OnMessage: func(m signalling.Message) {
			select {
			case v.messages <- m:
			case <-p.ctx.Done():
			}
		},
		OnAway: func(away bool) {
			select {
			case v.away <- away:
			case <-p.ctx.Done():
			}
		},
	}
}

// join lets a guest in by a link.
func (p *porch) join(address, name string) (*visitor, error) {
	v := &visitor{p: p, messages: make(chan signalling.Message, 1024), away: make(chan bool, 16)}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	g, err := guest.Join(ctx, address, p.options(v, name))
	if err != nil {
		return nil, err
	}
	v.Guest = g
	p.t.Cleanup(func() { _ = g.Close() })
	return v, nil
}

func (p *porch) mustJoin(address, name string) *visitor {
	p.t.Helper()
	v, err := p.join(address, name)
	p.must(err)
	return v
}

// connected waits for the guest's media.
func (v *visitor) connected() {
	v.p.t.Helper()
	select {
	case <-v.Connected():
	case <-time.After(patience):
		v.p.t.Fatal("no media")
	}
}

// hears waits for a chat line.
func (v *visitor) hears(text string) {
	v.p.t.Helper()
	late := time.After(patience)
	for {
		select {
		case m := <-v.messages:
			if c, ok := m.(signalling.Chat); ok && c.Line.Text == text {
				return
			}
		case <-v.Done():
			v.p.t.Fatalf("the guest is out: %v", v.Err())
		case <-late:
			v.p.t.Fatalf("%q was not heard", text)
		}
	}
}

// chats says something and waits until it has come back through the host.
func (v *visitor) chats(text string) {
	v.p.t.Helper()
	v.p.must(v.Say(text))
	v.hears(text)
}
