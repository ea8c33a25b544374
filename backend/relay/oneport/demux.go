package oneport

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// TurnProtos are the names of STUN and TURN in TLS (RFC 7443). Browsers offer
// none of them.
var TurnProtos = []string{"stun.turn", "stun.nat-discovery"}

var errNeither = errors.New("relay: neither HTTP nor STUN")

// StreamServer takes a connection, with TLS already ended, whose first bytes are
// STUN's. It returns at once.
type StreamServer interface{ ServeStream(net.Conn) }

// TLSDemux ends TLS on a Port's connections and separates TURN from HTTP by the
// protocol that was agreed on in TLS, or else by the first bytes. It is the
// net.Listener of HTTP.
type TLSDemux struct {
	*subListener              // of HTTP; closing it also closes in
	in           *subListener // of TLS
	config       *tls.Config
	turn         StreamServer
	timeout      time.Duration // for the handshake, and for the first bytes
	wg           sync.WaitGroup
}

// NewTLSDemux takes the TLS connections of a Port. timeout bounds the handshake,
// and then the first bytes. The caller runs Run.
func NewTLSDemux(p *Port, config *tls.Config, turn StreamServer, timeout time.Duration) *TLSDemux {
	in := p.tls
	out := &subListener{port: p, ready: make(chan net.Conn), closed: in.closed}
	return &TLSDemux{subListener: out, in: in, config: config, turn: turn, timeout: timeout}
}

// Run handles connections until the Port is stopped. Handshakes that it has begun
// end with their connections.
func (s *TLSDemux) Run() {
	defer s.wg.Wait()
	for {
		c, err := s.in.Accept()
		if err != nil {
			return
		}
		s.wg.Go(func() {
			if !s.in.port.panics.Run(func() { s.route(c.(*Conn)) }) {
				c.Close()
			}
		})
	}
}

func (s *TLSDemux) route(c *Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	_ = c.SetDeadline(time.Now().Add(s.timeout)) // an error shows at the handshake
	secure := tls.Server(c, s.config)
	if err := secure.HandshakeContext(ctx); err != nil {
		c.Close()
		return
	}
	state := secure.ConnectionState()
	var conn net.Conn = secure
	isTurn := slices.Contains(TurnProtos, state.NegotiatedProtocol)
	if state.NegotiatedProtocol == "" {
		head, err := readHead(secure)
		if err != nil {
			c.Close()
			return
		}
		isTurn = looksLikeSTUN(head)
		conn = &begun{secure, head}
		c.tls = &state
	}
	_ = c.SetDeadline(time.Time{})
	if isTurn {
		s.turn.ServeStream(conn)
		return
	}
	select {
	case s.ready <- conn:
	case <-s.closed:
		c.Close()
	case <-s.port.closing:
		c.Close()
	}
}

// readHead reads as many bytes as it takes to tell STUN from HTTP.
func readHead(r io.Reader) ([]byte, error) {
	head := make([]byte, 8)
	if _, err := io.ReadFull(r, head[:1]); err != nil || !mayBeSTUN(head[0]) {
		return head[:1], err
	}
	_, err := io.ReadFull(r, head[1:])
	if err == nil && !looksLikeSTUN(head) {
		err = errNeither
	}
	return head, err
}

// mayBeSTUN reports whether the first two bits are zero, as in a STUN message
// (RFC 8489 section 5).
func mayBeSTUN(first byte) bool { return first < 0x40 }

// looksLikeSTUN checks the magic cookie as well.
func looksLikeSTUN(head []byte) bool {
	return len(head) >= 8 && mayBeSTUN(head[0]) && binary.BigEndian.Uint32(head[4:]) == 0x2112A442
}

// begun is a TLS connection whose first bytes have been read.
type begun struct {
	*tls.Conn
	head []byte
}

// Read implements net.Conn.
func (b *begun) Read(p []byte) (int, error) {
	if len(b.head) > 0 {
		n := copy(p, b.head)
		b.head = b.head[n:]
		return n, nil
	}
	return b.Conn.Read(p)
}
