package acquaintances

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"math/big"

	"github.com/porch-call/porch/backend/fault"
)

// proofLabel begins what a browser signs.
const proofLabel = "porch browser v1"

// Recognise returns how a browser is known that has signed what only its channel has, "" for one that keeps no key. key
// is an uncompressed point of P-256, and proof the two numbers of an ECDSA signature, 32 bytes each; both are base64url
// and a guest's. Fault: MessageInvalid, if the proof is wrong.
func Recognise(key, proof string, binding []byte) (browser string, err error) {
	if key == "" {
		return "", nil
	}
	wrong := fault.Newf(fault.MessageInvalid, "knock: wrong proof")
	point, err := base64.RawURLEncoding.DecodeString(key)
	if err != nil {
		return "", wrong
	}
	signature, err := base64.RawURLEncoding.DecodeString(proof)
	if err != nil || len(signature) != 64 {
		return "", wrong
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return "", wrong
	}
	sum := sha256.Sum256(append([]byte(proofLabel), binding...))
	if !ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		return "", wrong
	}
	return Browser(point), nil
}
