package work

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"testing"
)

// solve finds an answer with at least these zeros, or with fewer.
func solve(c *Challenge, enough bool) string {
	for n := uint64(0); ; n++ {
		answer := binary.BigEndian.AppendUint64(nil, n)
		sum := sha256.Sum256(append(c.bytes[:], answer...))
		if (binary.BigEndian.Uint32(sum[:])>>(32-Bits) == 0) == enough {
			return base64.RawURLEncoding.EncodeToString(answer)
		}
	}
}

func TestWork(t *testing.T) {
	var c Challenge
	if c.Done(solve(&c, true)) {
		t.Error("work counts that was not asked for")
	}
	asked := c.Ask()
	if asked.Bits != Bits || asked.Challenge != base64.RawURLEncoding.EncodeToString(c.bytes[:]) {
		t.Errorf("%+v", asked)
	}
	for _, none := range []string{"", "!"} {
		if c.Done(none) {
			t.Errorf("%q is work", none)
		}
	}
	good := solve(&c, true)
	if !c.Done(good) || c.Done(good) {
		t.Error("work is good once")
	}
	c.Ask()
	if bad, good := solve(&c, false), solve(&c, true); c.Done(bad) || c.Done(good) {
		t.Error("a challenge is good for one answer")
	}
}
