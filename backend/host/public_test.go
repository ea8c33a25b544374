package host

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/guest"
	"github.com/porch-call/porch/backend/host/ways"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/relay"
	"github.com/porch-call/porch/backend/relay/hosts"
	"github.com/porch-call/porch/backend/signalling"
)

// farTurn gives out credentials, and notes which must be taken back.
type farTurn struct {
	mu      sync.Mutex
	given   int
	revoked []string
}

func (f *farTurn) Credentials(string) ([]signalling.ICEServer, time.Time, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.given++
	end := time.Now().Add(time.Hour)
	return []signalling.ICEServer{{
		URLs:     []string{"turn:127.0.0.1:9?transport=udp"}, // the discard port
		Username: fmt.Sprintf("%d:guest-%d", end.Unix(), f.given), Credential: "secret",
	}}, end, nil
}

func (f *farTurn) Revoke(_, username string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, user, _ := strings.Cut(username, ":")
	f.revoked = append(f.revoked, user)
}

func (f *farTurn) ServeStream(c net.Conn) { _ = c.Close() }

// openPublic opens a public relay on loopback, which takes invitations, and
// returns a TLS configuration that trusts its certificate.
func openPublic(t *testing.T, turn relay.Turn) (base string, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"},
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
	notes := relay.NewNotebook(16)
	s, err := relay.Open(t.Context(), relay.Options{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", Domain: "localhost",
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
		},
		Hosts: &hosts.Policy{Invitations: []hosts.Invitation{hosts.NewInvitation("test", "welcome")}},
		Notes: notes.Get, OnNote: notes.Put, Turn: turn, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s.Addresses()[0].Base, &tls.Config{RootCAs: roots}
}

// TestPublicRelay tests the whole path: a relay that is dialled, an address
// that opens through it, a guest with a media stack, and the note at the link's
// end.
func TestPublicRelay(t *testing.T) {
	turn := new(farTurn)
	base, client := openPublic(t, turn)
	f := start(t, setup{remotes: ways.PublicRelays{TLS: client}})

	if _, err := f.host.Ways().TestRelay(f.ctx, base, ""); fault.CodeOf(err) != fault.InvitationWanted {
		t.Errorf("without an invitation: %v", err)
	}
	if _, err := f.host.Ways().TestRelay(f.ctx, base, "wrong"); fault.CodeOf(err) != fault.InvitationRefused {
		t.Errorf("with a wrong one: %v", err)
	}
	if offer, err := f.host.Ways().TestRelay(f.ctx, base, "welcome"); err != nil || !offer.Turn || offer.Links == 0 || offer.Guests == 0 || offer.Bytes == 0 {
		t.Errorf("offer %+v, %v", offer, err)
	}
	if _, err := f.host.Ways().TestRelay(f.ctx, "https://localhost:9", ""); fault.CodeOf(err) != fault.RelayUnreachable {
		t.Errorf("where nothing listens: %v", err)
	}
	_, err := f.host.Ways().AddRelay(f.ctx, base, "wrong")
	f.must(err)
	s := f.until("a refusal", func(s hoststate.State) bool { return s.Reach.Relays[0].State == ways.RelayRefused })
	if v := s.Reach.Relays[0]; v.Code != string(fault.InvitationRefused) || v.HostKey == "" {
		t.Errorf("refused: %+v", v)
	}
	_, err = f.host.Ways().AddRelay(f.ctx, base, "welcome")
	f.must(err)
	f.until("the relay", func(s hoststate.State) bool { return s.Reach.Kind == "anywhere" })
	l := f.link()
	l = f.untilLink(l.ID, "guests find the link", func(l hoststate.LinkView) bool { return l.RelayState == ways.RelayConnected })
	if a := l.Addresses[0]; a.Reach != "anywhere" || !strings.HasPrefix(a.URL, base+"/j/") {
		t.Fatalf("address: %+v", l.Addresses)
	}

	admitted := make(chan signalling.Admitted, 1)
	go func() {
		for ctx := f.ctx; ctx.Err() == nil; {
			for _, q := range f.host.Snapshot().Requests {
				_ = f.host.Admit(ctx, q.ID)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	ctx, cancel := context.WithTimeout(f.ctx, patience)
	defer cancel()
	g, err := guest.Join(ctx, l.Addresses[0].URL, guest.Options{Name: "Ada", TLS: client, OnMessage: func(m signalling.Message) {
		if a, ok := m.(signalling.Admitted); ok {
			admitted <- a
		}
	}})
	f.must(err)
	defer g.Close()
	select {
	case <-g.Connected():
	case <-ctx.Done():
		t.Fatal("no media")
	}
	servers := (<-admitted).ICEServers
	if len(servers) != 1 || servers[0].Credential != "secret" {
		t.Errorf("servers: %+v", servers)
	}
	f.must(f.host.Link(l.ID).Remove(f.ctx))
	<-g.Done()
	if code := fault.CodeOf(g.Err()); code != fault.LinkRemoved {
		t.Errorf("the guest is out for %q", code)
	}
	for late := time.After(patience); ; {
		turn.mu.Lock()
		revoked := slices.Clone(turn.revoked)
		turn.mu.Unlock()
		if slices.Equal(revoked, []string{"guest-1"}) {
			break
		}
		select {
		case <-late:
			t.Fatalf("revoked: %q", revoked)
		case <-time.After(time.Millisecond):
		}
	}

	// The relay tells later guests why.
	id, _ := secretOf(t, l)
	for late := time.Now().Add(patience); ; {
		_, err := guest.Join(ctx, l.Addresses[0].URL, guest.Options{Name: "Late", TLS: client})
		if fault.CodeOf(err) == fault.LinkRemoved {
			break
		}
		if time.Now().After(late) {
			t.Fatalf("a removed link: %v", err)
		}
	}
	if _, ok := Note(f.book, id); !ok {
		t.Error("no note in the book")
	}
	f.refused.mu.Lock()
	text := f.refused.text.String()
	f.refused.mu.Unlock()
	for _, secret := range []string{"welcome", string(id), "secret"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
}
