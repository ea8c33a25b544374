package oneport

import (
	"bytes"
	"testing"
)

var stunHead = []byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}

// FuzzHead checks that what is taken for STUN has its cookie, and that nothing
// that HTTP begins with is held up.
func FuzzHead(f *testing.F) {
	f.Add(append(bytes.Clone(stunHead), "rest"...))
	f.Add([]byte("GET / HTTP/1.1"))
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, b []byte) {
		head, err := readHead(bytes.NewReader(b))
		switch {
		case err == nil && !bytes.HasPrefix(b, head):
			t.Errorf("%q of %q", head, b)
		case err == nil && looksLikeSTUN(head) != (len(b) >= 8 && b[0] < 0x40):
			t.Errorf("%q is STUN: %v", b, looksLikeSTUN(head))
		case err != nil && len(b) > 0 && b[0] >= 0x40:
			t.Errorf("%q: %v", b, err)
		}
	})
}
