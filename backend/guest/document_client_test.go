package guest_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// This file is a client written from docs/protocol.md alone, so the page must contain everything that it needs. It
// imports no package of ours (TestTheDocumentIsEnough checks that).

// documentClient is the guest's end of a sealed channel.
type documentClient struct {
	id, secret string
	ws         *websocket.Conn
	public     []byte

	sender            *hpke.Sender
	guest, host       cipher.AEAD // nil before the host's frame 0
	guestIV, hostIV   []byte
	sent, received    uint64
	device, seat, you string
}

// documentMessage is a message of section 5: a type and a payload.
type documentMessage struct {
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

var base64url = base64.RawURLEncoding.Strict()

func documentToken() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return base64url.EncodeToString(b[:])
}

// documentOpen implements sections 1 to 3. It opens a channel to an address and sends the opening.
func documentOpen(ctx context.Context, address string) (*documentClient, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	c := &documentClient{id: strings.TrimPrefix(u.Path, "/j/"), secret: u.Fragment, device: documentToken()}
	transport := &http.Transport{
		// Section 2: the certificate of a network address proves nothing. The host's key does.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
	}
	defer transport.CloseIdleConnections()
	//nolint:bodyclose // the body is the socket
	c.ws, _, err = websocket.Dial(ctx, u.Scheme+"://"+u.Host+"/socket", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, Subprotocols: []string{"porch.v1"},
	})
	if err != nil {
		return nil, err
	}
	c.ws.SetReadLimit(262_144 + 56)
	question := fmt.Sprintf(`{"type":"open","payload":{"version":1,"link":%q}}`, c.id)
	if err := c.ws.Write(ctx, websocket.MessageText, []byte(question)); err != nil {
		return nil, err
	}
	_, b, err := c.ws.Read(ctx)
	if err != nil {
		return nil, err
	}
	var opened struct {
		Type    string
		Payload struct{ PublicKey string }
	}
	if err := json.Unmarshal(b, &opened); err != nil || opened.Type != "opened" {
		return nil, fmt.Errorf("the relay says %s", b)
	}
	if c.public, err = base64url.DecodeString(opened.Payload.PublicKey); err != nil {
		return nil, err
	}
	if hash := sha256.Sum256(c.public); base64url.EncodeToString(hash[:16]) != c.id {
		return nil, fmt.Errorf("key-mismatch")
	}
	key, err := hpke.DHKEM(ecdh.P256()).NewPublicKey(c.public)
	if err != nil {
		return nil, err
	}
	enc, sender, err := hpke.NewSender(key, hpke.HKDFSHA256(), hpke.AES128GCM(), []byte("porch channel v1 "+c.id))
	if err != nil {
		return nil, err
	}
	c.sender = sender
	return c, c.ws.Write(ctx, websocket.MessageBinary, enc)
}

// nonce returns the nonce of frame n (RFC 9180 section 5.2).
func nonce(iv []byte, n uint64) []byte {
	out := append([]byte(nil), iv...)
	last := out[len(out)-8:]
	binary.BigEndian.PutUint64(last, binary.BigEndian.Uint64(last)^n)
	return out
}

// send seals a message and sends it. The payload is encoded by encoding/json.
func (c *documentClient) send(ctx context.Context, kind string, payload any) error {
	raw, err := json.Marshal(payload)
	if err != nil {
		return err
	}
	plain, err := json.Marshal(documentMessage{kind, raw})
	if err != nil {
		return err
	}
	number := binary.BigEndian.AppendUint64(nil, c.sent)
	frame := number
	if c.sent == 0 {
		sealed, err := c.sender.Seal(number, plain)
		if err != nil {
			return err
		}
		frame = append(frame, sealed...)
	} else {
		frame = c.guest.Seal(frame, nonce(c.guestIV, c.sent), plain, number)
	}
	c.sent++
	return c.ws.Write(ctx, websocket.MessageBinary, frame)
}

// receive reads and opens the host's next message.
func (c *documentClient) receive(ctx context.Context) (m documentMessage, err error) {
	_, frame, err := c.ws.Read(ctx)
	if err != nil {
		return m, err
	}
	if c.received == 0 {
		if len(frame) < 32 {
			return m, fmt.Errorf("frame-truncated")
		}
		if err := c.derive(frame[:32]); err != nil {
			return m, err
		}
		frame = frame[32:]
	}
	if len(frame) < 8+16 {
		return m, fmt.Errorf("frame-truncated")
	}
	if n := binary.BigEndian.Uint64(frame); n != c.received {
		return m, fmt.Errorf("frame %d, want %d", n, c.received)
	}
	plain, err := c.host.Open(nil, nonce(c.hostIV, c.received), frame[8:], frame[:8])
	if err != nil {
		return m, err
	}
	c.received++
	return m, json.Unmarshal(plain, &m)
}

// derive derives the session keys from the host's salt.
func (c *documentClient) derive(salt []byte) error {
	exported, err := c.sender.Export("porch session v1", 32)
	if err != nil {
		return err
	}
	prk, err := hkdf.Extract(sha256.New, exported, salt)
	if err != nil {
		return err
	}
	for _, one := range []struct {
		label string
		key   *cipher.AEAD
		iv    *[]byte
	}{{"guest", &c.guest, &c.guestIV}, {"host", &c.host, &c.hostIV}} {
		key, err := hkdf.Expand(sha256.New, prk, "porch "+one.label+" key v1", 16)
		if err != nil {
			return err
		}
		if *one.iv, err = hkdf.Expand(sha256.New, prk, "porch "+one.label+" nonce v1", 12); err != nil {
			return err
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return err
		}
		if *one.key, err = cipher.NewGCM(block); err != nil {
			return err
		}
	}
	return nil
}

// knock implements section 6 up to admission: hello, welcome, knock, waiting, admitted.
func (c *documentClient) knock(ctx context.Context, name string) error {
	err := c.send(ctx, "hello", map[string]any{"version": 1, "secret": c.secret, "device": c.device})
	if err != nil {
		return err
	}
	for {
		m, err := c.receive(ctx)
		if err != nil {
			return err
		}
		switch m.Type {
		case "welcome":
			if err := c.send(ctx, "knock", map[string]any{"name": name}); err != nil {
				return err
			}
		case "admitted":
			var admitted struct{ Participant, Seat, Farewell string }
			if err := json.Unmarshal(m.Payload, &admitted); err != nil {
				return err
			}
			c.you, c.seat = admitted.Participant, admitted.Seat
			if admitted.Farewell != "" {
				return c.send(ctx, "seated", struct{}{})
			}
			return nil
		case "declined", "ended", "fault":
			return fmt.Errorf("%s: %s", m.Type, m.Payload)
		}
	}
}

// leave gives up the seat.
func (c *documentClient) leave() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := c.send(ctx, "leave", struct{}{}); err != nil {
		return err
	}
	if err := c.ws.Close(1000, ""); !errors.Is(err, net.ErrClosed) { // the relay may be the first to close
		return err
	}
	return nil
}
