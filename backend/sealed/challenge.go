package sealed

import (
	"crypto/hpke"
	"crypto/rand"

	"github.com/porch-call/porch/backend/fault"
)

// infoChallenge is HPKE's info of a relay's challenge. A host opens for a relay
// only what was sealed with it, so a relay can't make the host open a guest's
// frame.
const infoChallenge = "porch challenge v1"

const (
	answerSize    = 32
	challengeSize = OpeningSize + answerSize + tagSize
)

// NewChallenge returns a challenge that only the holder of the key pair can open.
// A relay asks the host of an id for answer, and compares it in constant time.
// publicKey comes from a stranger; the fault is [fault.KeyMismatch] if it is
// none.
func NewChallenge(pub []byte) (challenge, answer []byte, err error) {
	key, err := publicKey(pub, "")
	if err != nil {
		return nil, nil, err
	}
	answer = make([]byte, answerSize)
	rand.Read(answer) // never fails
	challenge, err = hpke.Seal(key, hpke.HKDFSHA256(), hpke.AES128GCM(), []byte(infoChallenge), answer)
	if err != nil {
		return nil, nil, fault.New(fault.SealBroken, err)
	}
	return challenge, answer, nil
}

// AnswerChallenge opens a relay's challenge. If it is none for these keys, the
// fault is [fault.FrameTruncated], [fault.FrameTooLarge] or [fault.SealBroken].
func AnswerChallenge(keys LinkKeys, challenge []byte) (answer []byte, err error) {
	switch {
	case keys.IsZero():
		return nil, fault.Newf(fault.KeyMismatch, "no keys")
	case len(challenge) < challengeSize:
		return nil, fault.Newf(fault.FrameTruncated, "challenge of %d bytes", len(challenge))
	case len(challenge) > challengeSize:
		return nil, fault.Newf(fault.FrameTooLarge, "challenge of %d bytes", len(challenge))
	}
	answer, err = hpke.Open(keys.private, hpke.HKDFSHA256(), hpke.AES128GCM(), []byte(infoChallenge), challenge)
	if err != nil {
		return nil, fault.New(fault.SealBroken, err)
	}
	return answer, nil
}
