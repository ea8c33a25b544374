package relay

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

// turnProtos are the names of STUN and TURN in TLS (RFC 7443). Browsers give
// none.
var turnProtos = []string{"stun.turn", "stun.nat-discovery"}

var errNeither = errors.New("relay: neither HTTP nor STUN")

// split ends TLS on a lane's connections, and parts TURN from HTTP: by the
// protocol that was agreed on in TLS, or else by the first bytes. It is the
// net.Listener of HTTP.
type split struct {
	*lane         // of HTTP; closing it closes in, too
	in      *lane // of TLS
	config  *tls.Config
	turn    Turn
	timeout time.Duration // for the handshake, and for the first bytes
	wg      sync.WaitGroup
}

func newSplit(in *lane, config *tls.Config, turn Turn, timeout time.Duration) *split {
	out := &lane{g: in.g, ready: make(chan net.Conn), closed: in.closed}
	return &split{lane: out, in: in, config: config, turn: turn, timeout: timeout}
}

// run parts connections until the gate is stopped. What it has begun ends with
// its connection.
func (s *split) run() {
	defer s.wg.Wait()
	for {
		c, err := s.in.Accept()
		if err != nil {
			return
		}
		s.wg.Go(func() {
			if !s.in.g.panics.Run(func() { s.route(c.(*connection)) }) {
				c.Close()
			}
		})
	}
}

func (s *split) route(c *connection) {
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
	isTurn := slices.Contains(turnProtos, state.NegotiatedProtocol)
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
	case <-s.g.closing:
		c.Close()
	}
}

// readHead reads as much as it takes to tell STUN from HTTP.
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

// mayBeSTUN: the first two bits of a message are zero (RFC 8489 section 5).
func mayBeSTUN(first byte) bool { return first < 0x40 }

// looksLikeSTUN checks the magic cookie as well.
func looksLikeSTUN(head []byte) bool {
	return len(head) >= 8 && mayBeSTUN(head[0]) && binary.BigEndian.Uint32(head[4:]) == 0x2112A442
}

// begun is a TLS connection of which the first bytes have been read.
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
