package windowsocket

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/contain"
	"github.com/porch-call/porch/backend/signalling"
)

const (
	maxTexts     = 512     // messages waiting to be sent to the window
	maxTextBytes = 4 << 20 // their bytes
	inboxSize    = 64      // messages waiting for Recv; when it is full, reading pauses
)

// ErrClosed is returned by a Conn that has ended.
var ErrClosed = errors.New("windowsocket: the window's socket has ended")

// Conn is the socket of one window.
type Conn struct {
	ws     *websocket.Conn
	raw    net.Conn
	claims any
	inbox  chan received
	ready  chan struct{} // buffered 1; full means already woken
	over   chan struct{} // closed when Close is called
	done   chan struct{} // closed when the reader has ended

	mu        sync.Mutex
	texts     [][]byte
	textBytes int
	pictures  pictures
	files     [][]byte
	fileBytes int
	closing   bool
	reason    fault.Code
}

// received is a result of Recv.
type received struct {
	m   signalling.Message
	err error
}

func newConn(ws *websocket.Conn, raw net.Conn, claims any) *Conn {
	return &Conn{
		ws: ws, raw: raw, claims: claims,
		inbox: make(chan received, inboxSize), ready: make(chan struct{}, 1),
		over: make(chan struct{}), done: make(chan struct{}),
	}
}

// run is the life of the socket. It reads, and starts the writer and the handler. It returns when all three have
// ended. A panic of one ends the others.
func (c *Conn) run(lifetime context.Context, panics *contain.Panics, handler func(*Conn)) {
	stop := context.AfterFunc(lifetime, func() { c.Close(fault.ShuttingDown) })
	defer stop()
	var wg sync.WaitGroup
	contained := func(f func()) {
		if !panics.Run(f) {
			c.Close(fault.Internal)
		}
	}
	wg.Go(func() { contained(c.write) })
	wg.Go(func() {
		defer c.Close("")
		contained(func() { handler(c) })
	})
	contained(c.read)
	wg.Wait()
}

// Claims returns the value that was passed to Grant.
func (c *Conn) Claims() any { return c.claims }

// Send queues a message and never blocks. Messages are sent before waiting pictures. The error is [ErrClosed], an
// error of [signalling.Encode], or [fault.TooSlow]. TooSlow means that the window does not read and the queue is
// full; the socket is then closed.
func (c *Conn) Send(m signalling.Message) error {
	b, err := signalling.Encode(m)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return ErrClosed
	}
	return c.pushText(b)
}

// pushText queues a message. The caller holds mu.
func (c *Conn) pushText(b []byte) error {
	if len(c.texts) >= maxTexts || c.textBytes+len(b) > maxTextBytes {
		c.texts, c.textBytes = nil, 0
		c.finish(fault.TooSlow)
		return fault.New(fault.TooSlow, nil)
	}
	c.texts = append(c.texts, b)
	c.textBytes += len(b)
	c.wake()
	return nil
}

// SendFrame queues a picture and never blocks. It copies the payload. Frames of one participant must come from one
// goroutine at a time. The error is [ErrKeyframeWanted] or [ErrBehind] for a frame that was dropped,
// [fault.MessageInvalid] for one that can't be sent, [fault.TooSlow] as in Send, or [ErrClosed].
func (c *Conn) SendFrame(f VideoFrame) error {
	if len(f.Payload) == 0 || len(f.Payload) > MaxPicture {
		return fault.Newf(fault.MessageInvalid, "picture of %d bytes", len(f.Payload))
	}
	if err := checkParticipant(f.Participant); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return ErrClosed
	}
	s, isNew := c.pictures.sourceOf(f.Participant)
	if s == nil {
		return fault.Newf(fault.MessageInvalid, "more than %d sources", maxSources)
	}
	if isNew {
		b, err := signalling.Encode(source{Index: s.index, Participant: f.Participant})
		if err != nil {
			return err
		}
		if err := c.pushText(b); err != nil {
			return err
		}
	}
	if err := c.pictures.push(s, f); err != nil {
		return err
	}
	c.wake()
	return nil
}

// Recv returns the window's next message: one that guests send too, or [KeyframeWanted],
// [ScreensWanted], [ShareScreen], [SaveFile] or [FileFrame]. For a message that can't be
// read it returns the fault, and the socket stays open. When the socket has ended, it returns io.EOF.
func (c *Conn) Recv(ctx context.Context) (signalling.Message, error) {
	select {
	case r := <-c.inbox:
		return r.m, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.done:
	}
	select {
	case r := <-c.inbox:
		return r.m, r.err
	default:
		return nil, io.EOF
	}
}

// Close ends the socket after the queued messages were sent; waiting pictures are dropped. It does not wait, and may
// be called twice. The window sees reason with the close code 4400, or the code 1000 if reason is "" for an ordinary
// end.
func (c *Conn) Close(reason fault.Code) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finish(reason)
}

// finish gives the writer closeWithin to end. The caller holds mu.
func (c *Conn) finish(reason fault.Code) {
	if c.closing {
		return
	}
	c.closing, c.reason = true, reason
	close(c.over)
	c.pictures, c.files = pictures{}, nil
	_ = c.raw.SetDeadline(time.Now().Add(closeWithin)) // if it fails, reading and writing fail too
	c.wake()
}

// wake wakes the writer. The caller holds mu.
func (c *Conn) wake() {
	select {
	case c.ready <- struct{}{}:
	default:
	}
}

// write runs until the socket ends, and then closes it.
func (c *Conn) write() {
	for {
		kind, b, closed := c.next()
		if b == nil && closed {
			break
		}
		if b == nil {
			select {
			case <-c.ready:
				continue
			case <-c.done:
				return
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), writeWithin)
		err := c.ws.Write(ctx, kind, b)
		cancel()
		if err != nil {
			_ = c.ws.CloseNow()
			return
		}
	}
	code := websocket.StatusNormalClosure
	if c.reason != "" {
		code = closeFault
	}
	_ = c.ws.Close(code, string(c.reason)) // the window may be gone
}

// next returns what to write next. Messages come first, so that the window knows a source before its frames.
func (c *Conn) next() (kind websocket.MessageType, b []byte, closed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.texts) > 0 {
		b = c.texts[0]
		c.texts[0] = nil
		c.texts = c.texts[1:]
		c.textBytes -= len(b)
		return websocket.MessageText, b, c.closing
	}
	b, ok := c.pictures.pop()
	if !ok {
		b = c.popFile()
	}
	return websocket.MessageBinary, b, c.closing
}

// read runs until the socket ends.
func (c *Conn) read() {
	defer c.Close("")
	defer close(c.done)
	for {
		kind, b, err := c.ws.Read(context.Background())
		if err != nil {
			return
		}
		var m signalling.Message
		switch {
		case kind == websocket.MessageText:
			m, err = decodeWindow(b)
		case len(b) > 1 && b[0] == fileVersion:
			m = FileFrame{b[1:]}
		default:
			c.Close(fault.MessageUnexpected)
			continue
		}
		switch m := m.(type) {
		case enter:
			err = fault.Newf(fault.MessageUnexpected, "enter: already in")
		case taken:
			c.mu.Lock()
			ok := c.closing || c.pictures.take(m.Index, m.Frames)
			c.mu.Unlock()
			if ok {
				continue
			}
			err = fault.Newf(fault.MessageInvalid, "taken: frames that were not sent")
		}
		if err != nil {
			m = nil
		}
		select {
		case c.inbox <- received{m, err}: // when it is full, reading waits for Recv
		case <-c.over:
		}
	}
}
