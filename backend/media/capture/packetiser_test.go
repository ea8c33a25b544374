package capture

import "testing"

func TestPacketiser(t *testing.T) {
	var p vp8Packetiser
	for _, size := range []int{1, 100, maxPayload - vp8Descriptor, maxPayload - vp8Descriptor + 1, 50_000} {
		payloads := p.payloads(make([]byte, size))
		total := 0
		for _, payload := range payloads {
			if len(payload) > maxPayload || len(payload) <= vp8Descriptor {
				t.Errorf("payload of %d bytes", len(payload))
			}
			total += len(payload) - vp8Descriptor
		}
		if total != size {
			t.Errorf("%d bytes of %d", total, size)
		}
	}
	if got := p.payloads(nil); len(got) != 0 {
		t.Errorf("%d payloads of nothing", len(got))
	}
	p.picture = 0x7fff
	if b := p.payloads([]byte{1})[0]; b[2] != 0xff || b[3] != 0xff {
		t.Errorf("% x", b)
	}
	if b := p.payloads([]byte{1})[0]; b[2] != 0x80 || b[3] != 0 {
		t.Errorf("% x", b)
	}
}
