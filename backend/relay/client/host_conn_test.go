package client

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
)

func TestPauses(t *testing.T) {
	c := &Client{times: defaultTimes}
	if d := c.pauseAfter(nil, 0); d != 250*time.Millisecond {
		t.Errorf("the first pause is up to %v", d)
	}
	if d := c.pauseAfter(nil, 100); d != 30*time.Second {
		t.Errorf("the hundredth pause is up to %v", d)
	}
	if d := c.pauseAfter(fault.New(fault.InvitationRefused, nil), 0); d != 5*time.Minute {
		t.Errorf("the pause after a refusal is up to %v", d)
	}
}

// TestHostConnIsStrandedWithoutItsAddress checks that a connection is given up when
// this machine no longer has the address at which it began.
func TestHostConnIsStrandedWithoutItsAddress(t *testing.T) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	kept := []netip.Addr{{}, netip.MustParseAddr("127.0.0.9")}
	for _, a := range addresses {
		if own, ok := netip.AddrFromSlice(a.(*net.IPNet).IP); ok {
			kept = append(kept, own.Unmap())
		}
	}
	for _, a := range kept {
		if (&hostConn{local: a}).stranded() {
			t.Errorf("%v is here", a)
		}
	}
	if !(&hostConn{local: netip.MustParseAddr("192.0.2.1")}).stranded() {
		t.Error("an address that nobody has")
	}
}
