package guest

import (
	"context"
	"encoding/base64"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

const (
	dialTimeout  = 10 * time.Second // until the host's Welcome
	writeTimeout = 10 * time.Second // for one frame
	socketPath   = "/socket"
)

// address is a parsed link.
type address struct {
	base   string
	id     sealed.LinkID
	secret sealed.Secret
}

// path is one sealed channel over one WebSocket. One goroutine receives, and any goroutine may send.
type path struct {
	ws      *websocket.Conn
	greeted bool // the host has answered; used only by the receiving goroutine

	mu      sync.Mutex // held while a frame is sealed and written, because frames are numbered in order
	channel *sealed.Channel
	openMu  sync.Mutex // guards the opening of frames, because a channel is not safe for concurrent use
}

// dial opens a channel and sends hello. ctx bounds all of that, but not the life of the path. welcome is the host's
// first message.
func dial(ctx context.Context, client *http.Client, a address, hello signalling.Hello) (_ *path, welcome signalling.Welcome, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, dialTimeout, fault.Newf(fault.RelayUnreachable, "no answer"))
	defer cancel()
	p, err := open(ctx, client, a)
	if err != nil {
		return nil, welcome, err
	}
	defer func() {
		if err != nil {
			p.abandon()
		}
	}()
	if err := p.send(ctx, hello); err != nil {
		return nil, welcome, err
	}
	m, err := p.receive(ctx)
	if err != nil {
		return nil, welcome, err
	}
	switch m := m.(type) {
	case signalling.Welcome:
		return p, m, nil
	case signalling.Ended:
		return nil, welcome, faultOf(m.Reason)
	case signalling.Fault:
		return nil, welcome, fault.Newf(fault.Code(m.Code), "the host refused hello")
	default:
		return nil, welcome, fault.Newf(fault.MessageUnexpected, "%s before welcome", m.Type())
	}
}

// open asks the relay for the host and opens the channel.
func open(ctx context.Context, client *http.Client, a address) (*path, error) {
	//nolint:bodyclose // the body is the socket, or was read
	ws, response, err := websocket.Dial(ctx, a.base+socketPath, &websocket.DialOptions{
		HTTPClient:   client,
		Subprotocols: []string{signalling.Subprotocol},
	})
	if err != nil {
		return nil, refusal(ctx, response, err)
	}
	p := &path{ws: ws}
	if err := p.begin(ctx, a); err != nil {
		p.abandon()
		return nil, lossOf(ctx, err, false)
	}
	return p, nil
}

// refusal returns the fault for a WebSocket that the relay did not open.
func refusal(ctx context.Context, r *http.Response, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case r != nil && r.StatusCode == http.StatusTooManyRequests:
		return fault.New(fault.TooFast, err)
	case r != nil && r.StatusCode == http.StatusForbidden:
		return fault.New(fault.OriginRefused, err)
	case r != nil && r.StatusCode >= 400 && r.StatusCode < 500:
		return fault.New(fault.RelayRefused, err)
	}
	return fault.New(fault.RelayUnreachable, err)
}

func (p *path) begin(ctx context.Context, a address) error {
	if p.ws.Subprotocol() != signalling.Subprotocol {
		return fault.Newf(fault.RelayRefused, "another subprotocol")
	}
	question, err := signalling.Encode(signalling.Open{Version: signalling.ProtocolVersion, Link: string(a.id)})
	if err != nil {
		return err
	}
	if err := p.ws.Write(ctx, websocket.MessageText, question); err != nil {
		return err
	}
	p.ws.SetReadLimit(signalling.MaxRelayMessage)
	kind, b, err := p.ws.Read(ctx)
	if err != nil {
		return err
	}
	if kind != websocket.MessageText {
		return fault.Newf(fault.MessageUnexpected, "a frame before the relay's answer")
	}
	answer, err := signalling.DecodeFromRelay(b)
	if err != nil {
		return err
	}
	opened, ok := answer.(signalling.Opened)
	if !ok {
		return noteFault(a, answer.(signalling.Unavailable)) // the only other type
	}
	public, err := base64.RawURLEncoding.DecodeString(opened.PublicKey)
	if err != nil {
		return fault.New(fault.KeyMismatch, err)
	}
	opening, channel, err := sealed.OpenGuest(public, a.id)
	if err != nil {
		return err
	}
	p.channel = channel
	p.ws.SetReadLimit(sealed.MaxFrame)
	return p.ws.Write(ctx, websocket.MessageBinary, opening)
}

// noteFault returns the fault for a link that does not answer, as far as its note tells.
func noteFault(a address, u signalling.Unavailable) error {
	note, err := base64.RawURLEncoding.DecodeString(u.Note)
	if err != nil {
		return fault.New(fault.MessageInvalid, err)
	}
	reason, err := sealed.OpenNote(a.secret, a.id, note)
	if err != nil {
		return err
	}
	switch reason {
	case sealed.NoteSpent:
		return fault.New(fault.LinkSpent, nil)
	case sealed.NoteRemoved:
		return fault.New(fault.LinkRemoved, nil)
	}
	return fault.New(fault.LinkUnavailable, nil)
}

// send seals and writes one message.
func (p *path) send(ctx context.Context, m signalling.Message) error {
	plain, err := signalling.Encode(m)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.openMu.Lock()
	frame, err := p.channel.Seal(plain)
	p.openMu.Unlock()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, writeTimeout, fault.Newf(fault.RelayUnreachable, "a write took too long"))
	defer cancel()
	if err := p.ws.Write(ctx, websocket.MessageBinary, frame); err != nil {
		return lossOf(ctx, err, true)
	}
	return nil
}

// receive returns the host's next message. It skips types that this guest does not know.
func (p *path) receive(ctx context.Context) (signalling.Message, error) {
	for {
		kind, frame, err := p.ws.Read(ctx)
		if err != nil {
			return nil, lossOf(ctx, err, p.greeted)
		}
		if kind != websocket.MessageBinary {
			return nil, fault.Newf(fault.MessageUnexpected, "text in a sealed channel")
		}
		p.openMu.Lock()
		plain, err := p.channel.Open(frame)
		p.openMu.Unlock()
		if err != nil {
			return nil, err
		}
		p.greeted = true
		m, err := signalling.DecodeFromHost(plain, signalling.MaxFrame)
		if fault.CodeOf(err) == fault.MessageUnknown {
			continue
		}
		return m, err
	}
}

// close closes the WebSocket with a close frame.
func (p *path) close() {
	_ = p.ws.Close(websocket.StatusCode(signalling.CloseDone), "") // the path may be gone
}

// abandon drops the connection.
func (p *path) abandon() { _ = p.ws.CloseNow() }
