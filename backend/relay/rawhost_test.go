package relay

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"testing"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/relay/hosts"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// b64 is base64url without padding.
var b64 = base64.RawURLEncoding

// decoded returns the value of a text that is known to be base64url.
func decoded(text string) []byte {
	b, _ := b64.DecodeString(text)
	return b
}

// rawHost is a host's end of a connection, message by message.
type rawHost struct {
	t  *testing.T
	ws *websocket.Conn
}

func openHost(t *testing.T, s *Server) *rawHost {
	t.Helper()
	ws, _, err := dialAt(t, "ws://"+s.hostPort()+switchboard.HostPath, client(t, s), func(o *websocket.DialOptions) {
		o.Subprotocols = []string{signalling.HostSubprotocol}
	})
	if err != nil {
		t.Fatal(err)
	}
	return &rawHost{t, ws}
}

func (h *rawHost) say(m signalling.Message) {
	h.t.Helper()
	b, err := signalling.Encode(m)
	if err != nil {
		h.t.Fatal(err)
	}
	write(h.t, h.ws, websocket.MessageText, b)
}

func (h *rawHost) frame(channel uint32, frame []byte) {
	h.t.Helper()
	write(h.t, h.ws, websocket.MessageBinary, append(binary.BigEndian.AppendUint32(nil, channel), frame...))
}

// next returns the relay's next message, or frame.
func (h *rawHost) next() (signalling.Message, []byte) {
	h.t.Helper()
	kind, b, err := h.ws.Read(contextFor(h.t))
	if err != nil {
		h.t.Fatal(err)
	}
	if kind == websocket.MessageBinary {
		return nil, b
	}
	m, err := signalling.DecodeFromRelayHost(b)
	if err != nil {
		h.t.Fatal(err)
	}
	return m, nil
}

// told returns the relay's next message, which must be an M.
func told[M signalling.Message](h *rawHost) M {
	h.t.Helper()
	m, b := h.next()
	got, ok := m.(M)
	if !ok {
		var want M
		h.t.Fatalf("told %#v (%d bytes), want %s", m, len(b), want.Type())
	}
	return got
}

// tries answers the challenge and returns the relay's answer.
func (h *rawHost) tries(key ed25519.PrivateKey, token string, change func(*signalling.Register)) signalling.Message {
	h.t.Helper()
	nonce := decoded(told[signalling.ChallengeHost](h).Nonce)
	r := signalling.Register{
		Version:   signalling.HostVersion,
		Key:       b64.EncodeToString(key.Public().(ed25519.PublicKey)),
		Signature: b64.EncodeToString(ed25519.Sign(key, append([]byte(signalling.RegisterContext+"127.0.0.1"), nonce...))),
		Token:     token,
	}
	if change != nil {
		change(&r)
	}
	h.say(r)
	m, _ := h.next()
	return m
}

func hostKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (h *rawHost) registered(key ed25519.PrivateKey) signalling.Registered {
	h.t.Helper()
	r, ok := h.tries(key, "", nil).(signalling.Registered)
	if !ok {
		h.t.Fatal("not registered")
	}
	return r
}

// refused expects this code, and then the end of the connection.
func (h *rawHost) refused(code fault.Code) {
	h.t.Helper()
	if m := told[signalling.Refused](h); m.Code != string(code) {
		h.t.Errorf("refused with %s, want %s", m.Code, code)
	}
	if got, reason := closedWith(h.t, h.ws); got != signalling.CloseRefused || reason != string(code) {
		h.t.Errorf("closed with %d %q", got, reason)
	}
}

// proves answers the challenge of a link.
func (h *rawHost) proves(keys sealed.LinkKeys) {
	h.t.Helper()
	m := told[signalling.Prove](h)
	if m.Link != string(keys.ID()) {
		h.t.Fatalf("asked for %s", m.Link)
	}
	answer, err := sealed.AnswerChallenge(keys, decoded(m.Challenge))
	if err != nil {
		h.t.Fatal(err)
	}
	h.say(signalling.Proof{Link: m.Link, Answer: b64.EncodeToString(answer)})
}

func (h *rawHost) announces(keys sealed.LinkKeys) {
	h.t.Helper()
	h.say(signalling.Announce{Key: b64.EncodeToString(keys.Public())})
	h.proves(keys)
	if m := told[signalling.Announced](h); m.Link != string(keys.ID()) {
		h.t.Fatalf("announced %s", m.Link)
	}
}

func newLinkKeys(t *testing.T) sealed.LinkKeys {
	t.Helper()
	keys, err := sealed.NewLinkKeys()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func openToHosts(t *testing.T, change func(*Options)) *Server {
	t.Helper()
	return openRelay(t, func(o *Options) {
		o.Hosts = &hosts.Policy{Open: true}
		if change != nil {
			change(o)
		}
	})
}

// opens makes a guest open a link, and returns the relay's answer.
func opens(t *testing.T, s *Server, id sealed.LinkID) (*websocket.Conn, signalling.Message) {
	t.Helper()
	ws := mustDialApart(t, s)
	ask(t, ws, id)
	return ws, answer(t, ws)
}

func mustOpen(t *testing.T, s *Server, h *rawHost, id sealed.LinkID) (*websocket.Conn, uint32) {
	t.Helper()
	ws, m := opens(t, s, id)
	if _, ok := m.(signalling.Opened); !ok {
		t.Fatalf("answer %+v", m)
	}
	g := told[signalling.Guest](h)
	if g.Link != string(id) {
		t.Fatalf("a guest of %s", g.Link)
	}
	return ws, g.Channel
}
