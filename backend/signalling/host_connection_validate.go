package signalling

import (
	"strings"

	"github.com/porch-call/porch/backend/fault"
)

// Limits of the fields of a host connection's messages.
const (
	maxQuota    = 1 << 30 // links, guests
	maxUsername = 512     // as ICEServer's
	maxSTUN     = 8
)

// Type implements [Message].
func (ChallengeHost) Type() Type { return "challengeHost" }

// Type implements [Message].
func (Register) Type() Type { return "register" }

// Type implements [Message].
func (Registered) Type() Type { return "registered" }

// Type implements [Message].
func (Refused) Type() Type { return "refused" }

// Type implements [Message].
func (Announce) Type() Type { return "announce" }

// Type implements [Message].
func (Prove) Type() Type { return "prove" }

// Type implements [Message].
func (Proof) Type() Type { return "proof" }

// Type implements [Message].
func (Announced) Type() Type { return "announced" }

// Type implements [Message].
func (Unannounced) Type() Type { return "unannounced" }

// Type implements [Message].
func (Withdraw) Type() Type { return "withdraw" }

// Type implements [Message].
func (Note) Type() Type { return "note" }

// Type implements [Message].
func (Noted) Type() Type { return "noted" }

// Type implements [Message].
func (Guest) Type() Type { return "guest" }

// Type implements [Message].
func (Limit) Type() Type { return "limit" }

// Type implements [Message].
func (Closed) Type() Type { return "closed" }

// Type implements [Message].
func (WantCredentials) Type() Type { return "wantCredentials" }

// Type implements [Message].
func (Credentials) Type() Type { return "credentials" }

// Type implements [Message].
func (Revoke) Type() Type { return "revoke" }

// Type implements [Message].
func (Moving) Type() Type { return "moving" }

// Validate implements [Message].
func (m ChallengeHost) Validate() error {
	if m.Version != HostVersion {
		return fault.Newf(fault.RelayVersion, "challenge of version %d", m.Version)
	}
	if !isToken(m.Nonce, 32) {
		return invalid("challenge: nonce is not 32 bytes of base64url")
	}
	return nil
}

// Validate implements [Message].
func (m Register) Validate() error {
	if m.Version != HostVersion {
		return fault.Newf(fault.RelayVersion, "register of version %d", m.Version)
	}
	if !isToken(m.Key, 32) {
		return invalid("register: key is not 32 bytes of base64url")
	}
	if !isToken(m.Signature, 64) {
		return invalid("register: signature is not 64 bytes of base64url")
	}
	if len(m.Token) > MaxInvitation || !isPrintable(m.Token) {
		return invalid("register: token is not up to %d printable ASCII", MaxInvitation)
	}
	return nil
}

// Validate implements [Message].
func (m Registered) Validate() error {
	for _, n := range []int{m.Links, m.Guests, m.PerLink} {
		if n < 0 || n > maxQuota {
			return invalid("registered: quota out of range")
		}
	}
	if !isTime(m.Bytes) {
		return invalid("registered: bytes out of range")
	}
	if len(m.STUN) > maxSTUN {
		return invalid("registered: %d STUN servers", len(m.STUN))
	}
	for _, u := range m.STUN {
		if !strings.HasPrefix(u, "stun:") || len(u) > 512 || !isPrintable(u) {
			return invalid("registered: bad STUN server")
		}
	}
	return nil
}

// Validate implements [Message].
func (m Refused) Validate() error {
	if !isID(m.Code) {
		return invalid("refused: bad code")
	}
	return nil
}

func checkLink(t Type, link string) error {
	if !isToken(link, 16) {
		return fault.Newf(fault.LinkMalformed, "%s: link is not 16 bytes of base64url", t)
	}
	return nil
}

func checkLinkKey(t Type, key string) error {
	if !isToken(key, 65) {
		return invalid("%s: key is not 65 bytes of base64url", t)
	}
	return nil
}

// Validate implements [Message].
func (m Announce) Validate() error { return checkLinkKey(m.Type(), m.Key) }

// Validate implements [Message].
func (m Prove) Validate() error {
	if !isToken(m.Challenge, 113) {
		return invalid("prove: challenge is not 113 bytes of base64url")
	}
	return checkLink(m.Type(), m.Link)
}

// Validate implements [Message].
func (m Proof) Validate() error {
	if !isToken(m.Answer, 32) {
		return invalid("proof: answer is not 32 bytes of base64url")
	}
	return checkLink(m.Type(), m.Link)
}

// Validate implements [Message].
func (m Announced) Validate() error { return checkLink(m.Type(), m.Link) }

// Validate implements [Message].
func (m Unannounced) Validate() error {
	if !isID(m.Code) {
		return invalid("unannounced: bad code")
	}
	return checkLink(m.Type(), m.Link)
}

// Validate implements [Message].
func (m Withdraw) Validate() error {
	if m.Note != "" && !isToken(m.Note, 64) {
		return invalid("withdraw: note is not 64 bytes of base64url")
	}
	return checkLink(m.Type(), m.Link)
}

// Validate implements [Message].
func (m Note) Validate() error {
	if !isToken(m.Note, 64) {
		return invalid("note: note is not 64 bytes of base64url")
	}
	return checkLinkKey(m.Type(), m.Key)
}

// Validate implements [Message].
func (m Noted) Validate() error { return checkLink(m.Type(), m.Link) }

// Validate implements [Message].
func (m Guest) Validate() error {
	if m.Remote != "" && !isID(m.Remote) {
		return invalid("guest: bad remote")
	}
	return checkLink(m.Type(), m.Link)
}

// Validate implements [Message].
func (m Limit) Validate() error {
	if m.Bytes < 0 || m.Bytes > MaxFrame {
		return invalid("limit of %d bytes", m.Bytes)
	}
	return nil
}

// Validate implements [Message].
func (m Closed) Validate() error {
	switch m.Code {
	case CloseUnavailable, CloseTooSlow, CloseHostGone, CloseTooLarge, CloseRefused, CloseTooFast, CloseDone, CloseGone:
		return nil
	}
	return invalid("closed: unknown code")
}

// Validate implements [Message].
func (WantCredentials) Validate() error { return nil }

// Validate implements [Message].
func (m Credentials) Validate() error {
	if len(m.Servers) > MaxICEServers {
		return invalid("credentials: %d ICE servers", len(m.Servers))
	}
	for _, s := range m.Servers {
		if err := s.validate(); err != nil {
			return err
		}
	}
	if !isTime(m.Expires) {
		return invalid("credentials: time out of range")
	}
	if m.Code != "" && !isID(m.Code) {
		return invalid("credentials: bad code")
	}
	return nil
}

// Validate implements [Message].
func (m Revoke) Validate() error {
	if m.Username == "" || len(m.Username) > maxUsername || !isPrintable(m.Username) {
		return invalid("revoke: bad username")
	}
	return nil
}

// Validate implements [Message].
func (Moving) Validate() error { return nil }
