package host

import (
	"crypto/rand"
	"crypto/subtle"
	"slices"
)

const (
	// maxClaims bounds how often one seat can be taken up again before its guest
	// has said that they are in it.
	maxClaims = 1024
	// maxAsides bounds how many replaced pages may take one seat back.
	maxAsides = 16
)

// seatTokens are the tokens by which one seat can be claimed. Each is used once:
// whoever claims the seat gets a new one, and once that one has certainly arrived,
// the earlier ones are void. Only digests are kept: the tokens are at the guest.
type seatTokens struct {
	// issued is oldest first. All of them count until the guest confirms a later
	// one: an answer that was lost on its way must not lose the seat.
	issued []seatToken
	// asides were given to pages that a newer one replaced, oldest first.
	asides []seatKey
}

type seatToken struct {
	key seatKey
	// opening is the digest of what opened the channel that got the token: a
	// recorded guest claims nothing.
	opening seatKey
	// connection counts the peer connections of the seat: a page can only resume
	// the one that it had when it got the token.
	connection int
}

// claim is what a token stands for.
type claim struct {
	aside      bool
	connection int
}

// issue makes a new token for a seat's peer connection, for the channel with this
// opening.
func (t *seatTokens) issue(connection int, opening seatKey) (token []byte, key seatKey) {
	token = newSeatToken()
	key = digest(token)
	t.issued = append(t.issued, seatToken{key: key, opening: opening, connection: connection})
	return token, key
}

// issueAside makes a token for a page that is replaced.
func (t *seatTokens) issueAside() (token []byte) {
	token = newSeatToken()
	t.asides = append(t.asides, digest(token))
	if extra := len(t.asides) - maxAsides; extra > 0 {
		t.asides = t.asides[extra:]
	}
	return token
}

// find returns what a token stands for. ok is false for one that is void, and for
// a channel that has claimed the seat before.
func (t *seatTokens) find(key, opening seatKey) (c claim, ok bool) {
	if len(t.issued) >= maxClaims {
		return claim{}, false
	}
	for _, i := range t.issued {
		if i.opening == opening {
			return claim{}, false
		}
		if subtle.ConstantTimeCompare(i.key[:], key[:]) == 1 {
			c, ok = claim{connection: i.connection}, true
		}
	}
	if ok {
		return c, true
	}
	for _, a := range t.asides {
		if subtle.ConstantTimeCompare(a[:], key[:]) == 1 {
			return claim{aside: true}, true
		}
	}
	return claim{}, false
}

// spendAside makes the token void by which a page has taken its seat back.
func (t *seatTokens) spendAside(key seatKey) {
	t.asides = slices.DeleteFunc(t.asides, func(a seatKey) bool { return a == key })
}

// confirm makes the tokens void that were issued before key: its guest has it.
func (t *seatTokens) confirm(key seatKey) {
	for i, issued := range t.issued {
		if issued.key == key {
			t.issued = slices.Clone(t.issued[i:])
			return
		}
	}
}

func newSeatToken() []byte {
	b := make([]byte, tokenSize)
	rand.Read(b) // never fails
	return b
}
