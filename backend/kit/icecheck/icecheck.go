// Package icecheck reads connectivity checks of ICE (RFC 8445 section 7) as they come from strangers. It allocates
// nothing and keeps nothing, so a flood of forged checks costs time only.
package icecheck

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
)

// Sizes and numbers of STUN (RFC 8489 sections 5 and 14).
const (
	headerSize       = 20
	bindingRequest   = 0x0001
	magicCookie      = 0x2112A442
	attrUsername     = 0x0006
	attrIntegrity    = 0x0008
	attrFingerprint  = 0x8028
	integritySize    = sha1.Size
	minUfrag         = 4
	maxUfrag         = 256
	transactionStart = 8
)

// Transaction is the id of a STUN transaction.
type Transaction [12]byte

// Check is a binding request with a user name. Its slices are parts of the datagram.
type Check struct {
	// Local is the half of the user name that belongs to the receiver, and Remote
	// the sender's.
	Local, Remote []byte

	raw       []byte
	integrity int // where MESSAGE-INTEGRITY begins; 0 if there is none
}

// Read reads a datagram. It reports false for all that is not a well-formed binding request whose user name has two
// halves. It does not check what is in the halves: see [Valid].
func Read(b []byte) (Check, bool) {
	if len(b) < headerSize || len(b)%4 != 0 || binary.BigEndian.Uint16(b) != bindingRequest ||
		int(binary.BigEndian.Uint16(b[2:])) != len(b)-headerSize || binary.BigEndian.Uint32(b[4:]) != magicCookie {
		return Check{}, false
	}
	c := Check{raw: b}
	var name []byte
	for at := headerSize; at < len(b); {
		if len(b)-at < 4 {
			return Check{}, false
		}
		kind, size := binary.BigEndian.Uint16(b[at:]), int(binary.BigEndian.Uint16(b[at+2:]))
		value := at + 4
		next := value + (size+3)&^3
		if next > len(b) {
			return Check{}, false
		}
		switch {
		case c.integrity != 0: // what follows is not protected (RFC 8489 section 14.5)
			if kind != attrFingerprint {
				return Check{}, false
			}
		case kind == attrUsername && name == nil:
			name = b[value : value+size : value+size]
		case kind == attrIntegrity:
			if size != integritySize {
				return Check{}, false
			}
			c.integrity = at
		}
		at = next
	}
	var found bool
	c.Local, c.Remote, found = bytes.Cut(name, []byte{':'})
	return c, found
}

// Transaction returns the id of the check.
func (c Check) Transaction() Transaction {
	return Transaction(c.raw[transactionStart:headerSize])
}

// Signed reports whether the check was made by a holder of the password (MESSAGE-INTEGRITY, RFC 8489 section 14.5).
func (c Check) Signed(password []byte) bool {
	if c.integrity == 0 {
		return false
	}
	mac := hmac.New(sha1.New, password)
	// The length counts up to the end of this attribute.
	var head [4]byte
	copy(head[:], c.raw[:2])
	binary.BigEndian.PutUint16(head[2:], uint16(c.integrity+4+integritySize-headerSize))
	mac.Write(head[:])
	mac.Write(c.raw[4:c.integrity])
	var sum [integritySize]byte
	return hmac.Equal(mac.Sum(sum[:0]), c.raw[c.integrity+4:c.integrity+4+integritySize])
}

// Valid reports whether half consists of 4 to 256 ice-chars (RFC 8839 section 5.4), so that it may stand in a session
// description.
func Valid(half []byte) bool {
	if len(half) < minUfrag || len(half) > maxUfrag {
		return false
	}
	for _, c := range half {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (c < '0' || c > '9') && c != '+' && c != '/' {
			return false
		}
	}
	return true
}
