package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// b64 is base64url without padding.
var b64 = base64.RawURLEncoding

// The second byte of the source addresses in 127.0.0.0/8, by kind of client.
const (
	hosting byte = 1 + iota
	waiting
	passing
)

// Pings on a host's connection, as the app sends them. Browsers send none.
const (
	pingEvery = 10 * time.Second
	pongIn    = 8 * time.Second
)

// street is all clients of one relay: hosts, and guests who wait for them. It speaks the whole protocol
// (docs/protocol.md) in less memory than the app and a browser need.
type street struct {
	relay *relayProcess
	tls   *tls.Config

	ctx     context.Context // ended when all clients leave
	leave   context.CancelFunc
	wg      sync.WaitGroup
	dropped atomic.Int64

	mu      sync.Mutex
	clients map[[3]byte]*http.Client // by source address
	links   []sealed.LinkID
	knocks  map[string]*visitor // by device; guests whose frames are on their way
}

func newStreet(p *relayProcess) *street {
	s := &street{
		relay: p, tls: &tls.Config{RootCAs: p.roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}},
		clients: make(map[[3]byte]*http.Client), knocks: make(map[string]*visitor),
	}
	s.ctx, s.leave = context.WithCancel(context.Background())
	return s
}

// close makes all clients leave.
func (s *street) close() {
	s.leave()
	s.wg.Wait()
}

// missing returns how many clients are no longer connected, at this end or at the relay's.
func (s *street) missing(ctx context.Context, hosts, guests int) (int64, error) {
	m, err := s.relay.metrics(ctx)
	if err != nil {
		return 0, err
	}
	gone := s.dropped.Load()
	for what, n := range map[string]int{"hosts": hosts, "links": hosts, "guests": guests} {
		gone = max(gone, int64(n)-int64(m[`porch_open{what="`+what+`"}`]))
	}
	return gone, nil
}

// client returns a client that dials from the address for number i of a kind.
func (s *street) client(kind byte, i int) *http.Client {
	n := i / perAddress
	from := [3]byte{kind, byte(n / 250), byte(1 + n%250)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.clients[from]; c != nil {
		return c
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, from[0], from[1], from[2])}}
	c := &http.Client{Transport: &http.Transport{
		TLSClientConfig: s.tls, DisableKeepAlives: true, ReadBufferSize: 1024, WriteBufferSize: 1024,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return d.DialContext(ctx, network, s.relay.at)
		},
	}}
	s.clients[from] = c
	return c
}

func (s *street) dial(ctx context.Context, c *http.Client, path, subprotocol string) (*websocket.Conn, error) {
	//nolint:bodyclose // the body is the socket, or was read
	ws, _, err := websocket.Dial(ctx, s.relay.base+path, &websocket.DialOptions{
		HTTPClient: c, Subprotocols: []string{subprotocol}, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(sealed.MaxFrame + signalling.ChannelSize)
	return ws, nil
}

func say(ctx context.Context, ws *websocket.Conn, m signalling.Message) error {
	b, err := signalling.Encode(m)
	if err != nil {
		return err
	}
	return ws.Write(ctx, websocket.MessageText, b)
}

// told returns the relay's next message, which must be of type M.
func told[M signalling.Message](ctx context.Context, ws *websocket.Conn, decode func([]byte) (signalling.Message, error)) (got M, err error) {
	_, b, err := ws.Read(ctx)
	if err != nil {
		return got, err
	}
	m, err := decode(b)
	if err != nil {
		return got, err
	}
	got, ok := m.(M)
	if !ok {
		return got, fmt.Errorf("the relay says %q, not %q", m.Type(), got.Type())
	}
	return got, nil
}

// hostConn is a host's connection with its only link.
type hostConn struct {
	s    *street
	ws   *websocket.Conn
	keys sealed.LinkKeys

	at map[uint32]*sealed.Channel // by channel number; nil before the opening; used only by the reader
}

// openHost dials in, registers and announces a link.
func (s *street) openHost(ctx context.Context, i int) error {
	keys, err := sealed.NewLinkKeys()
	if err != nil {
		return err
	}
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	ws, err := s.dial(ctx, s.client(hosting, i), switchboard.HostPath, signalling.HostSubprotocol)
	if err != nil {
		return err
	}
	challenge, err := told[signalling.ChallengeHost](ctx, ws, signalling.DecodeFromRelayHost)
	if err != nil {
		return err
	}
	nonce, err := b64.DecodeString(challenge.Nonce)
	if err != nil {
		return err
	}
	signature := ed25519.Sign(key, append([]byte(signalling.RegisterContext+"localhost"), nonce...))
	if err := say(ctx, ws, signalling.Register{
		Version: signalling.HostVersion, Key: b64.EncodeToString(public), Signature: b64.EncodeToString(signature),
	}); err != nil {
		return err
	}
	if _, err := told[signalling.Registered](ctx, ws, signalling.DecodeFromRelayHost); err != nil {
		return err
	}
	if err := say(ctx, ws, signalling.Announce{Key: b64.EncodeToString(keys.Public())}); err != nil {
		return err
	}
	prove, err := told[signalling.Prove](ctx, ws, signalling.DecodeFromRelayHost)
	if err != nil {
		return err
	}
	question, err := b64.DecodeString(prove.Challenge)
	if err != nil {
		return err
	}
	answer, err := sealed.AnswerChallenge(keys, question)
	if err != nil {
		return err
	}
	if err := say(ctx, ws, signalling.Proof{Link: prove.Link, Answer: b64.EncodeToString(answer)}); err != nil {
		return err
	}
	if _, err := told[signalling.Announced](ctx, ws, signalling.DecodeFromRelayHost); err != nil {
		return err
	}
	h := &hostConn{s: s, ws: ws, keys: keys, at: make(map[uint32]*sealed.Channel)}
	s.wg.Go(h.listen)
	s.wg.Go(h.ping)
	s.mu.Lock()
	s.links = append(s.links, keys.ID())
	s.mu.Unlock()
	return nil
}

func (h *hostConn) ping() {
	wait := mathrand.N(pingEvery)
	for sleep(h.s.ctx, wait) == nil {
		wait = pingEvery
		ctx, cancel := context.WithTimeout(h.s.ctx, pongIn)
		err := h.ws.Ping(ctx)
		cancel()
		if err != nil {
			_ = h.ws.CloseNow() // listen counts it
			return
		}
	}
}

// listen answers guests until the street is closed.
func (h *hostConn) listen() {
	defer func() { _ = h.ws.CloseNow() }()
	for {
		kind, b, err := h.ws.Read(h.s.ctx)
		arrived := time.Now()
		if err == nil && kind == websocket.MessageBinary {
			err = h.frame(b, arrived)
		} else if err == nil {
			err = h.message(b)
		}
		if err != nil {
			h.s.drop(err)
			return
		}
	}
}

// drop counts an end that this program did not cause.
func (s *street) drop(err error) {
	if s.ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "dropped:", err)
		s.dropped.Add(1)
	}
}

func (h *hostConn) message(b []byte) error {
	m, err := signalling.DecodeFromRelayHost(b)
	if err != nil {
		return err
	}
	switch m := m.(type) {
	case signalling.Guest:
		h.at[m.Channel] = nil
	case signalling.Closed:
		delete(h.at, m.Channel)
	}
	return nil
}

// frame handles a frame from a guest: an opening, Hello, or Knock.
func (h *hostConn) frame(b []byte, arrived time.Time) error {
	if len(b) < signalling.ChannelSize {
		return errors.New("a frame of no channel")
	}
	number, frame := binary.BigEndian.Uint32(b), b[signalling.ChannelSize:]
	c, known := h.at[number]
	if !known {
		return nil // the guest has gone
	}
	if c == nil {
		c, err := sealed.OpenHost(h.keys, frame)
		h.at[number] = c
		return err
	}
	plain, err := c.Open(frame)
	if err != nil {
		return err
	}
	m, err := signalling.DecodeFromGuest(plain, signalling.MaxFrame)
	if err != nil {
		return err
	}
	switch m := m.(type) {
	case signalling.Hello:
		h.s.visitorOf(m.Device).heard <- arrived
		return h.reply(number, c, signalling.Welcome{Version: signalling.ProtocolVersion, HostName: "Load"})
	case signalling.Knock:
		h.s.visitorOf(m.Name).rang <- arrived
		return h.reply(number, c, signalling.Waiting{Bell: signalling.BellRung})
	}
	return fmt.Errorf("a guest says %q", m.Type())
}

func (h *hostConn) reply(number uint32, c *sealed.Channel, m signalling.Message) error {
	plain, err := signalling.Encode(m)
	if err != nil {
		return err
	}
	frame, err := c.Seal(plain)
	if err != nil {
		return err
	}
	return h.ws.Write(h.s.ctx, websocket.MessageBinary, append(binary.BigEndian.AppendUint32(nil, number), frame...))
}

// visitor is a guest, and how long each step up to the bell took.
type visitor struct {
	ws                   *websocket.Conn
	device               string
	heard, rang          chan time.Time // buffered 1
	opening, first, bell time.Duration
}

// visitorOf returns the guest of a device. For an unknown device it returns a new visitor that is not used elsewhere.
func (s *street) visitorOf(device string) *visitor {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.knocks[device]; v != nil {
		return v
	}
	return &visitor{heard: make(chan time.Time, 1), rang: make(chan time.Time, 1)}
}

// openGuest opens a random link of the hosts at home, and returns when the bell has rung. home is this street, or one
// at another node of its relay.
func (s *street) openGuest(ctx context.Context, home *street, kind byte, i int) (v *visitor, err error) {
	device := make([]byte, 16)
	_, _ = rand.Read(device) // never fails
	name := b64.EncodeToString(device)
	v = &visitor{device: name, heard: make(chan time.Time, 1), rang: make(chan time.Time, 1)}
	client := s.client(kind, i)
	home.mu.Lock()
	link := home.links[mathrand.N(len(home.links))]
	home.knocks[name] = v
	home.mu.Unlock()
	defer func() { // v is nil after an error
		home.mu.Lock()
		delete(home.knocks, name)
		home.mu.Unlock()
	}()

	began := time.Now()
	if v.ws, err = s.dial(ctx, client, switchboard.SocketPath, signalling.Subprotocol); err != nil {
		return nil, err
	}
	if err := say(ctx, v.ws, signalling.Open{Version: signalling.ProtocolVersion, Link: string(link)}); err != nil {
		return nil, err
	}
	opened, err := told[signalling.Opened](ctx, v.ws, signalling.DecodeFromRelay)
	if err != nil {
		return nil, err
	}
	v.opening = time.Since(began)
	public, err := b64.DecodeString(opened.PublicKey)
	if err != nil {
		return nil, err
	}
	first, c, err := sealed.OpenGuest(public, link)
	if err != nil {
		return nil, err
	}
	hello, err := signalling.Encode(signalling.Hello{
		Version: signalling.ProtocolVersion, Secret: sealed.NewSecret().Reveal(), Device: v.device,
	})
	if err != nil {
		return nil, err
	}
	frame, err := c.Seal(hello)
	if err != nil {
		return nil, err
	}
	sent := time.Now()
	if err := v.ws.Write(ctx, websocket.MessageBinary, first); err != nil {
		return nil, err
	}
	if err := v.ws.Write(ctx, websocket.MessageBinary, frame); err != nil {
		return nil, err
	}
	if v.first, err = after(ctx, sent, v.heard); err != nil {
		return nil, err
	}
	kindOf, frame, err := v.ws.Read(ctx)
	if err != nil || kindOf != websocket.MessageBinary {
		return nil, errors.Join(errors.New("no welcome"), err)
	}
	if _, err := c.Open(frame); err != nil {
		return nil, err
	}
	knock, err := signalling.Encode(signalling.Knock{Name: v.device, CameraOff: true})
	if err != nil {
		return nil, err
	}
	if frame, err = c.Seal(knock); err != nil {
		return nil, err
	}
	sent = time.Now()
	if err := v.ws.Write(ctx, websocket.MessageBinary, frame); err != nil {
		return nil, err
	}
	v.bell, err = after(ctx, sent, v.rang)
	return v, err
}

// after returns how long after sent something was seen.
func after(ctx context.Context, sent time.Time, seen <-chan time.Time) (time.Duration, error) {
	select {
	case at := <-seen:
		return at.Sub(sent), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// stay keeps a guest waiting until the street is closed.
func (s *street) stay(v *visitor) {
	s.wg.Go(func() {
		defer func() { _ = v.ws.CloseNow() }()
		for {
			if _, _, err := v.ws.Read(s.ctx); err != nil {
				s.drop(err)
				return
			}
		}
	})
}
