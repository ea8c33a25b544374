package door

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// TestAGuestComesByTCP: without UDP, the same door opens over TCP.
func TestAGuestComesByTCP(t *testing.T) {
	h := newHouse(t)
	p := h.pageBy(t, fmt.Sprintf("tcp 16777215 %s %d typ host tcptype passive", h.at.Addr(), h.at.Port()))
	f := p.ask(t, h)
	must(t, p.dc.Send([]byte("\x00hello")))
	if got := recv(t, f); string(got) != "hello" {
		t.Errorf("%q", got)
	}
	large := bytes.Repeat([]byte("picture "), 8<<10)
	must(t, f.Send(bytes.Clone(large)))
	if !bytes.Equal(p.frame(t), large) {
		t.Error("the host's frame is not the same")
	}
	pair, err := p.pc.SCTP().Transport().ICETransport().GetSelectedCandidatePair()
	must(t, err)
	if pair.Local.Protocol.String() != "tcp" {
		t.Errorf("%v", pair)
	}
}

// dial connects to the door by TCP, from the computer 127.0.0.n.
func (h *house) dial(tb testing.TB, n byte) net.Conn {
	tb.Helper()
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, n)}}
	c, err := from.Dial("tcp", h.at.String())
	must(tb, err)
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

func frameOf(b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
}

// silent reports how long it took until the door closed a connection, and fails if it says a byte on it.
func silent(t *testing.T, c net.Conn) time.Duration {
	t.Helper()
	begin := time.Now()
	must(t, c.SetReadDeadline(begin.Add(patience)))
	n, err := c.Read(make([]byte, 1))
	if n > 0 {
		t.Error("a byte came back")
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection stays open")
	}
	return time.Since(begin)
}

// TestStrangersByTCP: who can't sign a check hears nothing, and is cut off.
func TestStrangersByTCP(t *testing.T) {
	h := newHouse(t)
	ufrag, _ := h.ufrag(t)
	n := byte(1)
	for what, said := range map[string]struct {
		bytes []byte
		late  bool // they may go on talking until their time is over
	}{
		"nothing":         {nil, true},
		"half a size":     {[]byte{0}, true},
		"no size":         {[]byte{0, 0}, false},
		"a large frame":   {[]byte{255, 255}, false},
		"http":            {[]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), false},
		"a TLS hello":     {[]byte("\x16\x03\x01\x02\x00\x01\x00"), false},
		"garbage":         {frameOf([]byte("12345678901234567890")), false},
		"an unknown tag":  {frameOf(check(t, "nobodynobodynobodynobody", strings.Repeat("y", 32))), true},
		"a forged check":  {frameOf(check(t, ufrag, strings.Repeat("y", 32))), true},
		"an unsigned one": {frameOf(check(t, ufrag, "")), true},
	} {
		t.Run(what, func(t *testing.T) {
			n++
			c := h.dial(t, n)
			_, err := c.Write(said.bytes)
			must(t, err)
			t.Parallel()
			if took := silent(t, c); !said.late && took > 2*time.Second {
				t.Errorf("closed after %v", took)
			}
		})
	}
}

// TestFewStrangersAtOnce: of one address only a few are heard at a time, and they give way.
func TestFewStrangersAtOnce(t *testing.T) {
	h := newHouse(t)
	for range 40 {
		h.dial(t, 2)
	}
	last := h.dial(t, 2)
	if took := silent(t, last); took > 2*time.Second {
		t.Errorf("one more is closed after %v", took)
	}
	for n := range byte(80) { // more than there is room for, each from an address of its own
		h.dial(t, 10+n)
	}
	h.pageBy(t, fmt.Sprintf("tcp 16777215 %s %d typ host tcptype passive", h.at.Addr(), h.at.Port())).ask(t, h)
}

// TestAClosedDoorTakesNoStreams: there is no TCP port without a door, and guests who came by TCP are cut off with it.
func TestAClosedDoorTakesNoStreams(t *testing.T) {
	h := newHouse(t)
	p := h.pageBy(t, fmt.Sprintf("tcp 16777215 %s %d typ host tcptype passive", h.at.Addr(), h.at.Port()))
	p.ask(t, h)
	stranger := h.dial(t, 2)
	h.shut()
	if _, err := stranger.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && err == nil {
		t.Errorf("%v", err)
	}
	if c, err := net.Dial("tcp", h.at.String()); err == nil {
		_ = c.Close()
		t.Error("the port is open")
	}
}

// TestALargeFrameAfterTheProof: who has been proved may say more at once, such as the hello of DTLS.
func TestALargeFrameAfterTheProof(t *testing.T) {
	h := newHouse(t)
	ufrag, password := h.ufrag(t)
	c := h.dial(t, 1)
	must(t, c.SetDeadline(time.Now().Add(patience)))
	for range 3 {
		_, err := c.Write(frameOf(check(t, ufrag, password)))
		must(t, err)
		size := make([]byte, 2)
		_, err = io.ReadFull(c, size)
		must(t, err)
		_, err = io.ReadFull(c, make([]byte, binary.BigEndian.Uint16(size)))
		must(t, err)
		_, err = c.Write(frameOf(bytes.Repeat([]byte{22}, 1300)))
		must(t, err)
	}
}
