package lines

import (
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/media/forward"
	"github.com/porch-call/porch/backend/media/rate"
)

func TestEveryReceiverIsOnItsWayOut(t *testing.T) {
	own := []netip.Prefix{netip.MustParsePrefix("192.168.1.7/24"), netip.MustParsePrefix("2001:db8:1::7/64")}
	for address, want := range map[string]Way{
		"127.0.0.1": Loopback, "::1": Loopback, "192.168.1.7": Loopback, "2001:db8:1::7": Loopback,
		"192.168.1.8": Network, "2001:db8:1::8": Network, "::ffff:192.168.1.8": Network,
		"192.168.2.8": Internet, "203.0.113.1": Internet, "2001:db8:2::8": Internet,
	} {
		if got := WayOf(netip.MustParseAddr(address), own); got != want {
			t.Errorf("%s is on way %d, want %d", address, got, want)
		}
	}
}

// TestALineIsLeftWithItsReceiver: what has gone takes no share, whatever else happens at the same time.
func TestALineIsLeftWithItsReceiver(t *testing.T) {
	l := New()
	for _, late := range []bool{false, true} {
		out, done := forward.NewOutbound(new(atomic.Bool), new(forward.Counters), func() {}), make(chan struct{})
		if !late {
			l.Join(out, Internet, done)
			if len(l.receivers) != 1 {
				t.Error("it has not joined")
			}
		}
		close(done)
		l.Leave(out)
		if late {
			l.Join(out, Internet, done)
		}
		if len(l.receivers) != 0 {
			t.Errorf("%d receivers have stayed", len(l.receivers))
		}
	}
	if got := l.Capacity(Internet); got < rate.Mbit {
		t.Errorf("%d bit/s", got)
	}
}

// TestAnotherNetworkIsAnotherWay: the estimate begins at half when this machine's address is lost, and only then.
func TestAnotherNetworkIsAnotherWay(t *testing.T) {
	l, now := New(), time.Now()
	first, second := netip.MustParseAddr("192.168.1.7"), netip.MustParseAddr("10.0.0.2")
	both := func(netip.Addr) bool { return true }
	onlySecond := func(a netip.Addr) bool { return a == second }
	before := l.Capacity(Internet)
	l.Uses(Internet, first, both, now)
	l.Uses(Internet, first, onlySecond, now)
	l.Uses(Internet, netip.Addr{}, onlySecond, now)
	l.Uses(Internet, second, both, now)
	l.Uses(Internet, first, both, now)
	if got := l.Capacity(Internet); got != before {
		t.Errorf("%d bit/s after nothing was lost", got)
	}
	l.Uses(Internet, second, onlySecond, now)
	if got := l.Capacity(Internet); got != before/2 {
		t.Errorf("%d bit/s after a move from %d", got, before)
	}
	l.Uses(Internet, second, onlySecond, now)
	if got := l.Capacity(Internet); got != before/2 {
		t.Errorf("%d bit/s after the same move", got)
	}
	if got := l.Capacity(Network); got != before {
		t.Errorf("%d bit/s on the other way", got)
	}
	l.Uses(Loopback, first, onlySecond, now)
}

// TestAFullSocketLowersItsWay: and no other one.
func TestAFullSocketLowersItsWay(t *testing.T) {
	l, now := New(), time.Now()
	l.Tick(now)
	before := l.Capacity(Internet)
	l.Full(Internet)
	l.Full(Loopback)
	l.Tick(now.Add(time.Second))
	if got := l.Capacity(Internet); got >= before {
		t.Errorf("%d bit/s after %d", got, before)
	}
	if got := l.Capacity(Network); got != before {
		t.Errorf("%d bit/s on the other way", got)
	}
	if l.Gate(Internet) == nil || l.Gate(Loopback) != nil {
		t.Error("gates")
	}
}
