package portmap

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
)

// PCP (RFC 6887) and NAT-PMP (RFC 6886) are spoken to the same port of a router. A
// PCP MAP request is 60 bytes, a NAT-PMP request 2 or 12.
const (
	maxAnswer  = 1100 // RFC 6887 section 7
	maxAnswers = 64   // datagrams read for one question
)

// pauses are the times until a question is sent again.
var pauses = []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 2 * time.Second}

// exchange sends a question to a router until it answers. right reports whether a
// datagram is the answer. The socket is connected, so that only the router's
// datagrams arrive.
func (m *Mapper) exchange(ctx context.Context, t target, question []byte, right func([]byte) bool) ([]byte, error) {
	d := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(t.local.Addr(), 0))}
	conn, err := d.DialContext(ctx, "udp", netip.AddrPortFrom(t.gateway, m.o.pcpPort).String())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSilent, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	defer stop()
	b := make([]byte, maxAnswer)
	read := 0
	for _, pause := range m.o.pauses {
		if _, err := conn.Write(question); err != nil {
			return nil, fmt.Errorf("%w: %w", errSilent, err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(pause))
		if err := ctx.Err(); err != nil { // after the deadline was set, so that the one of ctx is not overwritten
			return nil, err
		}
		for {
			n, err := conn.Read(b)
			if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
				break
			}
			if err != nil { // also that nothing listens there
				return nil, errors.Join(errSilent, err, ctx.Err())
			}
			if right(b[:n]) {
				return b[:n], nil
			}
			if read++; read == maxAnswers {
				return nil, errLies
			}
		}
	}
	return nil, errSilent
}

const (
	pcpVersion  = 2
	pcpMap      = 1
	pcpResponse = 0x80
	pcpLen      = 60
)

// pcpRequest returns a MAP request. A lifetime of 0 ends the mapping.
func pcpRequest(w wish, lifetime time.Duration) []byte {
	b := make([]byte, pcpLen)
	b[0], b[1] = pcpVersion, pcpMap
	binary.BigEndian.PutUint32(b[4:], uint32(lifetime/time.Second))
	local := as16(w.local.Addr())
	copy(b[8:], local[:])
	copy(b[24:], w.nonce[:])
	b[36] = byte(w.protocol)
	binary.BigEndian.PutUint16(b[40:], w.local.Port())
	if lifetime > 0 {
		binary.BigEndian.PutUint16(b[42:], w.suggested)
		whichever := netip.IPv6Unspecified().As16()
		if w.local.Addr().Is4() {
			whichever = netip.IPv4Unspecified().As16() // ::ffff:0:0
		}
		copy(b[44:], whichever[:])
	}
	return b
}

// pcp asks by PCP.
func (m *Mapper) pcp(ctx context.Context, w wish, ready <-chan struct{}) (none grant, err error) {
	if err := await(ctx, ready); err != nil {
		return none, err
	}
	question := pcpRequest(w, w.lifetime)
	b, err := m.exchange(ctx, w.target, question, func(b []byte) bool {
		switch {
		case len(b) < 4 || b[0] != pcpVersion:
			return len(b) >= 2 && b[0] == 0 // a router that speaks NAT-PMP only says so in its own form
		case b[1] != pcpResponse|pcpMap:
			return false
		case len(b) >= pcpLen: // the nonce tells answers to us from those to others
			return bytes.Equal(b[24:42], question[24:42])
		default:
			return b[3] != 0
		}
	})
	switch {
	case err != nil:
		return none, err
	case b[0] != pcpVersion || b[3] == 1: // UNSUPP_VERSION
		return none, errSilent
	}
	var addr netip.Addr
	if len(b) >= pcpLen {
		addr, _ = netip.AddrFromSlice(b[44:60])
		addr = addr.Unmap()
	}
	if b[3] != 0 {
		// Some routers that can't map because of their own address tell which one it is (miniupnpd 2.3.1).
		if addr.Is4() && addr.IsPrivate() || carrier.Contains(addr) {
			return none, refusal{addr}
		}
		return none, fmt.Errorf("%w: PCP result %d", errRefused, b[3])
	}
	if addr.Is4() != w.local.Addr().Is4() {
		return none, errLies
	}
	return grant{
		external: netip.AddrPortFrom(addr, binary.BigEndian.Uint16(b[42:])),
		lifetime: w.lasting(binary.BigEndian.Uint32(b[4:])),
		undo: func(ctx context.Context) {
			_, _ = m.exchange(ctx, w.target, pcpRequest(w, 0), func(b []byte) bool { return len(b) >= 4 && b[1] == pcpResponse|pcpMap })
		},
	}, nil
}

// natPMP asks by NAT-PMP.
func (m *Mapper) natPMP(ctx context.Context, w wish, ready <-chan struct{}) (none grant, err error) {
	if err := await(ctx, ready); err != nil {
		return none, err
	}
	answer := func(op byte, size int) func([]byte) bool {
		return func(b []byte) bool {
			return len(b) >= 4 && b[0] == 0 && b[1] == 0x80|op && (len(b) >= size || binary.BigEndian.Uint16(b[2:]) != 0)
		}
	}
	b, err := m.exchange(ctx, w.target, []byte{0, 0}, answer(0, 12))
	if err != nil {
		return none, err
	}
	if code := binary.BigEndian.Uint16(b[2:]); code != 0 {
		return none, fmt.Errorf("%w: NAT-PMP result %d", errRefused, code)
	}
	addr := netip.AddrFrom4([4]byte(b[8:12]))
	if addr.IsUnspecified() {
		return none, refusal{}
	}
	op := byte(1)
	if w.protocol == TCP {
		op = 2
	}
	question := func(outer uint16, lifetime time.Duration) []byte {
		q := make([]byte, 12)
		q[1] = op
		binary.BigEndian.PutUint16(q[4:], w.local.Port())
		binary.BigEndian.PutUint16(q[6:], outer)
		binary.BigEndian.PutUint32(q[8:], uint32(lifetime/time.Second))
		return q
	}
	right := answer(op, 16)
	b, err = m.exchange(ctx, w.target, question(w.suggested, w.lifetime), func(b []byte) bool {
		return right(b) && (len(b) < 16 || binary.BigEndian.Uint16(b[8:]) == w.local.Port())
	})
	if err != nil {
		return none, err
	}
	if code := binary.BigEndian.Uint16(b[2:]); code != 0 || len(b) < 16 {
		return none, fmt.Errorf("%w: NAT-PMP result %d", errRefused, code)
	}
	return grant{
		external: netip.AddrPortFrom(addr, binary.BigEndian.Uint16(b[10:])),
		lifetime: w.lasting(binary.BigEndian.Uint32(b[12:])),
		undo:     func(ctx context.Context) { _, _ = m.exchange(ctx, w.target, question(0, 0), right) },
	}, nil
}
