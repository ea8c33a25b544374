package siege

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/guest"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

var b64 = base64.RawURLEncoding

func token() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	return b64.EncodeToString(b)
}

// honest is a guest that sends numbered sound and checks which numbers of the others arrive.
type honest struct {
	*guest.Guest
	track *webrtc.TrackLocalStaticRTP
	sent  atomic.Uint64 // the next number

	mu    sync.Mutex
	heard map[string]map[uint64]bool // by participant
}

const soundEvery = 20 * time.Millisecond

func join(t *testing.T, w *town, name string) *honest {
	t.Helper()
	track, err := webrtc.NewTrackLocalStaticRTP(
		webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}, "audio", "honest")
	must(t, err)
	h := &honest{track: track, heard: make(map[string]map[uint64]bool)}
	var tracks sync.WaitGroup
	w.letIn(t, name)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	h.Guest, err = guest.Join(ctx, w.link, guest.Options{
		Name: name, Tracks: []webrtc.TrackLocal{track}, HTTPClient: w.client("127.0.0.1"), CameraOff: true,
		OnTrack: func(tr *guest.Track) { tracks.Go(func() { h.listen(tr) }) },
	})
	must(t, err)
	stop := make(chan struct{})
	var sending sync.WaitGroup
	t.Cleanup(func() {
		close(stop)
		sending.Wait()
		_ = h.Leave() // the test checks how it ended
		tracks.Wait()
	})
	select {
	case <-h.Connected():
	case <-ctx.Done():
		t.Fatalf("%s has no connection", name)
	}
	sending.Go(func() { h.talk(stop) })
	return h
}

func (h *honest) talk(stop <-chan struct{}) {
	tick := time.NewTicker(soundEvery)
	defer tick.Stop()
	p := rtp.Packet{Header: rtp.Header{Version: 2}, Payload: make([]byte, 100)}
	for {
		select {
		case <-tick.C:
		case <-stop:
			return
		}
		n := h.sent.Load()
		binary.BigEndian.PutUint64(p.Payload[8:], n)
		p.SequenceNumber++
		p.Timestamp += 960
		if h.track.WriteRTP(&p) == nil {
			h.sent.Store(n + 1)
		}
	}
}

func (h *honest) listen(tr *guest.Track) {
	for {
		p, err := tr.ReadRTP()
		if err != nil {
			return
		}
		if len(p.Payload) != 100 {
			continue
		}
		h.mu.Lock()
		numbers := h.heard[tr.Participant]
		if numbers == nil {
			numbers = make(map[uint64]bool)
			h.heard[tr.Participant] = numbers
		}
		numbers[binary.BigEndian.Uint64(p.Payload[8:])] = true
		h.mu.Unlock()
	}
}

// missing returns how many of a participant's numbers from a to b did not arrive.
func (h *honest) missing(participant string, a, b uint64) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for ; a < b; a++ {
		if !h.heard[participant][a] {
			n++
		}
	}
	return n
}

// channel is a sealed channel to the host, without the rules that a guest follows.
type channel struct {
	ws     *websocket.Conn
	sealed *sealed.Channel
	secret sealed.Secret
	frames [][]byte // all sent frames, as the relay saw them
}

// dial opens a channel and sends the opening.
func dial(ctx context.Context, w *town, client *http.Client) (*channel, error) {
	_, id, secret, err := sealed.ParseAddress(w.link)
	if err != nil {
		return nil, err
	}
	ws, public, err := ask(ctx, w, client, id)
	if err != nil {
		return nil, err
	}
	opening, s, err := sealed.OpenGuest(public, id)
	c := &channel{ws: ws, sealed: s, secret: secret}
	if err == nil {
		err = c.raw(ctx, opening)
	}
	if err != nil {
		_ = ws.CloseNow()
		return nil, err
	}
	return c, nil
}

// ask opens a socket for a link, and returns the link's public key.
func ask(ctx context.Context, w *town, client *http.Client, id sealed.LinkID) (_ *websocket.Conn, public []byte, err error) {
	//nolint:bodyclose // the body is the socket, or was read
	ws, _, err := websocket.Dial(ctx, w.base+"/socket", &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{signalling.Subprotocol}})
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			_ = ws.CloseNow()
		}
	}()
	ws.SetReadLimit(1 << 20)
	b, err := signalling.Encode(signalling.Open{Version: signalling.ProtocolVersion, Link: string(id)})
	if err != nil {
		return nil, nil, err
	}
	if err := ws.Write(ctx, websocket.MessageText, b); err != nil {
		return nil, nil, err
	}
	if _, b, err = ws.Read(ctx); err != nil {
		return nil, nil, err
	}
	m, err := signalling.DecodeFromRelay(b)
	if err != nil {
		return nil, nil, err
	}
	opened, ok := m.(signalling.Opened)
	if !ok {
		return nil, nil, fmt.Errorf("siege: %s instead of an answer", m.Type())
	}
	public, err = b64.DecodeString(opened.PublicKey)
	return ws, public, err
}

func (c *channel) raw(ctx context.Context, frame []byte) error {
	c.frames = append(c.frames, frame)
	return c.ws.Write(ctx, websocket.MessageBinary, frame)
}

// say seals and sends any bytes.
func (c *channel) say(ctx context.Context, plain []byte) error {
	frame, err := c.sealed.Seal(plain)
	if err != nil {
		return err
	}
	return c.raw(ctx, frame)
}

func (c *channel) send(ctx context.Context, m signalling.Message) error {
	b, err := signalling.Encode(m)
	if err != nil {
		return err
	}
	return c.say(ctx, b)
}

func (c *channel) next(ctx context.Context) (signalling.Message, error) {
	_, frame, err := c.ws.Read(ctx)
	if err != nil {
		return nil, err
	}
	b, err := c.sealed.Open(frame)
	if err != nil {
		return nil, err
	}
	return signalling.DecodeFromHost(b, signalling.MaxFrame)
}

// greet opens a channel and says hello.
func greet(ctx context.Context, w *town, client *http.Client, device string) (*channel, error) {
	c, err := dial(ctx, w, client)
	if err != nil {
		return nil, err
	}
	err = c.send(ctx, signalling.Hello{Version: signalling.ProtocolVersion, Secret: c.secret.Reveal(), Device: device})
	if err == nil {
		_, err = c.next(ctx)
	}
	if err != nil {
		_ = c.ws.CloseNow()
		return nil, err
	}
	return c, nil
}

// until reads messages up to one of type M.
func until[M signalling.Message](ctx context.Context, c *channel) (m M, err error) {
	for {
		got, err := c.next(ctx)
		if err != nil {
			return m, err
		}
		if m, ok := got.(M); ok {
			return m, nil
		}
		if ended, ok := got.(signalling.Ended); ok {
			return m, errEnded(ended.Reason)
		}
	}
}

// owner is a hostile host at the relay.
type owner struct{ ws *websocket.Conn }

func register(ctx context.Context, w *town, client *http.Client) (*owner, error) {
	//nolint:bodyclose // the body is the socket, or was read
	ws, _, err := websocket.Dial(ctx, w.base+"/host", &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{signalling.HostSubprotocol}})
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(1 << 20)
	o := &owner{ws: ws}
	m, err := o.next(ctx)
	if err == nil {
		challenge, ok := m.(signalling.ChallengeHost)
		if !ok {
			return nil, fmt.Errorf("siege: %s", m.Type())
		}
		nonce, _ := b64.DecodeString(challenge.Nonce)
		public, key, _ := ed25519.GenerateKey(rand.Reader)
		err = o.say(ctx, signalling.Register{
			Version: signalling.HostVersion, Key: b64.EncodeToString(public),
			Signature: b64.EncodeToString(ed25519.Sign(key, append([]byte(signalling.RegisterContext+"localhost"), nonce...))),
		})
	}
	if err == nil {
		m, err = o.next(ctx)
	}
	if _, ok := m.(signalling.Registered); err == nil && !ok {
		err = fmt.Errorf("siege: %s instead of registered", m.Type())
	}
	if err != nil {
		_ = ws.CloseNow()
		return nil, err
	}
	return o, nil
}

func (o *owner) say(ctx context.Context, m signalling.Message) error {
	b, err := signalling.Encode(m)
	if err != nil {
		return err
	}
	return o.ws.Write(ctx, websocket.MessageText, b)
}

func (o *owner) next(ctx context.Context) (signalling.Message, error) {
	for {
		kind, b, err := o.ws.Read(ctx)
		if err != nil {
			return nil, err
		}
		if kind == websocket.MessageText {
			return signalling.DecodeFromRelayHost(b)
		}
	}
}

// told reads messages up to one of type M.
func told[M signalling.Message](ctx context.Context, o *owner) (m M, err error) {
	for {
		got, err := o.next(ctx)
		if err != nil {
			return m, err
		}
		if m, ok := got.(M); ok {
			return m, nil
		}
	}
}

// announce registers a link of the owner at the relay.
func (o *owner) announce(ctx context.Context) (sealed.LinkID, error) {
	keys, err := sealed.NewLinkKeys()
	if err != nil {
		return "", err
	}
	if err := o.say(ctx, signalling.Announce{Key: b64.EncodeToString(keys.Public())}); err != nil {
		return "", err
	}
	for {
		m, err := o.next(ctx)
		if err != nil {
			return "", err
		}
		switch m := m.(type) {
		case signalling.Prove:
			challenge, err := b64.DecodeString(m.Challenge)
			if err != nil {
				return "", err
			}
			answer, err := sealed.AnswerChallenge(keys, challenge)
			if err != nil {
				return "", err
			}
			if err := o.say(ctx, signalling.Proof{Link: m.Link, Answer: b64.EncodeToString(answer)}); err != nil {
				return "", err
			}
		case signalling.Announced:
			return keys.ID(), nil
		}
	}
}
