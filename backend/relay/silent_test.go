package relay

import (
	"testing"

	"github.com/coder/websocket"
)

// TestSilentSocketsGiveWay: sockets that never say what they want take at most half of the places, and the one that was
// silent for longest goes first.
func TestSilentSocketsGiveWay(t *testing.T) {
	s := openRelay(t, func(o *Options) {
		l := defaultLimits
		l.sockets, l.socketsPerAddress = 8, 8
		o.limits = &l
	})
	var silent []*websocket.Conn
	for i := range 12 {
		silent = append(silent, mustDial(t, s))
		if i < 4 {
			continue
		}
		if _, _, err := silent[i-4].Read(contextFor(t)); websocket.CloseStatus(err) != 4408 {
			t.Fatalf("silent socket %d: %v", i-4, err)
		}
	}
}

// TestARelayOfOne: a relay with one place gives it, to whoever is silent as well.
func TestARelayOfOne(t *testing.T) {
	s := openRelay(t, func(o *Options) {
		l := defaultLimits
		l.sockets, l.socketsPerAddress = 1, 1
		o.limits = &l
	})
	mustDial(t, s)
	if n := s.Panics(); n != 0 {
		t.Errorf("%d panics", n)
	}
}
