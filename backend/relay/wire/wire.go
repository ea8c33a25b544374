package wire

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/relay/oneport"
	"github.com/porch-call/porch/backend/signalling"
)

// Times are how long a WebSocket waits for each thing.
type Times struct {
	Frame time.Duration // from a frame's first byte to its last
	Write time.Duration // of one frame
	Close time.Duration // for the other side to acknowledge a close
	Ping  time.Duration // between pings
	Pong  time.Duration // for the answer to one
}

// Wire is one WebSocket of this relay, with its deadlines. One goroutine reads;
// any may write.
type Wire struct {
	Times Times
	Conn  *oneport.Conn
	ws    *websocket.Conn

	late atomic.Bool // a message was not written in time, which ends the socket

	mu      sync.Mutex // guards what follows
	closing bool       // Close has set the read deadline for good
}

// Upgrade makes a WebSocket of a request. If it can't, it answers the request
// itself and returns false. The handler may return while the wire is in use.
func (k *Wire) Upgrade(w http.ResponseWriter, r *http.Request, subprotocol string, pong func() bool) bool {
	ws, err := websocket.Accept(slim{w}, r, &websocket.AcceptOptions{
		Subprotocols:       []string{subprotocol},
		InsecureSkipVerify: true, // the origin and its scheme have been checked
		CompressionMode:    websocket.CompressionDisabled,
		OnPingReceived:     func(context.Context, []byte) bool { return pong() },
	})
	if err != nil {
		return false
	}
	ws.SetReadLimit(-1) // Read limits each message itself
	k.ws = ws
	return true
}

// Read returns the next message, of at most limit bytes. It never holds more than
// that in memory. A message that has begun must go on within Times.Frame.
func (k *Wire) Read(limit func() int) (websocket.MessageType, []byte, error) {
	kind, r, err := k.ws.Reader(context.Background())
	if err != nil {
		return 0, nil, k.endOf(err)
	}
	k.Deadline(time.Now().Add(k.Times.Frame))
	defer k.Deadline(time.Time{})
	size := limit()
	b, err := io.ReadAll(io.LimitReader(r, int64(size)+1))
	if err != nil {
		return 0, nil, k.endOf(err)
	}
	if len(b) > size {
		return 0, nil, fault.Newf(fault.FrameTooLarge, "more than %d bytes", size)
	}
	return kind, b, nil
}

// endOf returns why reading ended.
func (k *Wire) endOf(err error) error {
	if k.late.Load() {
		return os.ErrDeadlineExceeded // of the other direction
	}
	return err
}

// Write reports whether the message was written. A message that is not written in
// time ends the socket. The reader is told why before the socket ends, and may be
// the first to report it.
func (k *Wire) Write(kind websocket.MessageType, b []byte) bool {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	timer := time.AfterFunc(k.Times.Write, func() {
		k.late.Store(true)
		cancel()
	})
	defer timer.Stop()
	return k.ws.Write(ctx, kind, b) == nil
}

// Close says goodbye and gives the other side Times.Close to answer.
func (k *Wire) Close(code signalling.CloseCode, reason fault.Code) {
	k.mu.Lock()
	k.closing = true
	_ = k.Conn.SetReadDeadline(time.Now().Add(k.Times.Close)) // an error shows at Read
	k.mu.Unlock()
	if code == signalling.CloseDone || code == signalling.CloseGone {
		reason = ""
	}
	_ = k.ws.Close(websocket.StatusCode(code), string(reason)) // the other side may be gone
}

// Deadline bounds reading, unless Close has done so for good.
func (k *Wire) Deadline(t time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closing {
		_ = k.Conn.SetReadDeadline(t) // an error shows at Read
	}
}

// CloseNow ends the socket without a closing handshake.
func (k *Wire) CloseNow() { _ = k.ws.CloseNow() }

// slimBuffer is enough for what is said before admission. Larger messages bypass
// the buffers.
const slimBuffer = 512

// slim is a ResponseWriter that hands out a connection with small buffers.
// net/http's are 4 KB each way, for as long as a socket is open.
type slim struct{ http.ResponseWriter }

// Hijack implements http.Hijacker.
func (w slim) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	// What has been read already must be in the new buffer, because the library
	// looks for it there.
	early, _ := rw.Peek(rw.Reader.Buffered()) // at most what is buffered
	r := bufio.NewReaderSize(io.MultiReader(&chunk{early}, c), max(slimBuffer, len(early)))
	_, _ = r.Peek(len(early))
	return c, bufio.NewReadWriter(r, bufio.NewWriterSize(c, slimBuffer)), nil
}

// chunk reads bytes once.
type chunk struct{ left []byte }

// Read implements io.Reader.
func (c *chunk) Read(p []byte) (int, error) {
	if len(c.left) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.left)
	c.left = c.left[n:]
	return n, nil
}

// Pulse pings a socket until it is stopped. A socket that does not answer is
// gone, although its connection may stay half open for hours. Between pings it
// has no goroutine.
type Pulse struct {
	ws              *websocket.Conn
	every, patience time.Duration
	dead            func() // called once, if a ping is not answered

	mu      sync.Mutex // guards what follows
	timer   *time.Timer
	stopped bool
	running sync.WaitGroup
}

// Pulse pings the other side until it is stopped. dead is called once, if a ping
// is not answered.
func (k *Wire) Pulse(dead func()) *Pulse {
	p := &Pulse{ws: k.ws, every: k.Times.Ping, patience: k.Times.Pong, dead: dead}
	p.mu.Lock()
	defer p.mu.Unlock()
	// Spreads the pings of sockets that were opened together.
	p.timer = time.AfterFunc(p.every/2+rand.N(p.every/2+1), p.beat)
	return p
}

func (p *Pulse) beat() {
	p.mu.Lock()
	if p.stopped {
		p.mu.Unlock()
		return
	}
	p.running.Add(1)
	p.mu.Unlock()
	defer p.running.Done()
	ctx, cancel := context.WithTimeout(context.Background(), p.patience)
	err := p.ws.Ping(ctx) // fails at once when the socket closes
	cancel()
	switch {
	case errors.Is(err, net.ErrClosed):
		return // the reader reports why
	case err != nil:
		p.dead()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stopped {
		p.timer.Reset(p.every)
	}
}

// Stop waits for a ping that is under way. Close the socket before it.
func (p *Pulse) Stop() {
	p.mu.Lock()
	p.stopped = true
	p.timer.Stop()
	p.mu.Unlock()
	p.running.Wait()
}

// Offers reports whether a request offers a subprotocol.
func Offers(r *http.Request, subprotocol string) bool {
	for _, v := range r.Header.Values("Sec-WebSocket-Protocol") {
		if slices.ContainsFunc(strings.Split(v, ","), func(p string) bool {
			return strings.TrimSpace(p) == subprotocol
		}) {
			return true
		}
	}
	return false
}

// RefuseTooFast answers a request of an address that asks too often.
func RefuseTooFast(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "2")
	http.Error(w, "too many requests", http.StatusTooManyRequests)
}
