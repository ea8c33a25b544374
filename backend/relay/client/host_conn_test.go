package client

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/signalling"
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

// TestBudget checks the bound on what waits for the host in all channels
// together.
func TestBudget(t *testing.T) {
	budget := switchboard.NewBudget(100 << 10)
	var ends [4][2]switchboard.Frames
	for i := range ends {
		ends[i][0], ends[i][1] = switchboard.Pipe(switchboard.RemoteInfo{}, budget)
	}
	taken := 0
	for _, e := range ends[:2] {
		for range 4 {
			if e[1].Send(make([]byte, 16<<10)) == nil {
				taken++
			}
		}
	}
	if taken != 6 {
		t.Errorf("%d frames of 16 KB in 100 KB", taken)
	}
	if err := ends[0][1].Send(make([]byte, 16<<10)); err != nil {
		t.Errorf("the end of another channel gave no room: %v", err)
	}
	g := &guest{Frames: ends[0][0]}
	g.Close(signalling.CloseDone)
	host, far := switchboard.Pipe(switchboard.RemoteInfo{}, budget)
	for range 4 {
		if err := far.Send(make([]byte, 16<<10)); err != nil {
			t.Errorf("no room after a channel has ended: %v", err)
		}
	}
	host.Close(signalling.CloseDone)
}
