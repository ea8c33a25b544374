package door

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/kit/icecheck"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

func TestAGuestComesThrough(t *testing.T) {
	h := newHouse(t)
	p := h.page(t)
	f := p.ask(t, h)
	if r := f.Remote(); !r.Loopback || r.Key == "" {
		t.Errorf("%+v", r)
	}
	must(t, p.dc.Send([]byte("\x00hello")))
	if got := recv(t, f); string(got) != "hello" {
		t.Errorf("%q", got)
	}
	must(t, p.dc.Send([]byte("\x01in ")))
	must(t, p.dc.Send([]byte("\x00parts")))
	if got := recv(t, f); string(got) != "in parts" {
		t.Errorf("%q", got)
	}
	large := bytes.Repeat([]byte("picture "), signalling.MaxFrame/8)
	must(t, f.Send(bytes.Clone(large)))
	must(t, f.Send([]byte("small")))
	if !bytes.Equal(p.frame(t), large) || string(p.frame(t)) != "small" {
		t.Error("the host's frames are not the same")
	}
	if c := h.doors.Counts(); c.Opened != 1 || c.Forged != 0 || c.Unknown != 0 {
		t.Errorf("%+v", c)
	}
	f.Close(signalling.CloseDone)
	if m := p.next(t); !m.IsString || string(m.Data) != "1000" {
		t.Errorf("the end is %q", m.Data)
	}
	await(t, "the channel closes", p.over)
}

func TestTheGuestsEnd(t *testing.T) {
	for _, c := range []struct {
		what string
		do   func(*page) error
		want signalling.CloseCode
	}{
		{"the page goes away", func(p *page) error { return p.dc.SendText("1001") }, signalling.CloseGone},
		{"the page is done", func(p *page) error { return p.dc.SendText("1000") }, signalling.CloseDone},
		{"the connection is closed", func(p *page) error { return p.pc.Close() }, signalling.CloseDone},
		{"no part", func(p *page) error { return p.dc.Send([]byte{2, 1}) }, signalling.CloseRefused},
		{"a frame too large", func(p *page) error {
			return errors.Join(p.dc.Send(make([]byte, 60_000)), p.dc.Send(make([]byte, 60_000)))
		}, signalling.CloseTooLarge},
	} {
		t.Run(c.what, func(t *testing.T) {
			h := newHouse(t)
			p := h.page(t)
			f := p.ask(t, h)
			must(t, c.do(p))
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if _, err := f.Recv(ctx); !errors.Is(err, switchboard.Closed{Code: c.want}) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestAnotherLinksNameIsRefused(t *testing.T) {
	h := newHouse(t)
	p := h.page(t)
	await(t, "the channel opens", p.open)
	other, err := sealed.NewLinkKeys()
	must(t, err)
	must(t, p.dc.SendText(`{"type":"open","payload":{"version":1,"link":"`+string(other.ID())+`"}}`))
	if m := p.next(t); string(m.Data) != "4400 message-unexpected" {
		t.Errorf("%q", m.Data)
	}
	await(t, "the channel closes", p.over)
}

func TestTheDoorOfARemovedLink(t *testing.T) {
	h := newHouse(t)
	p := h.page(t)
	f := p.ask(t, h)
	h.shut()
	h.shut()
	if m := p.next(t); string(m.Data) != "4410 host-gone" {
		t.Errorf("%q", m.Data)
	}
	await(t, "the guest inside is closed", p.over)
	await(t, "and the host's end", f.Done())
	ufrag, password := h.ufrag(t)
	h.silent(t, check(t, ufrag, password))
}

// silent sends a datagram and checks that nothing comes back in the time in which a door answers many times over.
func (h *house) silent(t *testing.T, datagrams ...[]byte) {
	t.Helper()
	conn, err := net.Dial("udp", h.at.String())
	must(t, err)
	defer conn.Close()
	for _, b := range datagrams {
		_, err := conn.Write(b)
		must(t, err)
	}
	must(t, conn.SetReadDeadline(time.Now().Add(300*time.Millisecond)))
	b := make([]byte, 1500)
	if n, err := conn.Read(b); err == nil {
		t.Errorf("%d bytes came back", n)
	}
}

// answered sends a check, and waits for the answer.
func (h *house) answered(t *testing.T, b []byte) {
	t.Helper()
	conn, err := net.Dial("udp", h.at.String())
	must(t, err)
	defer conn.Close()
	_, err = conn.Write(b)
	must(t, err)
	must(t, conn.SetReadDeadline(time.Now().Add(patience)))
	if _, err := conn.Read(make([]byte, 1500)); err != nil {
		t.Error(err)
	}
}

func TestStrangersHearNothing(t *testing.T) {
	h := newHouse(t)
	ufrag, password := h.ufrag(t)
	tag := ufrag[:tagSize]
	h.silent(t,
		nil, []byte{0}, []byte("\x16\xfe\xfd\x00\x00hello"), bytes.Repeat([]byte{0xff}, 1200),
		check(t, "nobodynobodynobodynobody", password),
		check(t, ufrag, ""),
		check(t, ufrag, strings.Repeat("x", 32)),
		check(t, tag+"\r\na=x:yyyyyyyyyy", password),
		check(t, tag, password),
	)
	if c := h.doors.Counts(); c.Forged != 2 || c.Unknown != 1 || c.Opened != 0 {
		t.Errorf("%+v", c)
	}
	h.doors.mu.Lock()
	if len(h.doors.conns) != 0 || len(h.doors.tags) != 1 {
		t.Error("something was kept")
	}
	h.doors.mu.Unlock()
	await(t, "an honest guest comes in", h.page(t).open)
}

// TestACopyFromElsewhere checks that who sees a check on its way can't turn the connection to another address, and that a
// ufrag serves once.
func TestACopyFromElsewhere(t *testing.T) {
	h := newHouse(t)
	ufrag, password := h.ufrag(t)
	seen := check(t, ufrag, password)
	guest, err := net.Dial("udp", h.at.String())
	must(t, err)
	defer guest.Close()
	_, err = guest.Write(seen)
	must(t, err)
	answer := make([]byte, 1500)
	must(t, guest.SetReadDeadline(time.Now().Add(patience)))
	n, err := guest.Read(answer)
	must(t, err)
	if n < 20 || answer[0] != 1 || answer[1] != 1 {
		t.Errorf("the answer is %x", answer[:n])
	}
	h.silent(t, seen, seen, seen)
	if c := h.doors.Counts(); c.Copied != 3 {
		t.Errorf("%+v", c)
	}
	again := check(t, ufrag, password) // of the guest, who has another address now
	moved, err := net.Dial("udp", h.at.String())
	must(t, err)
	defer moved.Close()
	_, err = moved.Write(again)
	must(t, err)
	must(t, moved.SetReadDeadline(time.Now().Add(patience)))
	if _, err := moved.Read(answer); err != nil {
		t.Errorf("the guest's own check from another address: %v", err)
	}
}

func TestAConnectionServesOnce(t *testing.T) {
	h := newHouse(t)
	ufrag, password := h.ufrag(t)
	h.doors.mu.Lock()
	h.doors.tags[ufrag[:tagSize]].door.spent.Put(ufrag, struct{}{})
	h.doors.mu.Unlock()
	h.silent(t, check(t, ufrag, password))
}

// A copy of a link is another secret that leads to the same door.
func TestSecretsOfOneLink(t *testing.T) {
	h := newHouse(t)
	own, copied := h.secret, sealed.NewSecret()
	answers := func(secret sealed.Secret, want bool) {
		t.Helper()
		h.secret = secret
		ufrag, password := h.ufrag(t)
		if !want {
			h.silent(t, check(t, ufrag, password))
			return
		}
		h.answered(t, check(t, ufrag, password))
	}
	answers(copied, false)
	must(t, h.doors.Admit(h.link.ID(), []sealed.Secret{own, copied}))
	answers(copied, true)
	answers(own, true)
	must(t, h.doors.Admit(h.link.ID(), []sealed.Secret{copied}))
	answers(own, false)
	answers(copied, true)
	must(t, h.doors.Admit("another", []sealed.Secret{own}))
	answers(own, false)
	h.shut()
	answers(copied, false)
	must(t, h.doors.Admit(h.link.ID(), []sealed.Secret{copied}))
	answers(copied, false)
}

func TestHowManyWait(t *testing.T) {
	h := newHouse(t)
	one := h.doors.tags[mustTag(t, h)].door
	enter := func(home string) bool {
		ufrag, _ := h.ufrag(t)
		c := &conn{doors: h.doors, door: one, ufrag: ufrag, home: netip.MustParsePrefix(home)}
		if !h.doors.enter(c) {
			return false
		}
		t.Cleanup(func() { h.doors.leave(c); h.doors.work.Done() })
		return true
	}
	for i := range unopenedPerHome + 1 {
		if enter("192.0.2.1/32") != (i < unopenedPerHome) {
			t.Errorf("connection %d of one address", i)
		}
	}
	in := unopenedPerHome
	for i := range unopenedPerLink {
		if enter(fmt.Sprintf("198.51.100.%d/32", i)) {
			in++
		}
	}
	if in != unopenedPerLink {
		t.Errorf("%d of one link wait", in)
	}
	for c := range h.doors.conns {
		h.doors.welcome(h.doors.conns[c])
	}
	if !enter("198.51.100.77/32") {
		t.Error("those who have spoken count")
	}
	if h.doors.unopened != 1 || one.unopened != 1 || h.doors.waiting.Len() != 1 {
		t.Errorf("%d, %d, %d are counted", h.doors.unopened, one.unopened, h.doors.waiting.Len())
	}
}

func mustTag(t *testing.T, h *house) string {
	t.Helper()
	ufrag, _ := h.ufrag(t)
	return ufrag[:tagSize]
}

func TestOneAddressComesSlowly(t *testing.T) {
	h := newHouse(t)
	one := h.doors.tags[mustTag(t, h)].door
	in := 0
	for range 3 * newPerHome {
		ufrag, _ := h.ufrag(t)
		c := &conn{doors: h.doors, door: one, ufrag: ufrag, home: netip.MustParsePrefix("192.0.2.1/32")}
		if h.doors.enter(c) {
			in++
			h.doors.leave(c)
			h.doors.work.Done()
		}
	}
	if in != newPerHome {
		t.Errorf("%d in a moment", in)
	}
}

func TestMemoryOfTransactionsIsBounded(t *testing.T) {
	h := newHouse(t)
	ufrag, password := h.ufrag(t)
	c := &conn{doors: h.doors, password: []byte(password), remote: "them", seen: map[icecheck.Transaction]uint8{}}
	for i := range maxSeen + 100 {
		c.remember([12]byte{byte(i), byte(i >> 8)}, 0)
	}
	if len(c.seen) != maxSeen || len(c.ring) != maxSeen {
		t.Errorf("%d and %d", len(c.seen), len(c.ring))
	}
	if _, there := c.seen[[12]byte{99}]; there {
		t.Error("the oldest is still there")
	}
	if _, there := c.seen[[12]byte{100}]; !there {
		t.Error("a newer one is gone")
	}
	_ = ufrag
}

func TestIdentity(t *testing.T) {
	i, err := NewIdentity()
	must(t, err)
	again, err := ParseIdentity(i.Bytes())
	must(t, err)
	if again.Fingerprint() != i.Fingerprint() || !again.key.Equal(i.key) {
		t.Error("another identity comes back")
	}
	other, err := NewIdentity()
	must(t, err)
	mixed := slices.Concat(i.Bytes()[:2+len(i.certificate.Raw)], other.Bytes()[2+len(other.certificate.Raw):])
	for what, b := range map[string][]byte{"nothing": nil, "a part": i.Bytes()[:100], "another's key": mixed} {
		if _, err := ParseIdentity(b); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
	if s := fmt.Sprintf("%v %+v %#v", i, i, i); strings.Count(s, "door identity") != 3 {
		t.Error(s)
	}
}

func TestPublic(t *testing.T) {
	for at, want := range map[string]bool{
		"44.128.1.1:5000": true, "8.8.8.8:1024": true, "8.8.8.8:1023": false, "127.0.0.1:5000": false,
		"10.0.0.1:5000": false, "172.31.0.1:5000": false, "172.32.0.1:5000": true, "192.168.1.1:5000": false,
		"169.254.1.1:5000": false, "100.64.0.1:5000": false, "100.128.0.1:5000": true, "224.0.0.1:5000": false,
		"255.255.255.255:5000": false, "0.0.0.0:5000": false, "192.0.2.1:5000": false,
		"[2a00:1450::1]:5000": true, "[::1]:5000": false, "[fe80::1]:5000": false, "[fd00::1]:5000": false,
		"[ff02::1]:5000": false, "[2001:db8::1]:5000": false, "[2002:a00:1::1]:5000": false, "[::ffff:8.8.8.8]:5000": false,
		"[2001:0:1::]:5000": false,
	} {
		if Public(netip.MustParseAddrPort(at)) != want {
			t.Errorf("%s: %v", at, !want)
		}
	}
}

// TestTheAddressIsShort checks the length of the longest address for a page of 60 characters.
func TestTheAddressIsShort(t *testing.T) {
	i, err := NewIdentity()
	must(t, err)
	link, err := sealed.NewLinkKeys()
	must(t, err)
	page := "https://" + strings.Repeat("p", 51) + "/"
	entries := []Entry{
		{At: netip.MustParseAddrPort("44.128.1.1:5000"), UDP: true, TCP: true},
		{At: netip.MustParseAddrPort("192.168.1.1:5000"), UDP: true},
		{At: netip.MustParseAddrPort("[2a00:1450::1]:5000"), UDP: true},
	}
	a := Address(page, link.ID(), sealed.NewSecret(), i, entries, "")
	if len(a) > 220 || len(a) < 150 || !strings.HasPrefix(a, page+"#d1."+string(link.ID())+".") {
		t.Errorf("%d characters", len(a))
	}
	if a := Address(page, link.ID(), sealed.NewSecret(), i, entries[1:2], "https://x.example"); a != "" {
		t.Error("a private address gets into a link")
	}
}
