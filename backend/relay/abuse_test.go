package relay

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/relay/hosts"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/signalling"
)

// openPublicRelay starts a public relay of "localhost" that takes every host, has
// TURN, and listens for plain HTTP, too. Its TLS clients need not check its
// certificate.
func openPublicRelay(t *testing.T, change func(*Options)) (s *Server, plain string) {
	t.Helper()
	own := openRelay(t, nil) // for its certificate
	s = openRelay(t, func(o *Options) {
		o.Domain = "localhost"
		o.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return own.certificates.get(nil) }
		o.Plain = "127.0.0.1:0"
		o.Hosts = &hosts.Policy{Open: true}
		o.Turn = new(turnOf)
		if change != nil {
			change(o)
		}
	})
	return s, s.plainPort.Plain().Addr().String()
}

// dialRaw opens a connection that the test's end closes, and that has a deadline.
func dialRaw(t *testing.T, at string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

// dialTLS is dialRaw with TLS that has agreed on a protocol; "" names none.
func dialTLS(t *testing.T, at, protocol string) *tls.Conn {
	t.Helper()
	config := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // a test
	if protocol != "" {
		config.NextProtos = []string{protocol}
	}
	c := tls.Client(dialRaw(t, at), config)
	if err := c.HandshakeContext(contextFor(t)); err != nil {
		t.Fatal(err)
	}
	return c
}

// ends reports whether the other side closes a connection in time.
func ends(r io.Reader) bool {
	_, err := io.Copy(io.Discard, r)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// h2 is a frame of HTTP/2 (RFC 9113 section 4.1).
func h2(kind, flags byte, stream uint32, payload []byte) []byte {
	b := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	return append(binary.BigEndian.AppendUint32(b, stream), payload...)
}

const (
	h2Preface           = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	h2Headers           = 1
	h2Settings          = 4
	h2Continuation      = 9
	h2EndHeaders        = 4
	h2EndStream         = 1
	h2NewField     byte = 0x40 // literal with a new name, kept in the table (RFC 7541 section 6.2.1)
)

// TestSlowLoris makes clients send a byte now and then, at every place where one
// can. Each is cut off when its time is up, however busy it looks, and a guest
// who came before notices nothing.
func TestSlowLoris(t *testing.T) {
	quick := defaultTimes
	quick.firstByte, quick.header, quick.request = 300*time.Millisecond, 300*time.Millisecond, 300*time.Millisecond
	quick.open, quick.frame, quick.close = 300*time.Millisecond, 300*time.Millisecond, 50*time.Millisecond
	quick.ping = time.Hour // no peer answers here
	s, plain := openPublicRelay(t, func(o *Options) { o.times = &quick })
	keys, guests, _ := host(t, s)
	good := tlsSocket(t, s, switchboard.SocketPath, signalling.Subprotocol)
	good.text(t, signalling.Open{Version: 1, Link: string(keys.ID())})
	goodEnd := <-guests
	good.frame(t, 0x82, []byte("first"))
	if b := recv(t, goodEnd); string(b) != "first" {
		t.Fatalf("%q", b)
	}

	headers := "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + strings.Repeat("x", 4096)
	message := append([]byte{0x82, 0xfe, 0x08, 0x00, 0, 0, 0, 0}, make([]byte, 2048)...) // masked, of 2,048 bytes
	hello := clientHello(t)
	binary.BigEndian.PutUint16(hello[3:], 0x3fff) // a record that goes on
	for _, c := range []struct {
		name string
		open func(t *testing.T) io.ReadWriter
		drip []byte
	}{
		{"HTTP headers", func(t *testing.T) io.ReadWriter { return dialRaw(t, s.hostPort()) }, []byte(headers)},
		{"HTTP headers at the plain port", func(t *testing.T) io.ReadWriter { return dialRaw(t, plain) }, []byte(headers)},
		{"HTTP headers over TLS", func(t *testing.T) io.ReadWriter { return dialTLS(t, s.hostPort(), "http/1.1") }, []byte(headers)},
		{"HTTP headers over TLS without ALPN", func(t *testing.T) io.ReadWriter { return dialTLS(t, s.hostPort(), "") }, []byte(headers)},
		{"HTTP/2 preface", func(t *testing.T) io.ReadWriter { return dialTLS(t, s.hostPort(), "h2") }, []byte(h2Preface + strings.Repeat("\x00", 4096))},
		{"TLS handshake", func(t *testing.T) io.ReadWriter { return dialRaw(t, s.hostPort()) }, append(hello, make([]byte, 4096)...)},
		{"STUN over TLS", func(t *testing.T) io.ReadWriter { return dialTLS(t, s.hostPort(), "") }, []byte("\x00\x01\x0f\x00\x21\x12")},
		{"a guest's question", func(t *testing.T) io.ReadWriter {
			return tlsSocket(t, s, switchboard.SocketPath, signalling.Subprotocol)
		}, message},
		{"a guest's frame", func(t *testing.T) io.ReadWriter {
			w := tlsSocket(t, s, switchboard.SocketPath, signalling.Subprotocol)
			w.text(t, signalling.Open{Version: 1, Link: string(keys.ID())})
			<-guests
			return w
		}, message},
		{"a host's register", func(t *testing.T) io.ReadWriter {
			return tlsSocket(t, s, switchboard.HostPath, signalling.HostSubprotocol)
		}, message},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := c.open(t)
			stop := make(chan struct{})
			var dripping sync.WaitGroup
			dripping.Go(func() {
				tick := time.NewTicker(20 * time.Millisecond) // sends slowly
				defer tick.Stop()
				for _, b := range c.drip {
					if _, err := conn.Write([]byte{b}); err != nil {
						return
					}
					select {
					case <-tick.C:
					case <-stop:
						return
					}
				}
			})
			if !ends(conn) {
				t.Error("the connection stays")
			}
			close(stop)
			dripping.Wait()
		})
	}
	t.Run("a host's message", func(t *testing.T) {
		h := openHost(t, openToHosts(t, func(o *Options) { o.times = &quick }))
		h.registered(hostKey(t))
		w, err := h.ws.Writer(contextFor(t), websocket.MessageBinary)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, 8192)); err != nil { // more than the client keeps back
			t.Fatal(err)
		}
		if _, _, err := h.ws.Read(contextFor(t)); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the line stays: %v", err)
		}
	})
	good.frame(t, 0x82, []byte("still here"))
	if b := recv(t, goodEnd); string(b) != "still here" {
		t.Errorf("%q", b)
	}
}

// wsConn is a WebSocket over TLS by hand, for what a library refuses to do.
type wsConn struct {
	net.Conn
	r *bufio.Reader
}

// Read implements io.Reader.
func (w wsConn) Read(b []byte) (int, error) { return w.r.Read(b) }

func tlsSocket(t *testing.T, s *Server, path, subprotocol string) wsConn {
	t.Helper()
	c := dialTLS(t, s.hostPort(), "http/1.1")
	_, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: "+subprotocol+"\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() // there is no body: frames follow
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp.Status)
	}
	return wsConn{c, r}
}

// frame writes a short frame, masked with zeros. head is its first byte (RFC
// 6455 section 5.2).
func (w wsConn) frame(t *testing.T, head byte, b []byte) {
	t.Helper()
	if _, err := w.Write(shortFrame(head, b)); err != nil {
		t.Fatal(err)
	}
}

func shortFrame(head byte, b []byte) []byte {
	return append([]byte{head, 0x80 | byte(len(b)), 0, 0, 0, 0}, b...)
}

func (w wsConn) text(t *testing.T, m signalling.Message) {
	t.Helper()
	b, err := signalling.Encode(m)
	if err != nil || len(b) > 125 {
		t.Fatal(len(b), err)
	}
	w.frame(t, 0x81, b)
}

// allocated is what has been allocated since the program's start.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// TestHeaderBombs sends requests whose headers never end, or become large only
// when they are unpacked.
func TestHeaderBombs(t *testing.T) {
	s, plain := openPublicRelay(t, nil)
	line := []byte("X: " + strings.Repeat("x", 1000) + "\r\n")
	field := func(name, value string) []byte { // never indexed, without Huffman (RFC 7541 section 6.2.3)
		b := append([]byte{0x10, byte(len(name))}, name...)
		b = append(b, 0x7f, byte(len(value)-127)&0x7f|0x80, byte((len(value)-127)>>7))
		return append(b, value...)
	}
	request := []byte("\x82\x87\x84\x01\x09localhost") // GET https / of localhost, from the static table
	kept := append([]byte{h2NewField, 1, 'x', 0x7f, 0xa1, 0x1e}, strings.Repeat("y", 4000)...)
	for _, c := range []struct {
		name string
		open func(t *testing.T) net.Conn
		head []byte
		more []byte // again and again
		most int    // bytes that may be sent before the end
	}{
		{"HTTP/1.1", func(t *testing.T) net.Conn { return dialRaw(t, plain) }, []byte("GET / HTTP/1.1\r\nHost: localhost\r\n"), line, 8 << 20},
		{"HTTP/1.1 over TLS", func(t *testing.T) net.Conn { return dialTLS(t, s.hostPort(), "http/1.1") }, []byte("GET / HTTP/1.1\r\nHost: localhost\r\n"), line, 8 << 20},
		{"a request line", func(t *testing.T) net.Conn { return dialRaw(t, plain) }, []byte("GET /"), line[3:1000], 8 << 20},
		{
			"HTTP/2 continuations", func(t *testing.T) net.Conn { return dialTLS(t, s.hostPort(), "h2") },
			append([]byte(h2Preface), append(h2(h2Settings, 0, 0, nil), h2(h2Headers, h2EndStream, 1, request)...)...),
			h2(h2Continuation, 0, 1, field("x", strings.Repeat("x", 8000))), 8 << 20,
		},
		{
			"HTTP/2 headers that unpack", func(t *testing.T) net.Conn { return dialTLS(t, s.hostPort(), "h2") },
			append([]byte(h2Preface), append(h2(h2Settings, 0, 0, nil), h2(h2Headers, h2EndStream, 1, append(request, kept...))...)...),
			h2(h2Continuation, 0, 1, bytes.Repeat([]byte{0x80 | 62}, 4000)), 8 << 20, // 16 MB each
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := allocated()
			conn := c.open(t)
			ended := make(chan bool, 1)
			go func() { ended <- ends(conn) }()
			sent, err := conn.Write(c.head)
			for err == nil && sent < c.most {
				var n int
				n, err = conn.Write(c.more)
				sent += n
			}
			if err == nil {
				t.Errorf("%d bytes of headers were taken", sent)
			}
			conn.Close()
			<-ended
			if n := allocated() - before; n > 24<<20 {
				t.Errorf("%d bytes were allocated for %d", n, sent)
			}
		})
	}
	if conn := dialTLS(t, s.hostPort(), "http/1.1"); !answers(t, conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 200) {
		t.Error("the relay does not answer any more")
	}
}

// answers sends a request and compares the status of the answer.
func answers(t *testing.T, conn net.Conn, request string, status int) bool {
	t.Helper()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Error(err)
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode == status
}

// TestFrameBombs sends messages in pieces that never end, or in none at all,
// and controls without end, at each kind of socket.
func TestFrameBombs(t *testing.T) {
	quick := defaultTimes
	quick.open, quick.frame, quick.close = 2*time.Second, 2*time.Second, 50*time.Millisecond
	s, _ := openPublicRelay(t, func(o *Options) { o.times = &quick })
	keys, guests, _ := host(t, s)
	guest := func(t *testing.T) wsConn {
		w := tlsSocket(t, s, switchboard.SocketPath, signalling.Subprotocol)
		w.text(t, signalling.Open{Version: 1, Link: string(keys.ID())})
		<-guests
		return w
	}
	stranger := func(t *testing.T) wsConn { return tlsSocket(t, s, switchboard.SocketPath, signalling.Subprotocol) }
	hostLine := func(t *testing.T) wsConn { return tlsSocket(t, s, switchboard.HostPath, signalling.HostSubprotocol) }
	begun, piece, empty := shortFrame(0x02, []byte("x")), shortFrame(0x00, make([]byte, 100)), shortFrame(0x00, nil)
	terabyte := []byte{0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	for _, c := range []struct {
		name       string
		open       func(t *testing.T) wsConn
		head, more []byte
	}{
		{"a guest's pieces", guest, begun, piece},
		{"a guest's empty pieces", guest, begun, empty},
		{"a guest's pings within a message", guest, begun, shortFrame(0x89, []byte("x"))},
		{"a guest's terabyte", guest, terabyte, make([]byte, 4096)},
		{"a stranger's pieces", stranger, begun, piece},
		{"a stranger's empty pieces", stranger, begun, empty},
		{"a stranger's terabyte", stranger, terabyte, make([]byte, 4096)},
		{"a host's pieces", hostLine, begun, piece},
		{"a host's empty pieces", hostLine, begun, empty},
		{"a host's pings within a message", hostLine, begun, shortFrame(0x89, []byte("x"))},
		{"a host's terabyte", hostLine, terabyte, make([]byte, 4096)},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := c.open(t)
			ended := make(chan bool, 1)
			go func() { ended <- ends(w) }()
			_, err := w.Write(c.head)
			more := bytes.Repeat(c.more, 32)
			for err == nil {
				_, err = w.Write(more) // fails in time: the connection has a deadline
			}
			if errors.Is(err, os.ErrDeadlineExceeded) || !<-ended {
				t.Error("the connection stays")
			}
		})
	}
}

// TestNoProxy asks a relay to fetch, to connect and to send browsers elsewhere
// in every way that proxies and careless servers understand.
func TestNoProxy(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	called := make(chan struct{})
	go func() {
		defer close(called)
		for {
			c, err := other.Accept()
			if err != nil {
				return
			}
			c.Close()
			t.Error("the relay connected to where it was asked to")
		}
	}()
	elsewhere := other.Addr().String()
	s, plain := openPublicRelay(t, nil)
	ways := map[string]func(t *testing.T) net.Conn{
		"plain": func(t *testing.T) net.Conn { return dialRaw(t, plain) },
		"lane":  func(t *testing.T) net.Conn { return dialRaw(t, s.hostPort()) }, // plain HTTP at the port of TLS
		"tls":   func(t *testing.T) net.Conn { return dialTLS(t, s.hostPort(), "http/1.1") },
	}
	for _, c := range []struct {
		name, request string
		status        map[string]int // by way
	}{
		{"CONNECT", "CONNECT " + elsewhere + " HTTP/1.1\r\nHost: " + elsewhere + "\r\n\r\n", map[string]int{"plain": 421, "lane": 421, "tls": 421}},
		{"CONNECT in the relay's name", "CONNECT " + elsewhere + " HTTP/1.1\r\nHost: localhost\r\n\r\n", map[string]int{"plain": 421, "lane": 421, "tls": 421}},
		{"CONNECT to the relay", "CONNECT localhost:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", map[string]int{"plain": 400, "lane": 405, "tls": 405}},
		{"an absolute URI", "GET http://" + elsewhere + "/ HTTP/1.1\r\nHost: " + elsewhere + "\r\n\r\n", map[string]int{"plain": 421, "lane": 421, "tls": 421}},
		{"an absolute URI in the relay's name", "GET http://" + elsewhere + "/ HTTP/1.1\r\nHost: localhost\r\n\r\n", map[string]int{"plain": 421, "lane": 421, "tls": 421}},
		{"an absolute URI of https", "GET https://" + elsewhere + "/ HTTP/1.1\r\nHost: localhost\r\n\r\n", map[string]int{"plain": 421, "lane": 421, "tls": 421}},
		{"another's Host", "GET / HTTP/1.1\r\nHost: " + elsewhere + "\r\n\r\n", map[string]int{"plain": 421, "lane": 421, "tls": 421}},
		{"two Hosts", "GET / HTTP/1.1\r\nHost: localhost\r\nHost: " + elsewhere + "\r\n\r\n", map[string]int{"plain": 400, "lane": 400, "tls": 400}},
		{"X-Forwarded-Host", "GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Host: " + elsewhere + "\r\n\r\n", map[string]int{"plain": 308, "lane": 308, "tls": 200}},
		{"HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", map[string]int{"plain": 421, "lane": 421, "tls": 421}},
		{"an opaque URI", "GET x:.evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", map[string]int{"plain": 400, "lane": 400, "tls": 400}},
		{"a user", "GET x:@evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", map[string]int{"plain": 400, "lane": 400, "tls": 400}},
		{"a star", "GET * HTTP/1.1\r\nHost: localhost\r\n\r\n", map[string]int{"plain": 400, "lane": 400, "tls": 400}},
		{"two slashes", "GET //evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", map[string]int{"plain": 308, "lane": 308, "tls": 404}},
	} {
		for way, open := range ways {
			t.Run(c.name+" over "+way, func(t *testing.T) {
				conn := open(t)
				if _, err := io.WriteString(conn, c.request); err != nil {
					t.Fatal(err)
				}
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if resp.StatusCode != c.status[way] {
					t.Errorf("%s, want %d", resp.Status, c.status[way])
				}
				if to := resp.Header.Get("Location"); to != "" && !strings.HasPrefix(to, s.public.base+"/") {
					t.Errorf("sent to %q", to)
				}
			})
		}
	}
	t.Run("CONNECT in HTTP/2", func(t *testing.T) {
		conn := dialTLS(t, s.hostPort(), "h2")
		request := append([]byte("\x02\x07CONNECT\x01"), byte(len(elsewhere)))
		request = append(request, elsewhere...)
		_, err := conn.Write(append([]byte(h2Preface), append(h2(h2Settings, 0, 0, nil), h2(h2Headers, h2EndHeaders, 1, request)...)...))
		if err != nil {
			t.Fatal(err)
		}
		if status := h2Status(t, conn); status != "421" {
			t.Errorf("answered with %q", status)
		}
	})
	other.Close()
	<-called
}

// h2Status reads frames up to the first answer, and returns its status where it
// stands as a literal without Huffman or in the static table.
func h2Status(t *testing.T, r io.Reader) string {
	t.Helper()
	head := make([]byte, 9)
	for {
		if _, err := io.ReadFull(r, head); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(r, b); err != nil {
			t.Fatal(err)
		}
		if head[3] != h2Headers {
			continue
		}
		static := map[byte]string{0x88: "200", 0x89: "204", 0x8a: "206", 0x8b: "304", 0x8c: "400", 0x8d: "404", 0x8e: "500"}
		if status := static[b[0]]; status != "" {
			return status
		}
		if len(b) < 5 || b[1]&0x80 != 0 { // a literal of ":status"; three digits are no longer with Huffman
			return decodeDigits(b)
		}
		return string(b[2 : 2+b[1]])
	}
}

// decodeDigits reads a Huffman literal of digits (RFC 7541 appendix B: 0 to 2
// have five bits, the others six).
func decodeDigits(b []byte) (text string) {
	var bits uint64
	for _, c := range b[2 : 2+int(b[1]&0x7f)] {
		bits = bits<<8 | uint64(c)
	}
	left := 8 * int(b[1]&0x7f)
	for left >= 5 {
		if five := bits >> (left - 5) & 31; five <= 2 {
			text, left = text+string('0'+rune(five)), left-5
			continue
		}
		if left < 6 {
			break
		}
		six := bits >> (left - 6) & 63
		if six < 0x19 || six > 0x1f {
			break
		}
		text, left = text+string('3'+rune(six-0x19)), left-6
	}
	return text
}
