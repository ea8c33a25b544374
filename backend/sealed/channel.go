package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/porch-call/porch/backend/fault"
)

// Sizes in bytes.
const (
	// OpeningSize is the size of what a guest sends before its first frame: the
	// encapsulated key (RFC 9180 section 7.1.1).
	OpeningSize = 65
	// MaxPlain is the largest message that a frame carries.
	MaxPlain = 256 << 10
	// MaxFrame is the largest frame: salt, number, MaxPlain, tag. A relay
	// passes nothing larger.
	MaxFrame = saltSize + numberSize + MaxPlain + tagSize

	numberSize = 8
	tagSize    = 16
	saltSize   = 32
	keySize    = 16
	nonceSize  = 12
)

// Labels name the version, so that keys of one version are of no use in another.
const (
	infoChannel   = "porch channel v1 " // HPKE's info, followed by the id
	exportSession = "porch session v1"  // HPKE exporter context
	labelGuestKey = "porch guest key v1"
	labelGuestIV  = "porch guest nonce v1"
	labelHostKey  = "porch host key v1"
	labelHostIV   = "porch host nonce v1"
	labelBinding  = "porch channel binding v1"
)

// Channel is one end of a sealed channel. It is bytes in, bytes out, and not safe
// for concurrent use. Frames must be opened in the order in which the other end
// sealed them. After an error the channel is dead: every later call returns the
// same error.
//
// A frame is its number (8 bytes, big-endian, from 0 in each direction) and an
// AES-128-GCM ciphertext whose additional data is the number. HPKE seals the
// guest's frame 0. In front of the host's frame 0 stand 32 random bytes. All
// other frames, both ways, are sealed with keys made of those bytes and of the
// HPKE exporter. Therefore a relay that plays a recorded guest to the host again
// gets answers under new keys, and the host accepts only its first frame.
type Channel struct {
	guest bool
	err   error // why the channel is dead

	sender    *hpke.Sender    // at the guest, until frame 0 is sealed
	recipient *hpke.Recipient // at the host, until frame 0 is opened
	exported  []byte          // until the session keys are made
	salt      []byte          // at the host, until sent with frame 0
	binding   []byte          // nil until the session keys are made

	out, in direction
}

// direction is the state of one way of a channel.
type direction struct {
	next  uint64 // number of the next frame
	aead  cipher.AEAD
	nonce [nonceSize]byte
}

// ErrTooEarly is the cause of the fault when a guest's end is asked to seal a
// second frame before it has opened the host's first.
var ErrTooEarly = errors.New("the host has not answered the first frame yet")

// OpenGuest begins a channel at the guest. It checks publicKey, which the relay
// gave, against id ([fault.KeyMismatch]). The guest must send opening,
// [OpeningSize] bytes, before the first frame.
func OpenGuest(pub []byte, id LinkID) (opening []byte, c *Channel, err error) {
	if _, err := ParseLinkID(string(id)); err != nil {
		return nil, nil, err
	}
	key, err := publicKey(pub, id)
	if err != nil {
		return nil, nil, err
	}
	opening, sender, err := hpke.NewSender(key, hpke.HKDFSHA256(), hpke.AES128GCM(), []byte(infoChannel+string(id)))
	if err != nil {
		return nil, nil, fault.New(fault.SealBroken, err)
	}
	exported, err := sender.Export(exportSession, sha256.Size)
	if err != nil {
		return nil, nil, fault.New(fault.SealBroken, err)
	}
	return opening, &Channel{guest: true, sender: sender, exported: exported}, nil
}

// OpenHost begins a channel at the host with what the guest sent first. If that
// is no opening, the fault is [fault.FrameTruncated], [fault.FrameTooLarge] or
// [fault.SealBroken]. An opening that was made for other keys shows only when the
// first frame is opened.
func OpenHost(keys LinkKeys, opening []byte) (*Channel, error) {
	var salt [saltSize]byte
	rand.Read(salt[:]) // never fails
	return openHost(keys, opening, salt[:])
}

func openHost(keys LinkKeys, opening, salt []byte) (*Channel, error) {
	switch {
	case keys.IsZero():
		return nil, errors.New("sealed: no keys")
	case len(opening) < OpeningSize:
		return nil, fault.Newf(fault.FrameTruncated, "opening of %d bytes", len(opening))
	case len(opening) > OpeningSize:
		return nil, fault.Newf(fault.FrameTooLarge, "opening of %d bytes", len(opening))
	}
	recipient, err := hpke.NewRecipient(opening, keys.private, hpke.HKDFSHA256(), hpke.AES128GCM(), []byte(infoChannel+string(keys.ID())))
	if err != nil {
		return nil, fault.New(fault.SealBroken, err)
	}
	exported, err := recipient.Export(exportSession, sha256.Size)
	if err != nil {
		return nil, fault.New(fault.SealBroken, err)
	}
	c := &Channel{recipient: recipient, exported: exported, salt: salt}
	if err := c.makeKeys(salt); err != nil {
		return nil, err
	}
	return c, nil
}

// makeKeys makes the session keys of both directions (HKDF, RFC 5869: extract
// with the host's salt, expand once for each).
func (c *Channel) makeKeys(salt []byte) error {
	prk, err := hkdf.Extract(sha256.New, c.exported, salt)
	if err != nil {
		return fmt.Errorf("sealed: extract: %w", err)
	}
	guest, host := &c.in, &c.out
	if c.guest {
		guest, host = &c.out, &c.in
	}
	if err := guest.setKeys(prk, labelGuestKey, labelGuestIV); err != nil {
		return err
	}
	if err := host.setKeys(prk, labelHostKey, labelHostIV); err != nil {
		return err
	}
	if c.binding, err = hkdf.Expand(sha256.New, prk, labelBinding, sha256.Size); err != nil {
		return fmt.Errorf("sealed: expand: %w", err)
	}
	c.exported = nil
	return nil
}

// Binding returns 32 bytes that only the two ends of this channel know, and that no other channel has: what is signed
// over them is of no use elsewhere. It is nil at a guest that has not opened the host's first frame.
func (c *Channel) Binding() []byte { return c.binding }

func (d *direction) setKeys(prk []byte, keyLabel, nonceLabel string) error {
	key, err := hkdf.Expand(sha256.New, prk, keyLabel, keySize)
	if err != nil {
		return fmt.Errorf("sealed: expand: %w", err)
	}
	nonce, err := hkdf.Expand(sha256.New, prk, nonceLabel, nonceSize)
	if err != nil {
		return fmt.Errorf("sealed: expand: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return fmt.Errorf("sealed: cipher: %w", err)
	}
	if d.aead, err = cipher.NewGCM(block); err != nil {
		return fmt.Errorf("sealed: cipher: %w", err)
	}
	d.nonce = [nonceSize]byte(nonce)
	return nil
}

// nonceOf returns the nonce of frame n: the base nonce XOR n, as RFC 9180
// section 5.2 does.
func (d *direction) nonceOf(n uint64) []byte {
	nonce := d.nonce
	var number [numberSize]byte
	binary.BigEndian.PutUint64(number[:], n)
	for i, b := range number {
		nonce[nonceSize-numberSize+i] ^= b
	}
	return nonce[:]
}

// fail ends the channel with err.
func (c *Channel) fail(err error) error {
	c.err = err
	c.sender, c.recipient, c.exported = nil, nil, nil
	c.out.aead, c.in.aead = nil, nil
	return err
}

// Seal returns plain as the next frame, at most [MaxPlain] bytes
// ([fault.FrameTooLarge]). A guest can seal its second frame only after it has
// opened the host's first ([fault.MessageUnexpected], [ErrTooEarly]). Both faults
// leave the channel usable.
func (c *Channel) Seal(plain []byte) ([]byte, error) {
	if c.err != nil {
		return nil, c.err
	}
	if len(plain) > MaxPlain {
		return nil, fault.Newf(fault.FrameTooLarge, "message of %d bytes", len(plain))
	}
	n := c.out.next
	if c.guest && n > 0 && c.out.aead == nil {
		return nil, fault.New(fault.MessageUnexpected, ErrTooEarly)
	}
	frame := make([]byte, 0, len(c.salt)+numberSize+len(plain)+tagSize)
	frame = append(frame, c.salt...)
	start := len(frame)
	frame = binary.BigEndian.AppendUint64(frame, n)
	number := frame[start:]
	if c.sender != nil {
		ciphertext, err := c.sender.Seal(number, plain)
		if err != nil {
			return nil, c.fail(fault.New(fault.SealBroken, err))
		}
		c.sender = nil
		frame = append(frame, ciphertext...)
	} else {
		frame = c.out.aead.Seal(frame, c.out.nonceOf(n), plain, number)
	}
	c.salt = nil
	c.out.next++
	return frame, nil
}

// Open returns the message in the next frame of the other end. An error is final:
// [fault.FrameTooLarge], [fault.FrameTruncated] (too short to be a frame),
// [fault.FrameReplayed] (a number that was there before), [fault.FrameOutOfOrder]
// (one is missing before it), and [fault.SealBroken] (changed, cut off, or sealed
// to other keys).
func (c *Channel) Open(frame []byte) ([]byte, error) {
	if c.err != nil {
		return nil, c.err
	}
	plain, err := c.open(frame)
	if err != nil {
		return nil, c.fail(err)
	}
	return plain, nil
}

func (c *Channel) open(frame []byte) ([]byte, error) {
	if len(frame) > MaxFrame {
		return nil, fault.Newf(fault.FrameTooLarge, "frame of %d bytes", len(frame))
	}
	var salt []byte
	if c.guest && c.in.next == 0 {
		if len(frame) < saltSize {
			return nil, fault.Newf(fault.FrameTruncated, "first frame of %d bytes", len(frame))
		}
		salt, frame = frame[:saltSize], frame[saltSize:]
	}
	if len(frame) < numberSize+tagSize {
		return nil, fault.Newf(fault.FrameTruncated, "frame of %d bytes", len(frame))
	}
	if len(frame) > numberSize+MaxPlain+tagSize {
		return nil, fault.Newf(fault.FrameTooLarge, "frame of %d bytes", len(frame))
	}
	number, ciphertext := frame[:numberSize], frame[numberSize:]
	switch n := binary.BigEndian.Uint64(number); {
	case n < c.in.next:
		return nil, fault.Newf(fault.FrameReplayed, "frame %d, expected %d", n, c.in.next)
	case n > c.in.next:
		return nil, fault.Newf(fault.FrameOutOfOrder, "frame %d, expected %d", n, c.in.next)
	}
	if salt != nil {
		if err := c.makeKeys(salt); err != nil {
			return nil, err
		}
	}
	var (
		plain []byte
		err   error
	)
	if c.recipient != nil {
		plain, err = c.recipient.Open(number, ciphertext)
		c.recipient = nil
	} else {
		plain, err = c.in.aead.Open(nil, c.in.nonceOf(c.in.next), ciphertext, number)
	}
	if err != nil {
		return nil, fault.New(fault.SealBroken, err)
	}
	c.in.next++
	return plain, nil
}
