package nats

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// An envelope is
//
//	version (1) ‖ sender (16) ‖ counter (8) ‖ ciphertext ‖ tag (16)
//
// sealed with AES-256-GCM under the sender's key. The nonce is four zeros and
// the counter, which the sender uses once; the additional data are the header
// and the place that the message is for. Numbers are big-endian.
const (
	wireVersion  = 1
	nodeSize     = 16
	headerSize   = 1 + nodeSize + 8
	tagSize      = 16
	tokenSize    = 16
	maxMessage   = signalling.MaxFrame + 1024 // before sealing
	maxEnvelope  = headerSize + maxMessage + tagSize
	maxRemoteKey = 64
	maxName      = 255 // of an owner or a username in a revocation, in bytes
	maxEntries   = 1024
	publicSize   = 65 // an uncompressed point of P-256
)

var b64 = base64.RawURLEncoding.Strict()

// nodeID names one node from its start to its end.
type nodeID [nodeSize]byte

// String returns the id in base64url, as in subjects.
func (n nodeID) String() string { return b64.EncodeToString(n[:]) }

// token stands for a link's id in subjects.
type token [tokenSize]byte

// String returns the token in base64url, as in subjects.
func (t token) String() string { return b64.EncodeToString(t[:]) }

// place is what a message is for: the end of its subject. The seal covers it, so
// that a message can't be moved.
type place string

const everyone place = "all"

func toNode(n nodeID) place { return place("node." + n.String()) }
func toLink(t token) place  { return place("link." + t.String()) }

// seals makes and opens envelopes.
type seals struct {
	prk     []byte
	tokens  []byte // key of tokens
	self    nodeID
	own     cipher.AEAD
	counter atomic.Uint64
}

func newSeals(secret []byte) (*seals, error) {
	s := &seals{}
	_, _ = rand.Read(s.self[:]) // never fails
	var err error
	if s.prk, err = hkdf.Extract(sha256.New, secret, nil); err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	if s.tokens, err = hkdf.Expand(sha256.New, s.prk, "porch bus v1 tokens", sha256.Size); err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	s.own, err = s.of(s.self)
	return s, err
}

// of returns the cipher of a node.
func (s *seals) of(n nodeID) (cipher.AEAD, error) {
	key, err := hkdf.Expand(sha256.New, s.prk, "porch bus v1 node "+string(n[:]), 32)
	if err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	return aead, nil
}

func (s *seals) token(id sealed.LinkID) (t token) {
	mac := hmac.New(sha256.New, s.tokens)
	mac.Write([]byte(id))
	copy(t[:], mac.Sum(nil))
	return t
}

func nonceOf(header []byte) []byte {
	nonce := make([]byte, 12)
	copy(nonce[4:], header[1+nodeSize:headerSize])
	return nonce
}

func additional(header []byte, at place) []byte {
	return append(append(make([]byte, 0, len(header)+len(at)), header...), at...)
}

// seal returns the envelope of a message of this node.
func (s *seals) seal(at place, m message) []byte {
	header := make([]byte, headerSize, 256)
	header[0] = wireVersion
	copy(header[1:], s.self[:])
	binary.BigEndian.PutUint64(header[1+nodeSize:], s.counter.Add(1))
	plain := m.append([]byte{m.kind()})
	return s.own.Seal(header, nonceOf(header), plain, additional(header, at))
}

// The reasons for which a message from the bus is dropped.
var (
	errForm   = errors.New("nats: malformed")
	errForged = errors.New("nats: not sealed by a node of this cluster")
)

// senderOf checks size and form of an envelope, and returns its sender.
func senderOf(envelope []byte) (nodeID, error) {
	if len(envelope) <= headerSize+tagSize || len(envelope) > maxEnvelope || envelope[0] != wireVersion {
		return nodeID{}, errForm
	}
	return nodeID(envelope[1 : 1+nodeSize]), nil
}

// openEnvelope returns the message in an envelope that senderOf has accepted.
func openEnvelope(sender cipher.AEAD, at place, envelope []byte) (message, error) {
	header := envelope[:headerSize]
	plain, err := sender.Open(nil, nonceOf(header), envelope[headerSize:], additional(header, at))
	if err != nil {
		return nil, errForged
	}
	return parse(plain)
}

// message is what nodes send to each other. Each kind is a struct below.
type message interface {
	kind() byte
	append([]byte) []byte
}

// The kinds of messages, their first byte. A value is never used again for
// another kind.
const (
	kindBeat = iota + 1
	kindLeaving
	kindNotes
	kindRevocations
	kindAsk
	kindHolds
	kindClaim
	kindOpen
	kindOpened
	kindRefused
	kindFrame
	kindLimit
	kindClosed
	kindGone
	kindTally
	kindMark
	kindMarked
)

type (
	// beat is a heartbeat. A new generation means that its sender was off the bus
	// and may have missed messages.
	beat struct{ generation uint32 }
	// leaving is a node's last message.
	leaving struct{}
	// notes are those of links that have ended.
	notes []note
	note  struct {
		id   [tokenSize]byte // the link's id itself, decoded
		note [sealed.NoteSize]byte
	}
	// revocations are of TURN credentials.
	revocations []revocation
	revocation  struct{ owner, username string }
	// ask asks the holder of a link for its epoch.
	ask struct{ number uint64 }
	// holds answers ask.
	holds struct{ number, epoch uint64 }
	// claim says that its sender holds a link.
	claim struct {
		token token
		epoch uint64
	}
	// open asks the holder of a link to take a guest.
	open struct {
		channel  uint64
		loopback bool
		key      string
	}
	// opened answers open.
	opened struct {
		channel uint64
		public  [publicSize]byte
	}
	// refused answers open as well.
	refused struct {
		channel uint64
		full    bool // too many guests; otherwise there is no host
	}
	// frame is one frame of a channel.
	frame struct {
		of     way
		number uint64
		data   []byte
	}
	// limit carries Frames.SetLimit to the guest's node.
	limit struct {
		of     way
		number uint64
		limit  uint32 // Frames.Limit
	}
	// closed is the last message of a channel. Nodes of before CloseGone drop one
	// that has it, and learn of the end as if it had been lost, by frames or a tally.
	closed struct {
		of     way
		number uint64
		code   signalling.CloseCode
	}
	// gone says that its sender does not have this channel.
	gone struct{ of way }
	// tally says how much of each channel its sender has sent.
	tally []sent
	sent  struct {
		of     way
		number uint64 // of the next message
	}
	// mark asks a node for an answer. By the time it comes, the node's NATS
	// server knows what the sender listens to.
	mark struct{ number uint64 }
	// marked answers mark.
	marked struct{ number uint64 }
)

// way is one direction of a channel. Channels are numbered by the guest's node.
type way struct {
	toHost  bool
	channel uint64
}

func (beat) kind() byte        { return kindBeat }
func (leaving) kind() byte     { return kindLeaving }
func (notes) kind() byte       { return kindNotes }
func (revocations) kind() byte { return kindRevocations }
func (ask) kind() byte         { return kindAsk }
func (holds) kind() byte       { return kindHolds }
func (claim) kind() byte       { return kindClaim }
func (open) kind() byte        { return kindOpen }
func (opened) kind() byte      { return kindOpened }
func (refused) kind() byte     { return kindRefused }
func (frame) kind() byte       { return kindFrame }
func (limit) kind() byte       { return kindLimit }
func (closed) kind() byte      { return kindClosed }
func (gone) kind() byte        { return kindGone }
func (tally) kind() byte       { return kindTally }
func (mark) kind() byte        { return kindMark }
func (marked) kind() byte      { return kindMarked }

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendString(b []byte, s string) []byte { return append(append(b, byte(len(s))), s...) }

func (w way) append(b []byte) []byte {
	return binary.BigEndian.AppendUint64(appendBool(b, w.toHost), w.channel)
}

func (m beat) append(b []byte) []byte  { return binary.BigEndian.AppendUint32(b, m.generation) }
func (leaving) append(b []byte) []byte { return b }

func (m notes) append(b []byte) []byte {
	for _, n := range m {
		b = append(append(b, n.id[:]...), n.note[:]...)
	}
	return b
}

func (m revocations) append(b []byte) []byte {
	for _, r := range m {
		b = appendString(appendString(b, r.owner), r.username)
	}
	return b
}

func (m ask) append(b []byte) []byte { return binary.BigEndian.AppendUint64(b, m.number) }

func (m holds) append(b []byte) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, m.number), m.epoch)
}

func (m claim) append(b []byte) []byte {
	return binary.BigEndian.AppendUint64(append(b, m.token[:]...), m.epoch)
}

func (m open) append(b []byte) []byte {
	return appendString(appendBool(binary.BigEndian.AppendUint64(b, m.channel), m.loopback), m.key)
}

func (m opened) append(b []byte) []byte {
	return append(binary.BigEndian.AppendUint64(b, m.channel), m.public[:]...)
}

func (m refused) append(b []byte) []byte {
	return appendBool(binary.BigEndian.AppendUint64(b, m.channel), m.full)
}

func (m frame) append(b []byte) []byte {
	return append(binary.BigEndian.AppendUint64(m.of.append(b), m.number), m.data...)
}

func (m limit) append(b []byte) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(m.of.append(b), m.number), m.limit)
}

func (m closed) append(b []byte) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint64(m.of.append(b), m.number), uint16(m.code))
}

func (m gone) append(b []byte) []byte { return m.of.append(b) }

func (m tally) append(b []byte) []byte {
	for _, s := range m {
		b = binary.BigEndian.AppendUint64(s.of.append(b), s.number)
	}
	return b
}

func (m mark) append(b []byte) []byte   { return binary.BigEndian.AppendUint64(b, m.number) }
func (m marked) append(b []byte) []byte { return binary.BigEndian.AppendUint64(b, m.number) }

// reader takes a message apart. After the first byte that is missing or wrong it
// returns zeros, and bad is set.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || len(r.b) < n {
		r.bad = true
		return make([]byte, n)
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) more() bool     { return !r.bad && len(r.b) > 0 }
func (r *reader) uint16() uint16 { return binary.BigEndian.Uint16(r.take(2)) }
func (r *reader) uint32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }
func (r *reader) uint64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }

func (r *reader) bool() bool {
	v := r.take(1)[0]
	r.bad = r.bad || v > 1
	return v == 1
}

// text reads a string of up to limit bytes.
func (r *reader) text(limit int) string {
	n := int(r.take(1)[0])
	r.bad = r.bad || n > limit
	return string(r.take(n))
}

func (r *reader) way() way { return way{toHost: r.bool(), channel: r.uint64()} }

func (r *reader) code() signalling.CloseCode {
	switch c := signalling.CloseCode(r.uint16()); c {
	case signalling.CloseDone, signalling.CloseUnavailable, signalling.CloseTooSlow, signalling.CloseHostGone,
		signalling.CloseTooLarge, signalling.CloseRefused, signalling.CloseTooFast, signalling.CloseGone:
		return c
	}
	r.bad = true
	return 0
}

// parse reads a message and checks its form. The result may share memory with b.
func parse(b []byte) (message, error) {
	if len(b) == 0 || len(b) > maxMessage {
		return nil, errForm
	}
	r := &reader{b: b[1:]}
	m := r.message(b[0])
	if m == nil || r.bad || len(r.b) > 0 {
		return nil, errForm
	}
	return m, nil
}

func (r *reader) message(kind byte) message {
	switch kind {
	case kindBeat:
		return beat{r.uint32()}
	case kindLeaving:
		return leaving{}
	case kindNotes:
		var m notes
		for r.more() && len(m) < maxEntries {
			m = append(m, note{[tokenSize]byte(r.take(tokenSize)), [sealed.NoteSize]byte(r.take(sealed.NoteSize))})
		}
		return m
	case kindRevocations:
		var m revocations
		for r.more() && len(m) < maxEntries {
			m = append(m, revocation{r.text(maxName), r.text(maxName)})
		}
		return m
	case kindAsk:
		return ask{r.uint64()}
	case kindHolds:
		return holds{r.uint64(), r.uint64()}
	case kindClaim:
		return claim{token(r.take(tokenSize)), r.uint64()}
	case kindOpen:
		return open{r.uint64(), r.bool(), r.text(maxRemoteKey)}
	case kindOpened:
		return opened{r.uint64(), [publicSize]byte(r.take(publicSize))}
	case kindRefused:
		return refused{r.uint64(), r.bool()}
	case kindFrame:
		m := frame{of: r.way(), number: r.uint64(), data: r.b}
		r.b = nil
		r.bad = r.bad || len(m.data) > signalling.MaxFrame+switchboard.SealRoom
		return m
	case kindLimit:
		m := limit{r.way(), r.uint64(), r.uint32()}
		r.bad = r.bad || m.of.toHost || m.limit < switchboard.SealRoom || m.limit > signalling.MaxFrame+switchboard.SealRoom
		return m
	case kindClosed:
		return closed{r.way(), r.uint64(), r.code()}
	case kindGone:
		return gone{r.way()}
	case kindTally:
		var m tally
		for r.more() && len(m) < maxEntries {
			m = append(m, sent{r.way(), r.uint64()})
		}
		return m
	case kindMark:
		return mark{r.uint64()}
	case kindMarked:
		return marked{r.uint64()}
	}
	return nil
}
