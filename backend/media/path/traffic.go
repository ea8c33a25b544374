package path

import "sync/atomic"

// Traffic counts the media and RTCP of one participant that cross the network, in bytes with the headers of IPv4 and UDP.
// ICE and DTLS are not counted. The zero value is ready, and nil counts nothing.
type Traffic struct{ sent, received atomic.Uint64 }

// datagramHeaders is what IPv4 and UDP add to a datagram, in bytes.
const datagramHeaders = 20 + 8

// Sent returns how much left.
func (t *Traffic) Sent() uint64 { return t.sent.Load() }

// Received returns how much came that was authentic.
func (t *Traffic) Received() uint64 { return t.received.Load() }

// Add adds what another participant's traffic has come to.
func (t *Traffic) Add(o *Traffic) {
	t.sent.Add(o.Sent())
	t.received.Add(o.Received())
}

func (t *Traffic) out(size int) {
	if t != nil {
		t.sent.Add(uint64(size + datagramHeaders))
	}
}

func (t *Traffic) in(size int) {
	if t != nil {
		t.received.Add(uint64(size + datagramHeaders))
	}
}
