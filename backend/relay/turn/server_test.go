package turn

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"

	"github.com/porch-call/porch/backend/kit/pionlog"
	"github.com/porch-call/porch/backend/signalling"
)

// patience is the deadline of all that should happen at once.
const patience = 20 * time.Second

var (
	testSecret = bytes.Repeat([]byte("s"), 32)
	loopback   = netip.MustParseAddr("127.0.0.1")
	loopbacks  = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
)

const (
	overUDP way = "udp"
	overTCP way = "tcp"
	overTLS way = "tls"
)

func TestRelays(t *testing.T) {
	for _, w := range ways {
		t.Run(string(w), func(t *testing.T) {
			s := open(t, nil)
			name, password := credentials(t, s, "host")
			relayed := allocate(t, s, w, name, password)
			peer := newPeer(t)
			exchange(t, relayed, peer, "hello")
			eventually(t, "a channel", func() bool { return len(*s.only(t).bindings.Load()) == 1 })
			for _, text := range []string{"a", "ab", "abc", "abcd", strings.Repeat("x", 1400)} {
				exchange(t, relayed, peer, text)
			}
			if stats := s.Stats(); stats.Allocations != 1 || stats.AllocationsTotal != 1 {
				t.Errorf("%+v", stats)
			}
			sent := uint64(len("hello") + 1 + 2 + 3 + 4 + 1400)
			counted(t, s, Traffic{sent, 6}, Traffic{sent + 6*5, 6})
			must(t, relayed.Close())
			eventually(t, "the end of the allocation", func() bool { return s.Stats().Allocations == 0 })
		})
	}
}

// TestNeighbours checks that two clients who both need the relay reach each other
// through it, although it relays to no address of its own.
func TestNeighbours(t *testing.T) {
	for _, w := range ways {
		t.Run(string(w), func(t *testing.T) {
			s := open(t, func(o *Options) { o.AllowPeers = nil })
			name, password := credentials(t, s, "host")
			a := allocate(t, s, overUDP, name, password)
			client := newClient(t, s, w, name, password)
			b, err := client.Allocate()
			must(t, err)
			defer b.Close()
			must(t, client.CreatePermission(a.LocalAddr()))
			exchange(t, a, b, "hello")
			eventually(t, "channels", func() bool {
				s.mu.RLock()
				defer s.mu.RUnlock()
				n := 0
				for _, a := range s.relayed {
					n += len(*a.bindings.Load())
				}
				return n == 2
			})
			exchange(t, a, b, "over channels")
		})
	}
}

func TestBinding(t *testing.T) {
	s := open(t, nil)
	for _, w := range ways {
		c := newClient(t, s, w, "", "")
		mapped, err := c.SendBindingRequest()
		must(t, err)
		if udp, ok := mapped.(*net.UDPAddr); !ok || !udp.IP.IsLoopback() || udp.Port == 0 {
			t.Errorf("%s: mapped to %v", w, mapped)
		}
	}
}

func TestDualStack(t *testing.T) {
	s := open(t, func(o *Options) {
		o.Listen = ":0"
		o.Public = []netip.Addr{loopback, netip.IPv6Loopback()}
	})
	name, password := credentials(t, s, "host")
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		conn, err := net.ListenPacket("udp", host+":0")
		if err != nil {
			t.Skip("no IPv6 here")
		}
		defer conn.Close()
		_, port, err := net.SplitHostPort(s.Addr().String())
		must(t, err)
		c, err := turn.NewClient(&turn.ClientConfig{
			TURNServerAddr: host + ":" + port, Conn: conn, Username: name, Password: password, Realm: realm, LoggerFactory: pionlog.Silent{},
		})
		must(t, err)
		must(t, c.Listen())
		defer c.Close()
		relayed, err := c.Allocate()
		must(t, err)
		defer relayed.Close()
		peer, err := net.ListenPacket("udp", host+":0")
		must(t, err)
		defer peer.Close()
		exchange(t, relayed, peer, "hello")
		exchange(t, relayed, peer, "again")
	}
}

// TestRevoked checks that a running allocation ends before Revoke returns, and
// that the credentials are no longer good on any node that was told.
func TestRevoked(t *testing.T) {
	for _, w := range ways {
		t.Run(string(w), func(t *testing.T) {
			s := open(t, nil)
			name, password := credentials(t, s, "host")
			other, otherPassword := credentials(t, s, "host")
			relayed, peer := allocate(t, s, w, name, password), newPeer(t)
			stays := allocate(t, s, w, other, otherPassword)
			exchange(t, relayed, peer, "hello")

			s.Revoke("another", name) // another owner can't revoke them
			exchange(t, relayed, peer, "hello")
			from, to := Traffic{10, 2}, Traffic{20, 2}
			counted(t, s, from, to)

			s.Revoke("host", name)
			if n := s.Stats().Allocations; n != 1 {
				t.Fatalf("%d allocations", n)
			}
			_, _ = relayed.WriteTo([]byte("late"), peer.LocalAddr()) // a stream is closed by now
			must(t, peer.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
			if n, _, err := peer.ReadFrom(make([]byte, 100)); err == nil {
				t.Errorf("%d bytes after it was revoked", n)
			}
			if after := s.Stats(); after.FromClients != from || after.ToClients != to {
				t.Errorf("relayed after it was revoked")
			}
			if _, err := newClient(t, s, w, name, password).Allocate(); err == nil {
				t.Error("revoked credentials are good for an allocation")
			}
			exchange(t, stays, newPeer(t), "hello")
			if n := s.Stats().Refused[RefusedRevoked]; n == 0 {
				t.Error("not counted")
			}
		})
	}
}

func TestCredentialsRefused(t *testing.T) {
	s := open(t, nil)
	name, password := credentials(t, s, "host")
	foreign := open(t, func(o *Options) { o.Secret = bytes.Repeat([]byte("x"), 32) })
	strange, strangePassword := credentials(t, foreign, "host")
	old := s.keys.issue("host", time.Now().Add(-time.Second))
	for what, c := range map[string]struct {
		name, password string
		why            Refusal
	}{
		"wrong password": {name, password + "x", RefusedCredential},
		"wrong owner":    {strings.Replace(name, ":host:", ":hose:", 1), password, RefusedCredential},
		"later expiry":   {"9" + name, password, RefusedCredential},
		"other secret":   {strange, strangePassword, RefusedCredential},
		"expired":        {old.text, s.keys.password(old.text), RefusedExpired},
		"no form":        {"somebody", "something", RefusedCredential},
	} {
		before := s.Stats().Refused[c.why]
		if _, err := newClient(t, s, overUDP, c.name, c.password).Allocate(); err == nil {
			t.Errorf("%s: accepted", what)
		}
		if s.Stats().Refused[c.why] == before {
			t.Errorf("%s: not counted as %v", what, c.why)
		}
	}
	if n := s.Stats().AllocationsTotal; n != 0 {
		t.Errorf("%d allocations", n)
	}
}

// TestExpiredGoesOn checks that credentials that expire during a call do not end
// it.
func TestExpiredGoesOn(t *testing.T) {
	s := open(t, nil)
	u := s.keys.issue("host", time.Now().Add(2*time.Second))
	relayed, peer := allocate(t, s, overUDP, u.text, s.keys.password(u.text)), newPeer(t)
	exchange(t, relayed, peer, "hello")
	eventually(t, "expiry", func() bool { return u.expired(time.Now()) })
	exchange(t, relayed, newPeer(t), "with a new permission")
	if _, err := newClient(t, s, overUDP, u.text, s.keys.password(u.text)).Allocate(); err == nil {
		t.Error("expired credentials are good for an allocation")
	}
}

// TestOtherNode checks that credentials are good on every node.
func TestOtherNode(t *testing.T) {
	one, other := open(t, nil), open(t, nil)
	name, password := credentials(t, one, "host")
	exchange(t, allocate(t, other, overUDP, name, password), newPeer(t), "hello")
	one.Revoke("host", name)
	other.Revoke("host", name)
	if n := other.Stats().Allocations; n != 0 {
		t.Errorf("%d allocations", n)
	}
}

func TestLimits(t *testing.T) {
	s := open(t, func(o *Options) { o.Limits = Limits{Allocations: 4, PerOwner: 3, PerUsername: 2} })
	owners := map[string]int{}
	try := func(owner string, name, password string) bool {
		conn, err := newClient(t, s, overUDP, name, password).Allocate()
		if err != nil {
			return false
		}
		t.Cleanup(func() { conn.Close() })
		owners[owner]++
		return true
	}
	a, passwordA := credentials(t, s, "one")
	b, passwordB := credentials(t, s, "one")
	for i := range 3 {
		if try("one", a, passwordA) != (i < 2) {
			t.Errorf("not two for a user name: the %dth", i+1)
		}
	}
	if !try("one", b, passwordB) || try("one", b, passwordB) {
		t.Error("not three for an owner")
	}
	c, passwordC := credentials(t, s, "two")
	if !try("two", c, passwordC) || try("two", c, passwordC) {
		t.Error("not four in all")
	}
	if r := s.Stats().Refused; r[RefusedQuota] != 2 || r[RefusedFull] != 1 {
		t.Errorf("refused %v", r)
	}
}

func TestPortRange(t *testing.T) {
	s := open(t, func(o *Options) { o.FirstPort, o.LastPort = 40100, 40101 })
	name, password := credentials(t, s, "host")
	var got []int
	for range 3 {
		conn, err := newClient(t, s, overUDP, name, password).Allocate()
		if err != nil {
			continue
		}
		defer conn.Close()
		got = append(got, conn.LocalAddr().(*net.UDPAddr).Port)
	}
	slices.Sort(got)
	if len(got) > 2 || len(got) < 1 || got[0] < 40100 || got[len(got)-1] > 40101 {
		t.Errorf("ports %v", got)
	}
}

// TestQuota checks that an owner whose quota is used up loses the allocations,
// and gets no new one.
func TestQuota(t *testing.T) {
	var spent, asked atomic.Int64
	s := open(t, func(o *Options) {
		o.Quota = func(owner string, bytes int64) bool {
			if owner != "host" {
				return true
			}
			asked.Add(1)
			return spent.Add(bytes) < 1000
		}
	})
	name, password := credentials(t, s, "host")
	other, otherPassword := credentials(t, s, "other")
	relayed, stays, peer := allocate(t, s, overUDP, name, password), allocate(t, s, overUDP, other, otherPassword), newPeer(t)
	exchange(t, relayed, peer, "hello")
	exchange(t, stays, newPeer(t), "hello")
	exchange(t, relayed, peer, strings.Repeat("x", 600))
	eventually(t, "the end of the allocation", func() bool { return s.Stats().Allocations == 1 })
	if n, want := spent.Load(), int64(5+10+600+605); n != want {
		t.Errorf("%d bytes, not %d", n, want)
	}
	if _, err := newClient(t, s, overUDP, name, password).Allocate(); err == nil {
		t.Error("an allocation without quota")
	}
	exchange(t, stays, newPeer(t), "hello")
}

// rawStream returns a TCP connection without a TURN client.
func rawStream(t *testing.T, s *Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr().String())
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	return conn
}

func bindingRequest(tb testing.TB) []byte {
	tb.Helper()
	m, err := stun.Build(stun.BindingRequest, stun.TransactionID)
	must(tb, err)
	return m.Raw
}

// isCut reports whether a connection ends.
func isCut(t *testing.T, conn net.Conn) bool {
	t.Helper()
	_, err := io.Copy(io.Discard, conn)
	var timeout net.Error
	return !errors.As(err, &timeout) || !timeout.Timeout()
}

// TestSlow has connections that do not speak, speak a byte at a time, or speak
// without end but ask for no allocation.
func TestSlow(t *testing.T) {
	s := open(t, func(o *Options) {
		o.streamTimes = &streamTimes{idle: 300 * time.Millisecond, frame: 100 * time.Millisecond, write: patience}
	})
	for what, speak := range map[string]func(net.Conn){
		"silent": func(net.Conn) {},
		"a byte at a time": func(c net.Conn) {
			for _, b := range bindingRequest(t) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond) // sends slowly
			}
		},
		"only bindings": func(c net.Conn) {
			for range 100 {
				if _, err := c.Write(bindingRequest(t)); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		},
	} {
		before := s.Stats().Refused[RefusedTooSlow]
		c := rawStream(t, s)
		go speak(c)
		if !isCut(t, c) {
			t.Errorf("%s: stays", what)
		}
		eventually(t, what, func() bool { return s.Stats().Streams == 0 && s.Stats().Refused[RefusedTooSlow] > before })
	}
}

// TestUnread checks that a client that does not read what it gets is
// disconnected, and holds up no other.
func TestUnread(t *testing.T) {
	s := open(t, func(o *Options) {
		times := defaultStreamTimes
		times.write = 200 * time.Millisecond
		o.streamTimes = &times
	})
	name, password := credentials(t, s, "host")
	c := dial(t, s, overTCP)
	client, err := turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: s.Addr().String(), Conn: c, Username: name, Password: password, Realm: realm, LoggerFactory: pionlog.Silent{},
	})
	must(t, err)
	must(t, client.Listen())
	defer client.Close()
	relayed, err := client.Allocate()
	must(t, err)
	defer relayed.Close()
	peer := newPeer(t)
	exchange(t, relayed, peer, "hello")
	eventually(t, "a channel", func() bool { return len(*s.only(t).bindings.Load()) == 1 })
	// Stops its reader, because another reads from now on.
	must(t, c.SetReadDeadline(time.Now()))
	load := make([]byte, 1200)
	eventually(t, "the end of the stream", func() bool {
		for range 200 {
			_, err := peer.WriteTo(load, relayed.LocalAddr())
			must(t, err)
		}
		return s.Stats().Streams == 0
	})
	if s.Stats().Refused[RefusedTooSlow] == 0 {
		t.Error("not counted")
	}
}

func TestMalformedStreams(t *testing.T) {
	s := open(t, nil)
	oversized := bindingRequest(t)
	binary.BigEndian.PutUint16(oversized[2:], 60000)
	for what, c := range map[string]struct {
		send []byte
		why  Refusal
	}{
		"HTTP":           {[]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), RefusedOversized}, // "GE" is a channel number
		"TLS":            {[]byte("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"), RefusedMalformed},
		"SOCKS":          {[]byte("\x05\x01\x00\x05\x01\x00\x00\x01"), RefusedMalformed},
		"no cookie":      {bytes.Repeat([]byte{0}, 20), RefusedMalformed},
		"high":           {[]byte{0xff, 0xff, 0, 0}, RefusedMalformed},
		"oversized STUN": {oversized, RefusedOversized},
		"oversized data": {[]byte{0x40, 0, 0xff, 0xff}, RefusedOversized},
	} {
		before := s.Stats().Refused[c.why]
		conn := rawStream(t, s)
		_, err := conn.Write(c.send)
		must(t, err)
		if !isCut(t, conn) {
			t.Errorf("%s: stays", what)
		}
		if s.Stats().Refused[c.why] == before {
			t.Errorf("%s: not counted as %v", what, c.why)
		}
	}
}

func TestTooManyStreams(t *testing.T) {
	s := open(t, func(o *Options) { o.Limits.StreamsPerAddress = 3 })
	for range 3 {
		rawStream(t, s)
	}
	eventually(t, "three streams", func() bool { return s.Stats().Streams == 3 })
	if c := rawStream(t, s); !isCut(t, c) {
		t.Error("a fourth stays")
	}
	if s.Stats().Refused[RefusedFull] != 1 {
		t.Error("not counted")
	}
}

// TestFlood floods the port with all sorts of messages of strangers. They are held
// off, and clients that relay notice nothing.
func TestFlood(t *testing.T) {
	s := open(t, nil)
	name, password := credentials(t, s, "host")
	relayed, peer := allocate(t, s, overUDP, name, password), newPeer(t)
	exchange(t, relayed, peer, "hello")
	eventually(t, "a channel", func() bool { return len(*s.only(t).bindings.Load()) == 1 })

	flooder, err := net.Dial("udp4", s.Addr().String())
	must(t, err)
	defer flooder.Close()
	allocateRequest, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest),
		stun.NewUsername(name), stun.NewRealm(realm), stun.NewNonce("x"), stun.NewShortTermIntegrity("wrong"))
	must(t, err)
	junk := make([]byte, 1200)
	for i := range 3000 {
		switch i % 4 {
		case 0:
			_, err = flooder.Write(bindingRequest(t))
		case 1:
			_, err = flooder.Write(allocateRequest.Raw)
		case 2:
			_, _ = rand.Read(junk)
			_, err = flooder.Write(junk[:i%len(junk)])
		case 3:
			_, err = flooder.Write([]byte{0x40, 0, 0, 1, 'x'})
		}
		must(t, err)
		if i%300 == 0 {
			exchange(t, relayed, peer, "still here")
		}
	}
	eventually(t, "refusals", func() bool {
		r := s.Stats().Refused
		return r[RefusedTooFast] > 0 && r[RefusedMalformed] > 0 && r[RefusedUnpermitted] > 0
	})
	if n := s.Stats().Allocations; n != 1 {
		t.Errorf("%d allocations", n)
	}
}

func TestCredentialsForm(t *testing.T) {
	s := open(t, nil)
	servers, expires, err := s.Credentials("host")
	must(t, err)
	if len(servers) != 1 || servers[0].Username == "" {
		t.Errorf("%+v", servers)
	}
	if d := time.Until(expires); d > defaultTTL || d < defaultTTL-time.Minute {
		t.Errorf("good for %v", d)
	}
	admitted := signalling.Admitted{Participant: "p1", Seat: strings.Repeat("A", 22), ICEServers: servers}
	must(t, admitted.Validate())
	if _, _, err := s.Credentials("a:b"); err == nil {
		t.Error("an owner with a colon")
	}
}

// TestLifetime checks that an allocation that is not refreshed ends.
func TestLifetime(t *testing.T) {
	for _, w := range ways {
		s := open(t, nil)
		name, password := credentials(t, s, "host")
		relayed := allocate(t, s, w, name, password)
		exchange(t, relayed, newPeer(t), "hello")
		a := s.only(t)
		a.changing.Lock()
		if a.life == nil {
			t.Error("no end")
		} else {
			a.life.Reset(0)
		}
		a.changing.Unlock()
		eventually(t, "the end", func() bool {
			s.mu.RLock()
			defer s.mu.RUnlock()
			return len(s.relayed) == 0
		})
	}
}

// TestEndsAmidPermissions ends allocations while pion handles requests for
// permissions, which would crash pion without handling.
func TestEndsAmidPermissions(t *testing.T) {
	s := open(t, nil)
	for round := range 20 {
		name, password := credentials(t, s, "host")
		c := newClient(t, s, ways[round%2], name, password)
		relayed, err := c.Allocate()
		must(t, err)
		asking := make(chan struct{})
		go func() {
			defer close(asking)
			for i := range 200 {
				if c.CreatePermission(&net.UDPAddr{IP: net.IPv4(127, 0, 1, byte(i%maxPermissions)), Port: 5000}) != nil {
					return
				}
			}
		}()
		s.Revoke("host", name)
		c.Close()
		_ = relayed.Close() // the other end has closed it
		<-asking
	}
}

func TestOptionsRefused(t *testing.T) {
	good := Options{Secret: testSecret, Realm: realm, Public: []netip.Addr{loopback}}
	for what, change := range map[string]func(*Options){
		"secret":    func(o *Options) { o.Secret = o.Secret[:15] },
		"realm":     func(o *Options) { o.Realm = "" },
		"public":    func(o *Options) { o.Public = nil },
		"two":       func(o *Options) { o.Public = append(o.Public, netip.MustParseAddr("127.0.0.2")) },
		"wildcard":  func(o *Options) { o.Public = []netip.Addr{netip.IPv4Unspecified()} },
		"ports":     func(o *Options) { o.FirstPort, o.LastPort = 5000, 4000 },
		"low ports": func(o *Options) { o.FirstPort, o.LastPort = 1, 4000 },
		"listen":    func(o *Options) { o.Listen = "nowhere" },
	} {
		o := good
		o.Public = slices.Clone(o.Public)
		change(&o)
		s, err := Open(context.Background(), o)
		if err == nil {
			s.Close()
			t.Errorf("%s: accepted", what)
		}
	}
	s, err := Open(context.Background(), good)
	must(t, err)
	must(t, s.Close())
	must(t, s.Close())
}
