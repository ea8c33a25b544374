package sealed

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"

	"github.com/porch-call/porch/backend/fault"
)

// NoteSize is the size of a note in bytes: a nonce, one length byte and the
// reason padded with zeros, and the tag.
const NoteSize = nonceSize + 1 + maxReason + tagSize

// maxReason is the longest reason in bytes.
const maxReason = 35

// The reasons that notes give.
const (
	NoteSpent   = "spent"
	NoteRemoved = "removed"
)

// Labels of the keys of a note.
const (
	labelNoteKey   = "porch note v1 key"
	labelNoteNonce = "porch note v1 nonce"
)

// SealNote makes the note that a relay hands out while a link does not answer.
// Whoever has the whole link can read reason (1 to 35 of a-z and "-"). For others
// it is noise, like the notes of links that never existed. The same arguments
// make the same note, so that asking twice tells nothing either.
//
// The keys are HKDF-SHA256 (RFC 5869) of the secret with the id as salt. The
// nonce is the truncated HMAC-SHA256 of the reason, so that different reasons
// under the one key have different nonces (the synthetic IV of RFC 5297).
func SealNote(secret Secret, id LinkID, reason string) ([NoteSize]byte, error) {
	var note [NoteSize]byte
	if !isReason(reason) {
		return note, fmt.Errorf("sealed: a note's reason is 1 to %d of a-z and -", maxReason)
	}
	aead, nonce, err := noteCipher(secret, id, reason)
	if err != nil {
		return note, err
	}
	var plain [1 + maxReason]byte
	plain[0] = byte(len(reason))
	copy(plain[1:], reason)
	copy(note[:], nonce)
	aead.Seal(note[:nonceSize], nonce, plain[:], []byte(id))
	return note, nil
}

// OpenNote reads a note. The fault is [fault.LinkUnavailable] if it is noise.
func OpenNote(secret Secret, id LinkID, note []byte) (reason string, err error) {
	if len(note) != NoteSize {
		return "", fault.Newf(fault.LinkUnavailable, "note of %d bytes", len(note))
	}
	aead, _, err := noteCipher(secret, id, "")
	if err != nil {
		return "", err
	}
	plain, err := aead.Open(nil, note[:nonceSize], note[nonceSize:], []byte(id))
	if err != nil {
		return "", fault.Newf(fault.LinkUnavailable, "note is noise")
	}
	size := int(plain[0])
	if size > maxReason || len(bytes.Trim(plain[1+size:], "\x00")) != 0 || !isReason(string(plain[1:1+size])) {
		return "", fault.Newf(fault.LinkUnavailable, "note is not a reason")
	}
	return string(plain[1 : 1+size]), nil
}

func noteCipher(secret Secret, id LinkID, reason string) (aead cipher.AEAD, nonce []byte, err error) {
	prk, err := hkdf.Extract(sha256.New, secret[:], []byte(id))
	if err != nil {
		return nil, nil, fmt.Errorf("sealed: extract: %w", err)
	}
	key, err := hkdf.Expand(sha256.New, prk, labelNoteKey, keySize)
	if err != nil {
		return nil, nil, fmt.Errorf("sealed: expand: %w", err)
	}
	nonceKey, err := hkdf.Expand(sha256.New, prk, labelNoteNonce, sha256.Size)
	if err != nil {
		return nil, nil, fmt.Errorf("sealed: expand: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, fmt.Errorf("sealed: cipher: %w", err)
	}
	if aead, err = cipher.NewGCM(block); err != nil {
		return nil, nil, fmt.Errorf("sealed: cipher: %w", err)
	}
	mac := hmac.New(sha256.New, nonceKey)
	mac.Write([]byte(reason))
	return aead, mac.Sum(nil)[:nonceSize], nil
}

func isReason(s string) bool {
	if s == "" || len(s) > maxReason {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && c != '-' {
			return false
		}
	}
	return true
}
