// Package work is what a guest's page does for a place while many knock: it looks for a number whose hash begins with
// zeros.
package work

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"math/bits"

	"github.com/porch-call/porch/backend/signalling"
)

// Bits is how many zeros are wanted: about 130,000 hashes, a fraction of a second in a browser.
const Bits = 17

// Challenge is the work that one guest was asked for last. The zero value has asked for none. One goroutine uses it.
type Challenge struct {
	asked bool
	bytes [16]byte
}

// Ask makes a new challenge, and returns what the guest is told.
func (c *Challenge) Ask() signalling.Work {
	_, _ = rand.Read(c.bytes[:]) // never fails
	c.asked = true
	return signalling.Work{Challenge: base64.RawURLEncoding.EncodeToString(c.bytes[:]), Bits: Bits}
}

// Done reports whether an answer, base64url of a guest, is the work that was asked for. A challenge is good for one
// answer; "" is none.
func (c *Challenge) Done(text string) bool {
	answer, err := base64.RawURLEncoding.DecodeString(text)
	if !c.asked || err != nil || len(answer) == 0 {
		return false
	}
	c.asked = false
	sum := sha256.Sum256(append(c.bytes[:], answer...))
	zeros := 0
	for _, b := range sum {
		zeros += bits.LeadingZeros8(b)
		if b != 0 {
			break
		}
	}
	return zeros >= Bits
}
