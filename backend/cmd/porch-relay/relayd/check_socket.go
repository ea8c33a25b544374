package relayd

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"time"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// socket asks for a link that does not exist, as a guest with an old address
// does.
func (c *checker) socket(ctx context.Context) {
	const what = "guests"
	for _, a := range c.addresses {
		ctx, cancel := context.WithTimeout(ctx, c.timeout)
		took, err := c.ask(ctx, func() (*websocket.Conn, func(), error) {
			client, free := c.client(a, c.port)
			//nolint:bodyclose // its body is the socket, or read already
			ws, _, err := websocket.Dial(ctx, c.base()+switchboard.SocketPath, &websocket.DialOptions{
				HTTPClient: client, Subprotocols: []string{signalling.Subprotocol},
			})
			return ws, free, err
		})
		cancel()
		if err != nil {
			c.bad(what, "an unknown link was not answered as it should be: "+err.Error(), "something between may not let WebSockets through, or is no relay of this version")
			continue
		}
		c.ok(what, "are told of unknown links what they should be, after %s", took.Round(time.Millisecond))
	}
}

var errAnswer = errors.New("another answer came")

func (c *checker) ask(ctx context.Context, dial func() (*websocket.Conn, func(), error)) (took time.Duration, err error) {
	ws, free, err := dial()
	defer free()
	if err != nil {
		return 0, errors.New("no WebSocket")
	}
	defer func() { _ = ws.CloseNow() }()
	ws.SetReadLimit(signalling.MaxRelayMessage)
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	question, err := signalling.Encode(signalling.Open{Version: signalling.ProtocolVersion, Link: base64.RawURLEncoding.EncodeToString(id[:])})
	if err != nil {
		return 0, err
	}
	asked := time.Now()
	if err := ws.Write(ctx, websocket.MessageText, question); err != nil {
		return 0, errors.New("the socket closed")
	}
	kind, b, err := ws.Read(ctx)
	if err != nil || kind != websocket.MessageText {
		return 0, errors.New("no answer")
	}
	took = time.Since(asked)
	m, err := signalling.DecodeFromRelay(b)
	if err != nil {
		return 0, errAnswer
	}
	answer, ok := m.(signalling.Unavailable)
	if !ok {
		return 0, errAnswer
	}
	if note, err := base64.RawURLEncoding.DecodeString(answer.Note); err != nil || len(note) != sealed.NoteSize {
		return 0, errAnswer
	}
	if _, _, err := ws.Read(ctx); websocket.CloseStatus(err) != websocket.StatusCode(signalling.CloseUnavailable) {
		return 0, errAnswer
	}
	return took, nil
}
