package portmap

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/kit/netaddr"
)

const (
	ip1 = "urn:schemas-upnp-org:service:WANIPConnection:1"
	ip2 = "urn:schemas-upnp-org:service:WANIPConnection:2"
)

func TestPCP(t *testing.T) {
	t.Parallel()
	r := newRouter(t)
	external := netip.AddrPortFrom(public, 40123)
	r.set(func(r *router) { r.answer = grants(external, 1) })
	m := r.mapper()
	l := m.Want(t.Context(), UDP, 40000)
	settled(t, l)
	want := Mapping{External: external, Internal: netip.AddrPortFrom(loopback, 40000)}
	if got := l.Mappings(); len(got) != 1 || got[0] != want {
		t.Fatalf("open: %v", got)
	}
	if s := m.Status(); s.State != Open || s.External != public || s.By != "PCP" || s.Router != loopback || s.Until.IsZero() {
		t.Errorf("status: %+v", s)
	}
	first := r.requests()[0]
	// RFC 6887 sections 7.1 and 11.1; the nonce is random.
	shape := "02010000" + "00000e10" + "00000000000000000000ffff7f000001" + hex.EncodeToString(first[24:36]) + "11000000" + "9c40" + "9c40" + "00000000000000000000ffff00000000"
	if got := hex.EncodeToString(first); got != shape {
		t.Errorf("request\n%s, want\n%s", got, shape)
	}
	// It is renewed at half of its second, with the nonce, and for the port that the router gave.
	until(t, "a renewal", func() bool { return len(r.requests()) >= 3 })
	if again := r.requests()[2]; !bytes.Equal(again[24:42], first[24:42]) || binary.BigEndian.Uint16(again[42:]) != 40123 {
		t.Errorf("renewed by %x", again)
	}
	l.Close()
	l.Close()
	all := r.requests()
	if last := all[len(all)-1]; binary.BigEndian.Uint32(last[4:]) != 0 || !bytes.Equal(last[24:42], first[24:42]) {
		t.Errorf("withdrawn by %x", last)
	}
	if got := l.Mappings(); len(got) != 0 {
		t.Errorf("open after its end: %v", got)
	}
	if s := m.Status(); s.State != Asking {
		t.Errorf("status: %+v", s)
	}
}

func TestNATPMP(t *testing.T) {
	t.Parallel()
	r := newRouter(t)
	external := netip.AddrPortFrom(public, 50001)
	r.set(func(r *router) { r.answer = speaksNATPMP(external, 3600) })
	m := r.mapper()
	l := m.Want(t.Context(), TCP, 40000)
	settled(t, l)
	if got := l.Mappings(); len(got) != 1 || got[0].External != external || m.Status().By != "NAT-PMP" {
		t.Fatalf("open: %v, %+v", got, m.Status())
	}
	m.Close()
	all := r.requests()
	if last := all[len(all)-1]; hex.EncodeToString(last) != "000200009c40000000000000" {
		t.Errorf("withdrawn by %x", last)
	}
	if m.Want(t.Context(), UDP, 1); len(r.requests()) != len(all) {
		t.Error("it asks after its end")
	}
}

// upnp makes the router map ports by UPnP only, where the ports below taken belong
// to another computer.
func (r *router) upnp(service string, external string, taken func(body string) bool) {
	r.location = r.http.URL + "/root.xml"
	r.root = device(service, "/control")
	r.action = func(name, body string) (int, string) {
		switch {
		case name == "GetExternalIPAddress":
			return 200, ok(service, name, "<NewExternalIPAddress>"+external+"</NewExternalIPAddress>")
		case name == "AddPortMapping" && taken(body):
			return 500, fmt.Sprintf(fault, conflict)
		case name == "AddAnyPortMapping":
			return 200, ok(service, name, "<NewReservedPort>45678</NewReservedPort>")
		}
		return 200, ok(service, name, "")
	}
}

func TestUPnP(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ service, did string }{
		{ip1, "GetExternalIPAddress AddPortMapping AddPortMapping DeletePortMapping"},
		{ip2, "GetExternalIPAddress AddAnyPortMapping DeletePortMapping"},
	} {
		t.Run(c.service[len(c.service)-1:], func(t *testing.T) {
			t.Parallel()
			r := newRouter(t)
			r.set(func(r *router) {
				r.upnp(c.service, "44.1.2.3", func(body string) bool { return strings.Contains(body, "<NewExternalPort>40000<") })
			})
			m := r.mapper()
			l := m.Want(t.Context(), UDP, 40000)
			settled(t, l)
			got := l.Mappings()
			if len(got) != 1 || got[0].External.Addr() != public || got[0].External.Port() == 40000 || got[0].External.Port() < 1024 || m.Status().By != "UPnP" {
				t.Fatalf("open: %v, %+v", got, m.Status())
			}
			searches := func() int { r.mu.Lock(); defer r.mu.Unlock(); return r.searches }
			before := searches()
			l.Again() // renewed without a search
			until(t, "a renewal", func() bool { return len(r.did()) >= 4 })
			if searches() != before {
				t.Error("its place is not remembered")
			}
			m.Close()
			did := strings.Join(r.did(), " ")
			if !strings.HasPrefix(did, strings.TrimSuffix(c.did, " DeletePortMapping")) || !strings.HasSuffix(did, "DeletePortMapping") {
				t.Errorf("did: %s", did)
			}
		})
	}
}

// TestRefusals: what routers say that helps nobody opens nothing, and is told in
// one word.
func TestRefusals(t *testing.T) {
	t.Parallel()
	at := netip.MustParseAddrPort
	for _, c := range []struct {
		name string
		set  func(*router)
		seen string
		want State
	}{
		{"a no", func(r *router) { r.answer = refuses }, "", Refused},
		{"a no by UPnP", func(r *router) {
			r.upnp(ip1, "44.1.2.3", nil)
			r.action = func(string, string) (int, string) { return 500, fmt.Sprintf(fault, 606) }
		}, "", Refused},
		{"no answer", func(*router) {}, "", Silent},
		{"a lease of 0", func(r *router) { r.answer = grants(at("44.1.2.3:40000"), 0) }, "", Refused},
		{"a port below 1024", func(r *router) { r.answer = grants(at("44.1.2.3:443"), 3600) }, "", Refused},
		{"no port", func(r *router) { r.answer = grants(at("44.1.2.3:0"), 3600) }, "", Refused},
		{"carrier NAT", func(r *router) { r.answer = grants(at("100.64.7.7:40000"), 3600) }, "", Shared},
		{"carrier NAT by its address outside", func(r *router) { r.answer = grants(at("44.1.2.3:40000"), 3600) }, "44.9.9.9", Shared},
		{"two routers", func(r *router) { r.answer = speaksNATPMP(at("192.168.0.7:40000"), 3600) }, "", TwoRouters},
		{"carrier NAT, in a no by PCP", func(r *router) { // as miniupnpd 2.3.1 says no
			r.answer = func(q []byte) [][]byte {
				if len(q) < 60 {
					return nil
				}
				a := append([]byte(nil), q...)
				a[1], a[3] = a[1]|0x80, 2
				copy(a[54:], []byte{0xff, 0xff, 100, 64, 7, 9})
				return [][]byte{a}
			}
		}, "", Shared},
		{"no address by NAT-PMP", func(r *router) { r.answer = speaksNATPMP(at("0.0.0.0:40000"), 600) }, "", NoAddress},
		{"no address by UPnP", func(r *router) { r.upnp(ip1, "", func(string) bool { return false }) }, "", NoAddress},
		{"nowhere", func(r *router) { r.answer = grants(at("224.0.0.1:40000"), 3600) }, "", Refused},
		{"itself", func(r *router) { r.answer = speaksNATPMP(at("127.0.0.1:40000"), 3600) }, "", Refused},
		{"an address of the other family", func(r *router) { r.answer = grants(at("[2a00::1]:40000"), 3600) }, "", Refused},
		{"words for an address", func(r *router) { r.upnp(ip1, "<x>", func(string) bool { return false }) }, "", Refused},
		{"every port is taken", func(r *router) { r.upnp(ip1, "44.1.2.3", func(string) bool { return true }) }, "", Refused},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRouter(t)
			r.set(c.set)
			m := r.silentMapper(0)
			if c.seen != "" {
				m.SeenFrom(loopback, netip.MustParseAddr(c.seen))
			}
			m.Enable(true)
			l := m.Want(t.Context(), UDP, 40000)
			settled(t, l)
			if s := m.Status(); s.State != c.want || len(l.Mappings()) != 0 {
				t.Errorf("status %+v, open %v", s, l.Mappings())
			}
			if c.want != Shared && c.want != TwoRouters {
				return
			}
			all := r.requests() // what nobody can use is not kept
			if last := all[len(all)-1]; len(last) >= 12 && binary.BigEndian.Uint32(last[len(last)-4:]) != 0 && binary.BigEndian.Uint32(last[4:]) != 0 {
				t.Errorf("left behind: %x", last)
			}
		})
	}
}

// TestHostileRouters: nothing that a router sends leads elsewhere, takes long, or
// takes memory.
func TestHostileRouters(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	away := strings.Replace(other.URL, "127.0.0.1", "127.0.0.9", 1)
	page := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
	}
	endless := func(w http.ResponseWriter, q *http.Request) {
		b := bytes.Repeat([]byte("<a>"), 10000)
		for q.Context().Err() == nil {
			if _, err := w.Write(b); err != nil {
				return
			}
		}
	}
	bomb := `<?xml version="1.0"?><!DOCTYPE root [<!ENTITY a "aaaaaaaaaa">` + strings.Repeat(`<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">`, 20) + `]><root xmlns="urn:schemas-upnp-org:device-1-0"><device><deviceType>&b;</deviceType></device></root>`
	wrongNonces := func(q []byte) (all [][]byte) {
		for range 2000 {
			a := grants(netip.AddrPortFrom(public, 40000), 3600)(append([]byte(nil), q...))
			if len(a) == 0 {
				return nil
			}
			a[0][24]++
			all = append(all, a[0])
		}
		return all
	}
	cases := []struct {
		name string
		set  func(*router)
	}{
		{"a description elsewhere", func(r *router) { r.location = away + "/root.xml" }},
		{"a description by HTTPS or a file", func(r *router) { r.location = "file:///etc/passwd" }},
		{"a control URL elsewhere", func(r *router) { r.upnp(ip1, "44.1.2.3", nil); r.root = device(ip1, away+"/control") }},
		{"a base elsewhere", func(r *router) {
			r.upnp(ip1, "44.1.2.3", nil)
			r.root = strings.Replace(r.root, "<device>", "<URLBase>"+away+"</URLBase><device>", 1)
		}},
		{"a redirect of the description", func(r *router) {
			r.upnp(ip1, "44.1.2.3", nil)
			r.serve = func(w http.ResponseWriter, q *http.Request) { http.Redirect(w, q, away, http.StatusFound) }
		}},
		{"a redirect of an action", func(r *router) {
			r.upnp(ip1, "44.1.2.3", nil)
			root := r.root
			r.serve = func(w http.ResponseWriter, q *http.Request) {
				if q.Method == http.MethodGet {
					_, _ = io.WriteString(w, root)
					return
				}
				http.Redirect(w, q, away, http.StatusTemporaryRedirect)
			}
		}},
		{"an XML bomb", func(r *router) { r.upnp(ip1, "44.1.2.3", nil); r.serve = page(bomb) }},
		{"a description without end", func(r *router) { r.upnp(ip1, "44.1.2.3", nil); r.serve = endless }},
		{"a description that never comes", func(r *router) {
			r.upnp(ip1, "44.1.2.3", nil)
			r.serve = func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() }
		}},
		{"deep XML", func(r *router) { r.upnp(ip1, "44.1.2.3", nil); r.serve = page(strings.Repeat("<device>", 30000)) }},
		{"many wrong answers", func(r *router) { r.answer = wrongNonces }},
		{"garbage", func(r *router) {
			r.answer = func([]byte) [][]byte {
				return [][]byte{{}, {2}, {2, 0x81}, {0, 0x80}, bytes.Repeat([]byte{0xff}, 1400)}
			}
		}},
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	t.Run("each", func(t *testing.T) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				r := newRouter(t)
				r.set(c.set)
				begun := time.Now()
				m := r.mapper()
				l := m.Want(t.Context(), UDP, 40000)
				settled(t, l)
				if s := m.Status(); s.State != Refused && s.State != Silent || len(l.Mappings()) != 0 {
					t.Errorf("status %+v, open %v", s, l.Mappings())
				}
				if took := time.Since(begun); took > askWithin+time.Second {
					t.Errorf("took %v", took)
				}
			})
		}
	})
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 100<<20 {
		t.Errorf("allocated %d MB", grown>>20)
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}

// TestAnswersTwice: the second answer to a question is not taken for the answer to
// the next.
func TestAnswersTwice(t *testing.T) {
	t.Parallel()
	r := newRouter(t)
	r.set(func(r *router) {
		r.answer = func(q []byte) [][]byte {
			a := grants(netip.AddrPortFrom(public, 40001), 1)(q)
			return append(a, a...)
		}
	})
	m := r.mapper()
	l := m.Want(t.Context(), UDP, 40000)
	settled(t, l)
	until(t, "renewals", func() bool { return len(r.requests()) >= 4 })
	if got := l.Mappings(); len(got) != 1 || got[0].External.Port() != 40001 {
		t.Errorf("open: %v", got)
	}
}

// TestVanishes: a router that is silent for once keeps its mapping until the lease
// ends; then it is closed, and told.
func TestVanishes(t *testing.T) {
	t.Parallel()
	r := newRouter(t)
	r.set(func(r *router) { r.answer = grants(netip.AddrPortFrom(public, 40001), 4) })
	m := r.mapper()
	l := m.Want(t.Context(), UDP, 40000)
	settled(t, l)
	<-l.Changed()
	r.set(func(r *router) { r.answer = func([]byte) [][]byte { return nil } })
	until(t, "a renewal", func() bool { return len(r.requests()) >= 2 })
	if len(l.Mappings()) != 1 {
		t.Fatal("closed at the first silence")
	}
	l.Again()
	select {
	case <-l.Changed():
	case <-time.After(within):
		l.Again()
	}
	until(t, "its end", func() bool { l.Again(); return len(l.Mappings()) == 0 })
	if s := m.Status(); s.State != Silent {
		t.Errorf("status: %+v", s)
	}
}

func TestOffAndMoved(t *testing.T) {
	t.Parallel()
	r := newRouter(t)
	r.set(func(r *router) { r.answer = grants(netip.AddrPortFrom(public, 40001), 3600) })
	m := r.silentMapper(0)
	var changes atomic.Int32
	var gone atomic.Bool
	m.o.OnChange = func() { changes.Add(1) }
	there := m.o.Gateways
	m.o.Gateways = func() (v4, v6 netaddr.Gateway) {
		if !gone.Load() {
			return there()
		}
		return v4, v6
	}
	l := m.Want(t.Context(), UDP, 40000)
	settled(t, l)
	if len(r.requests()) != 0 || m.Status().State != Off {
		t.Fatalf("off, and %d questions; %+v", len(r.requests()), m.Status())
	}
	m.Enable(true)
	until(t, "a mapping", func() bool { return len(l.Mappings()) == 1 })
	m.NetworkChanged() // it has not
	if n := len(r.requests()); n != 1 {
		t.Errorf("%d questions", n)
	}
	gone.Store(true)
	m.NetworkChanged()
	until(t, "no mapping", func() bool { return len(l.Mappings()) == 0 })
	until(t, "no router", func() bool { return m.Status().State == Silent })
	m.Enable(false)
	until(t, "off", func() bool { return m.Status().State == Off })
	if changes.Load() < 4 {
		t.Errorf("%d changes told", changes.Load())
	}
}

// TestALeaseEndsWithItsContext: nothing is left at the router or here.
func TestALeaseEndsWithItsContext(t *testing.T) {
	t.Parallel()
	r := newRouter(t)
	r.set(func(r *router) { r.answer = grants(netip.AddrPortFrom(public, 40001), 3600) })
	m := r.mapper()
	ctx, cancel := context.WithCancel(t.Context())
	l := m.Want(ctx, UDP, 40000)
	settled(t, l)
	cancel()
	until(t, "the end", func() bool { m.mu.Lock(); defer m.mu.Unlock(); return len(m.leases) == 0 })
	all := r.requests()
	if last := all[len(all)-1]; binary.BigEndian.Uint32(last[4:]) != 0 {
		t.Errorf("the router was not told: %x", last)
	}
}

// TestAnnouncements: a router that says it has news is asked again, at once and once it has said all, and nobody else is
// listened to.
func TestAnnouncements(t *testing.T) {
	t.Parallel()
	r := newRouter(t)
	r.set(func(r *router) { r.answer = grants(netip.AddrPortFrom(public, 40001), 3600) })
	m := r.silentMapper(time.Minute)
	m.Enable(true)
	l := m.Want(t.Context(), UDP, 40000)
	settled(t, l)
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var hearing sync.WaitGroup
	hearing.Go(func() { m.hear(c, loopback) })
	say := func(from byte) {
		d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, from)}}
		s, err := d.Dial("udp4", c.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for range 20 {
			_, _ = s.Write([]byte{0, 128, 0, 0})
		}
	}
	before := len(r.requests())
	moved := netip.AddrPortFrom(netip.MustParseAddr("44.1.2.9"), 40001)
	r.set(func(r *router) { r.answer = grants(moved, 3600) })
	say(7) // a stranger
	say(1)
	until(t, "the new address", func() bool { o := l.Mappings(); return len(o) == 1 && o[0].External == moved })
	if n := len(r.requests()) - before; n != 1 {
		t.Errorf("%d questions", n)
	}
	// The others of those twenty count once, a while later: the first was said too early.
	again := netip.AddrPortFrom(netip.MustParseAddr("44.1.2.10"), 40001)
	r.set(func(r *router) { r.answer = grants(again, 3600) })
	until(t, "the address that came after it", func() bool { o := l.Mappings(); return len(o) == 1 && o[0].External == again })
	if n := len(r.requests()) - before; n != 2 {
		t.Errorf("%d questions", n)
	}
	_ = c.Close()
	hearing.Wait()
}

// TestTwoLeasesTellOneStatus: which of them is asked first does not matter.
func TestTwoLeasesTellOneStatus(t *testing.T) {
	until := time.Now()
	said := func(state State, until time.Time) *Lease {
		return &Lease{four: &half{said: Status{State: state, Until: until}}, six: &half{}}
	}
	for _, c := range []struct {
		one, other *Lease
		want       Status
	}{
		{said(Silent, time.Time{}), said(NoAddress, time.Time{}), Status{State: NoAddress}},
		{said(Open, until), said(Refused, time.Time{}), Status{State: Open, Until: until}},
		{said(Open, until), said(Open, until.Add(time.Minute)), Status{State: Open, Until: until.Add(time.Minute)}},
	} {
		for range 20 { // in any order of the map
			m := New(Options{})
			m.on, m.leases = true, map[*Lease]struct{}{c.one: {}, c.other: {}}
			if got := m.Status(); got != c.want {
				t.Fatalf("%+v, want %+v", got, c.want)
			}
		}
	}
}
