//go:build !porch_udp_other

package batchudp

import "testing"

// TestTry checks what is done with: what is sent, what the system refuses, and everything
// that a closed socket gets. That a full line takes less is tried in backend/call (TestFullLine).
func TestTry(t *testing.T) {
	from, to := open(t, "127.0.0.1:0"), open(t, "127.0.0.1:0")
	out, payload := NewOut(room), make([]byte, most)
	add := func(n int) {
		for range n {
			out.Add(from, payload, to.Local())
		}
	}
	for _, n := range []int{1, room} {
		add(n)
		if done := out.Try(from); done != n || out.Len() != 0 {
			t.Errorf("%d of %d are done with, %d kept", done, n, out.Len())
		}
	}
	// A datagram that the system refuses is done with.
	out.Add(from, make([]byte, 70_000), to.Local())
	add(1)
	if done := out.Try(from); done != 2 {
		t.Errorf("%d of 2 are done with", done)
	}
	from.UDP.Close()
	add(3)
	if done := out.Try(from); done != 3 || out.Len() != 0 {
		t.Errorf("a closed socket: %d of 3 are done with, %d kept", done, out.Len())
	}
}
