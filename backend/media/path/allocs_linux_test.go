//go:build !race && !porch_udp_other

package path

import (
	"slices"
	"testing"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/signalling"
)

// TestPacketsAllocateNothing checks that a packet allocates nothing on its way in
// and on its way out. It does not run with the race detector, which throws buffers
// of the pool away.
func TestPacketsAllocateNothing(t *testing.T) {
	s, _, out := srtpPair(t)
	socket := newTestSocket(t, true)
	_, remote := newRemote(t, socket)
	s.SetRoute(&Route{socket, remote, 0})
	w := s.Writer(signalling.KindVideo)
	h := &rtp.Header{Version: 2, SSRC: 5}
	payload := make([]byte, 1000)
	const runs = 1000
	send := func() {
		h.SequenceNumber++
		if _, err := w.Write(h, payload, nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(runs, send); n != 0 {
		t.Errorf("%v allocations for a packet that is sent", n)
	}
	var sequence uint16
	packets := make([][]byte, 0, runs+1)
	for range cap(packets) {
		sequence++
		packets = append(packets, sealed(t, out, 1, sequence))
	}
	receive := func() {
		_, err := s.OpenRTP(packets[0])
		packets = slices.Delete(packets, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(runs, receive); n != 0 {
		t.Errorf("%v allocations for a packet that is opened", n)
	}
}
