package client

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/time/rate"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/netaddr"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// Bounds of one connection: what a relay that lies, or does not read, can cost.
const (
	maxMessage  = signalling.ChannelSize + sealed.MaxFrame
	maxGuests   = 1024     // channels
	maxPerLink  = 256      // of the channels, at one link
	maxQueued   = 64 << 20 // bytes of frames that wait, both ways, in all channels together
	maxOutgoing = 4096     // messages that wait to be written
	maxWanted   = 256      // requests for credentials that wait for an answer

	// Bytes read, a second and at once. More than that waits in the network.
	readRate, readBurst = 4 << 20, 32 << 20
	readCost            = 512 // bytes that a message counts for at the least
)

// hostConn is one WebSocket to the relay that has registered. One goroutine
// reads, one writes messages and one pings. For each guest, one more writes the
// guest's frames.
type hostConn struct {
	client *Client
	ws     *websocket.Conn
	local  netip.Addr // of this machine, where the connection begins; zero if unknown
	remote netip.Addr // of the relay; zero if unknown
	offer  Offer
	pace   *rate.Limiter
	budget *switchboard.Budget
	out    chan outgoing
	done   chan struct{} // closed by fail
	err    error         // why it ended; set before done is closed
	moving chan struct{} // closed when the relay is about to close
	pings  chan time.Duration
	wg     sync.WaitGroup
	guests sync.WaitGroup // counts the guests' goroutines, which wg counts, too

	mu       sync.Mutex // guards what follows; acquired after Client.mu
	ended    bool
	moved    bool
	leaving  bool // takes no further guests
	channels map[uint32]*guest
	perLink  map[sealed.LinkID]int
	request  uint32
	wanted   map[uint32]chan signalling.Credentials
}

// outgoing is a message that waits to be written. flushed may be nil. It is
// closed when all before it has been written.
type outgoing struct {
	b       []byte
	flushed chan struct{}
}

func newHostConn(c *Client, ws *websocket.Conn) *hostConn {
	ws.SetReadLimit(maxMessage)
	return &hostConn{
		client: c, ws: ws,
		pace:   rate.NewLimiter(readRate, readBurst),
		budget: switchboard.NewBudget(maxQueued),
		out:    make(chan outgoing, maxOutgoing),
		done:   make(chan struct{}), moving: make(chan struct{}),
		pings:    make(chan time.Duration, 1),
		channels: make(map[uint32]*guest), perLink: make(map[sealed.LinkID]int),
		wanted: make(map[uint32]chan signalling.Credentials),
	}
}

func (h *hostConn) start() {
	for _, f := range []func(){h.read, h.write, h.ping} {
		h.wg.Go(func() {
			if !h.client.panics.Run(f) {
				h.fail(fault.Newf(fault.RelayUnreachable, "a panic"))
			}
		})
	}
}

func isDone(h *hostConn) bool {
	select {
	case <-h.done:
		return true
	default:
		return false
	}
}

// fail ends the connection: guests' channels close, and waiting callers get an
// answer. The first reason stands.
func (h *hostConn) fail(err error) {
	h.mu.Lock()
	if h.ended {
		h.mu.Unlock()
		return
	}
	h.ended, h.err = true, err
	open := h.channels
	h.channels = nil
	h.mu.Unlock()
	close(h.done)
	for _, g := range open {
		g.far.Close(signalling.CloseHostGone)
	}
	_ = h.ws.CloseNow() // closes without a closing handshake
}

// retire ends a connection that another has replaced.
func (h *hostConn) retire() {
	h.fail(fault.Newf(fault.LineReplaced, "another line is open"))
	h.wg.Wait()
}

// leave ends the connection because the app closes. It first sends what was said
// before, for as long as times.farewell.
func (h *hostConn) leave() {
	late := time.AfterFunc(h.client.times.farewell, func() { h.fail(fault.New(fault.ShuttingDown, nil)) })
	defer late.Stop()
	h.mu.Lock()
	h.leaving = true
	open := make([]*guest, 0, len(h.channels))
	for _, g := range h.channels {
		open = append(open, g)
	}
	h.mu.Unlock()
	for _, g := range open {
		g.far.Close(signalling.CloseHostGone) // no effect if the host has closed it
	}
	h.guests.Wait()
	flushed := make(chan struct{})
	select {
	case h.out <- outgoing{flushed: flushed}:
		select {
		case <-flushed:
		case <-h.done:
		}
	case <-h.done:
	}
	h.fail(fault.New(fault.ShuttingDown, nil))
	h.wg.Wait()
}

// tell queues a message, and never blocks. If a relay reads so little that the
// queue is full, it loses the connection.
func (h *hostConn) tell(m signalling.Message) {
	b, err := signalling.Encode(m)
	if err != nil {
		h.client.log.Error("relay line: encode", "type", m.Type(), "error", err)
		return
	}
	select {
	case h.out <- outgoing{b: b}:
	default:
		h.fail(fault.New(fault.TooSlow, nil))
	}
}

// write writes the queued messages.
func (h *hostConn) write() {
	for {
		select {
		case o := <-h.out:
			if o.flushed != nil {
				close(o.flushed)
			} else if !h.send(websocket.MessageText, o.b) {
				return
			}
		case <-h.done:
			return
		}
	}
}

// send writes one message. A write that takes too long ends the connection.
func (h *hostConn) send(kind websocket.MessageType, b []byte) bool {
	ctx, cancel := context.WithTimeout(context.Background(), h.client.times.write)
	defer cancel()
	if err := h.ws.Write(ctx, kind, b); err != nil {
		h.fail(lost(err))
		return false
	}
	return true
}

// ping pings until the connection ends. It ends the connection if the relay does
// not answer, or if this machine no longer has the address at which the
// connection began.
func (h *hostConn) ping() {
	tick := time.NewTicker(h.client.times.ping)
	defer tick.Stop()
	look := time.NewTicker(h.client.times.look)
	defer look.Stop()
	for {
		patience := h.client.times.pong
		select {
		case <-look.C:
			if h.stranded() {
				h.fail(fault.Newf(fault.RelayUnreachable, "this computer has another address now"))
				return
			}
			continue
		case <-tick.C:
		case patience = <-h.pings:
		case <-h.done:
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		err := h.ws.Ping(ctx) // fails at once when the connection ends
		cancel()
		if err != nil {
			h.fail(fault.New(fault.RelayUnreachable, err))
			return
		}
	}
}

// stranded reports whether this machine no longer has the connection's own
// address.
func (h *hostConn) stranded() bool {
	if !h.local.IsValid() || h.local.IsLoopback() {
		return false
	}
	own, err := netaddr.Own()
	if err != nil {
		return false // unknown
	}
	return !slices.ContainsFunc(own, func(p netip.Prefix) bool { return p.Addr() == h.local })
}

// check pings now.
func (h *hostConn) check() {
	select {
	case h.pings <- h.client.times.wake:
	default: // a check is pending already
	}
}

// read takes what the relay sends until the connection ends.
func (h *hostConn) read() {
	for {
		kind, b, err := h.ws.Read(context.Background()) // ends with the connection
		if err != nil {
			h.fail(lost(err))
			return
		}
		if d := h.pace.ReserveN(time.Now(), max(len(b), readCost)).Delay(); d > 0 && !h.hold(d) {
			return
		}
		if kind == websocket.MessageBinary {
			err = h.frame(b)
		} else {
			err = h.message(b)
		}
		if err != nil {
			h.fail(err)
			return
		}
	}
}

// hold waits for d. It reports false if the connection has ended.
func (h *hostConn) hold(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-h.done:
		return false
	}
}

// frame passes a guest's frame to the host. An unknown channel has ended a short
// while ago, so its frame is dropped.
func (h *hostConn) frame(b []byte) error {
	if len(b) < signalling.ChannelSize {
		return fault.Newf(fault.FrameTruncated, "a binary message of %d bytes", len(b))
	}
	if g := h.guest(binary.BigEndian.Uint32(b)); g != nil {
		_ = g.far.Send(b[signalling.ChannelSize:]) // the channel's goroutine notices its end
	}
	return nil
}

func (h *hostConn) guest(number uint32) *guest {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.channels[number]
}

// message acts on a message of the relay. It skips unknown types, because a newer
// relay may send more.
func (h *hostConn) message(b []byte) error {
	m, err := signalling.DecodeFromRelayHost(b)
	switch {
	case fault.CodeOf(err) == fault.MessageUnknown:
		return nil
	case err != nil:
		return err
	}
	switch m := m.(type) {
	case signalling.Prove:
		h.prove(m)
	case signalling.Announced:
		h.client.announced(h, sealed.LinkID(m.Link), "")
	case signalling.Unannounced:
		h.client.announced(h, sealed.LinkID(m.Link), fault.Code(m.Code))
	case signalling.Noted: // it is told again on the next connection all the same
	case signalling.Guest:
		return h.enter(m)
	case signalling.Closed:
		if g := h.guest(m.Channel); g != nil {
			g.told.Store(true)
			g.far.Close(m.Code)
		}
	case signalling.Credentials:
		h.mu.Lock()
		wanted := h.wanted[m.Request]
		delete(h.wanted, m.Request)
		h.mu.Unlock()
		if wanted != nil {
			wanted <- m // buffered 1
		}
	case signalling.Moving:
		h.mu.Lock()
		defer h.mu.Unlock()
		if !h.moved {
			h.moved = true
			close(h.moving)
		}
	case signalling.Refused:
		return refusedAs(m)
	default:
		return unexpected(m)
	}
	return nil
}

// prove opens the challenge of a link that was asked for. It does so once for
// each link, so that a relay can't make this app compute without end.
func (h *hostConn) prove(m signalling.Prove) {
	keys, ok := h.client.provable(h, sealed.LinkID(m.Link))
	if !ok {
		return
	}
	challenge, err := b64.DecodeString(m.Challenge)
	if err != nil {
		return // Validate has checked it
	}
	answer, err := sealed.AnswerChallenge(keys, challenge)
	if err != nil {
		h.client.log.Info("relay line: a challenge that can't be met", "code", fault.CodeOf(err))
		h.client.announced(h, sealed.LinkID(m.Link), fault.CodeOf(err))
		return
	}
	h.tell(signalling.Proof{Link: m.Link, Answer: b64.EncodeToString(answer)})
}

// provable returns the keys of a link that waits for its challenge on h.
func (c *Client) provable(h *hostConn, id sealed.LinkID) (sealed.LinkKeys, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.links[id]; k != nil && k.conn == h && !k.proved {
		k.proved = true
		return k.keys, true
	}
	for _, n := range c.notes {
		if n.id == id && n.conn == h {
			n.conn = nil
			return n.keys, true
		}
	}
	return sealed.LinkKeys{}, false
}

// announced records the result for a link that was asked for on h. code is "" if
// guests find it.
func (c *Client) announced(h *hostConn, id sealed.LinkID, code fault.Code) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.links[id]; k != nil && k.conn == h {
		k.announced, k.code = code == "" && k.proved, code
		c.touch()
	}
}

// acceptOf returns the function that takes guests of a link announced on h.
func (c *Client) acceptOf(h *hostConn, id sealed.LinkID) func(switchboard.Frames) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.links[id]; k != nil && k.conn == h && k.proved {
		return k.accept
	}
	return nil
}

// guest is a guest's channel: the host's end of it, and the far end, which stands
// for the guest.
type guest struct {
	switchboard.Frames
	far    switchboard.Frames
	conn   *hostConn
	number uint32
	id     sealed.LinkID
	limit  atomic.Int64 // as SetLimit set it; 0 before
	told   atomic.Bool  // the relay knows that it has ended
}

// SetLimit implements [switchboard.Frames].
func (g *guest) SetLimit(n int) {
	g.Frames.SetLimit(n)
	g.limit.Store(int64(n))
}

// Close implements [switchboard.Frames]. The host reads no more, so frames that
// wait for it must not count any longer.
func (g *guest) Close(code signalling.CloseCode) {
	g.Frames.Close(code)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for {
		if _, err := g.Recv(ended); err != nil {
			return
		}
	}
}

// enter accepts a guest who has opened a link.
func (h *hostConn) enter(m signalling.Guest) error {
	id := sealed.LinkID(m.Link)
	accept := h.client.acceptOf(h, id)
	g := &guest{conn: h, number: m.Channel, id: id}
	h.mu.Lock()
	if h.channels[m.Channel] != nil {
		h.mu.Unlock()
		return fault.Newf(fault.MessageUnexpected, "a channel that is in use")
	}
	code := signalling.CloseCode(0)
	switch {
	case h.ended:
		h.mu.Unlock()
		return nil
	case accept == nil:
		code = signalling.CloseRefused
	case h.leaving:
		code = signalling.CloseHostGone
	case len(h.channels) >= maxGuests || h.perLink[id] >= maxPerLink:
		code = signalling.CloseTooFast
	default:
		g.Frames, g.far = switchboard.Pipe(switchboard.RemoteInfo{Key: m.Remote}, h.budget)
		h.channels[m.Channel] = g
		h.perLink[id]++
		h.guests.Add(1)
		h.wg.Add(1)
	}
	h.mu.Unlock()
	if code != 0 {
		h.tell(signalling.Closed{Channel: m.Channel, Code: code})
		return nil
	}
	go func() {
		defer h.wg.Done()
		defer h.guests.Done()
		if !h.client.panics.Run(func() { accept(g) }) {
			g.far.Close(signalling.CloseHostGone)
		}
		h.client.panics.Run(g.bring)
	}()
	return nil
}

// bring writes what the host sends to a guest, until the channel ends.
func (g *guest) bring() {
	defer g.leave()
	limit := int64(0)
	for {
		frame, err := g.far.Recv(context.Background()) // ends with the channel
		if err != nil {
			var closed switchboard.Closed
			if !g.told.Load() && errors.As(err, &closed) {
				g.say(signalling.Closed{Channel: g.number, Code: closed.Code})
			}
			return
		}
		// The limit goes out before the frame that lets the guest use it.
		if n := g.limit.Load(); n != limit {
			limit = n
			g.say(signalling.Limit{Channel: g.number, Bytes: int(n)})
		}
		b := make([]byte, signalling.ChannelSize, signalling.ChannelSize+len(frame))
		binary.BigEndian.PutUint32(b, g.number)
		if !g.conn.send(websocket.MessageBinary, append(b, frame...)) {
			return
		}
	}
}

// say writes a message in order with the guest's frames.
func (g *guest) say(m signalling.Message) {
	b, err := signalling.Encode(m)
	if err != nil {
		g.conn.client.log.Error("relay line: encode", "type", m.Type(), "error", err)
		return
	}
	g.conn.send(websocket.MessageText, b)
}

// leave removes the channel.
func (g *guest) leave() {
	h := g.conn
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.channels, g.number)
	if h.perLink[g.id]--; h.perLink[g.id] == 0 {
		delete(h.perLink, g.id)
	}
}

// credentials sends a request and waits for the answer.
func (h *hostConn) credentials(ctx context.Context) ([]signalling.ICEServer, error) {
	answer := make(chan signalling.Credentials, 1)
	h.mu.Lock()
	if len(h.wanted) >= maxWanted {
		h.mu.Unlock()
		return nil, fault.Newf(fault.TooFast, "%d credentials are awaited", maxWanted)
	}
	h.request++
	request := h.request
	h.wanted[request] = answer
	h.mu.Unlock()
	h.tell(signalling.WantCredentials{Request: request})
	select {
	case m := <-answer:
		if m.Code != "" {
			return nil, fault.Newf(fault.Code(m.Code), "the relay gives no credentials")
		}
		return m.Servers, nil
	case <-h.done:
		return nil, fault.New(fault.RelayUnreachable, h.err)
	case <-ctx.Done():
		h.mu.Lock()
		delete(h.wanted, request)
		h.mu.Unlock()
		return nil, ctx.Err()
	}
}
