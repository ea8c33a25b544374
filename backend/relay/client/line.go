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

// Bounds of one line: what a relay that lies, or does not read, can cost.
const (
	maxMessage = signalling.ChannelSize + sealed.MaxFrame
	maxGuests  = 1024     // channels
	maxPerLink = 256      // of the channels, at one link
	maxQueued  = 64 << 20 // bytes of frames that wait, both ways, in all channels together
	maxControl = 4096     // messages that wait to be written
	maxWanted  = 256      // requests for credentials that wait for an answer

	// Bytes read, a second and at once. More than that waits in the network.
	readRate, readBurst = 4 << 20, 32 << 20
	readCost            = 512 // bytes that a message counts for at the least
)

// line is one WebSocket to the relay that has registered. One goroutine reads,
// one writes messages and one pings. For each guest, one more writes the guest's
// frames.
type line struct {
	r      *Client
	ws     *websocket.Conn
	local  netip.Addr // of this machine, where the line begins; zero if unknown
	remote netip.Addr // of the relay; zero if unknown
	offer  Offer
	pace   *rate.Limiter
	budget *switchboard.Budget
	out    chan control
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

// control is a message that waits to be written. flushed may be nil. It is closed
// when all before it has been written.
type control struct {
	b       []byte
	flushed chan struct{}
}

func newLine(r *Client, ws *websocket.Conn) *line {
	ws.SetReadLimit(maxMessage)
	return &line{
		r: r, ws: ws,
		pace:   rate.NewLimiter(readRate, readBurst),
		budget: switchboard.NewBudget(maxQueued),
		out:    make(chan control, maxControl),
		done:   make(chan struct{}), moving: make(chan struct{}),
		pings:    make(chan time.Duration, 1),
		channels: make(map[uint32]*guest), perLink: make(map[sealed.LinkID]int),
		wanted: make(map[uint32]chan signalling.Credentials),
	}
}

func (l *line) start() {
	for _, f := range []func(){l.read, l.write, l.ping} {
		l.wg.Go(func() {
			if !l.r.panics.Run(f) {
				l.fail(fault.Newf(fault.RelayUnreachable, "a panic"))
			}
		})
	}
}

func isDone(l *line) bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// fail ends the line: guests' channels close, and waiting callers get an answer.
// The first reason stands.
func (l *line) fail(err error) {
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		return
	}
	l.ended, l.err = true, err
	open := l.channels
	l.channels = nil
	l.mu.Unlock()
	close(l.done)
	for _, g := range open {
		g.far.Close(signalling.CloseHostGone)
	}
	_ = l.ws.CloseNow() // closes without a closing handshake
}

// retire ends a line that another has replaced.
func (l *line) retire() {
	l.fail(fault.Newf(fault.LineReplaced, "another line is open"))
	l.wg.Wait()
}

// leave ends the line because the app closes. It first sends what was said
// before, for as long as times.farewell.
func (l *line) leave() {
	late := time.AfterFunc(l.r.times.farewell, func() { l.fail(fault.New(fault.ShuttingDown, nil)) })
	defer late.Stop()
	l.mu.Lock()
	l.leaving = true
	open := make([]*guest, 0, len(l.channels))
	for _, g := range l.channels {
		open = append(open, g)
	}
	l.mu.Unlock()
	for _, g := range open {
		g.far.Close(signalling.CloseHostGone) // no effect if the host has closed it
	}
	l.guests.Wait()
	flushed := make(chan struct{})
	select {
	case l.out <- control{flushed: flushed}:
		select {
		case <-flushed:
		case <-l.done:
		}
	case <-l.done:
	}
	l.fail(fault.New(fault.ShuttingDown, nil))
	l.wg.Wait()
}

// tell queues a message, and never blocks. If a relay reads so little that the
// queue is full, it loses the line.
func (l *line) tell(m signalling.Message) {
	b, err := signalling.Encode(m)
	if err != nil {
		l.r.log.Error("relay line: encode", "type", m.Type(), "error", err)
		return
	}
	select {
	case l.out <- control{b: b}:
	default:
		l.fail(fault.New(fault.TooSlow, nil))
	}
}

// write writes the queued messages.
func (l *line) write() {
	for {
		select {
		case c := <-l.out:
			if c.flushed != nil {
				close(c.flushed)
			} else if !l.send(websocket.MessageText, c.b) {
				return
			}
		case <-l.done:
			return
		}
	}
}

// send writes one message. A write that takes too long ends the line.
func (l *line) send(kind websocket.MessageType, b []byte) bool {
	ctx, cancel := context.WithTimeout(context.Background(), l.r.times.write)
	defer cancel()
	if err := l.ws.Write(ctx, kind, b); err != nil {
		l.fail(lost(err))
		return false
	}
	return true
}

// ping pings until the line ends. It ends the line if the relay does not answer,
// or if this machine no longer has the address at which the line began.
func (l *line) ping() {
	tick := time.NewTicker(l.r.times.ping)
	defer tick.Stop()
	look := time.NewTicker(l.r.times.look)
	defer look.Stop()
	for {
		patience := l.r.times.pong
		select {
		case <-look.C:
			if l.stranded() {
				l.fail(fault.Newf(fault.RelayUnreachable, "this computer has another address now"))
				return
			}
			continue
		case <-tick.C:
		case patience = <-l.pings:
		case <-l.done:
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		err := l.ws.Ping(ctx) // fails at once when the line ends
		cancel()
		if err != nil {
			l.fail(fault.New(fault.RelayUnreachable, err))
			return
		}
	}
}

// stranded reports whether this machine no longer has the line's own address.
func (l *line) stranded() bool {
	if !l.local.IsValid() || l.local.IsLoopback() {
		return false
	}
	own, err := netaddr.Own()
	if err != nil {
		return false // unknown
	}
	return !slices.ContainsFunc(own, func(p netip.Prefix) bool { return p.Addr() == l.local })
}

// check pings now.
func (l *line) check() {
	select {
	case l.pings <- l.r.times.wake:
	default: // a check is pending already
	}
}

// read takes what the relay sends until the line ends.
func (l *line) read() {
	for {
		kind, b, err := l.ws.Read(context.Background()) // ends with the line
		if err != nil {
			l.fail(lost(err))
			return
		}
		if d := l.pace.ReserveN(time.Now(), max(len(b), readCost)).Delay(); d > 0 && !l.hold(d) {
			return
		}
		if kind == websocket.MessageBinary {
			err = l.frame(b)
		} else {
			err = l.message(b)
		}
		if err != nil {
			l.fail(err)
			return
		}
	}
}

// hold waits for d. It reports false if the line has ended.
func (l *line) hold(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.done:
		return false
	}
}

// frame passes a guest's frame to the host. An unknown channel has ended a short
// while ago, so its frame is dropped.
func (l *line) frame(b []byte) error {
	if len(b) < signalling.ChannelSize {
		return fault.Newf(fault.FrameTruncated, "a binary message of %d bytes", len(b))
	}
	if g := l.guest(binary.BigEndian.Uint32(b)); g != nil {
		_ = g.far.Send(b[signalling.ChannelSize:]) // the channel's goroutine notices its end
	}
	return nil
}

func (l *line) guest(number uint32) *guest {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.channels[number]
}

// message acts on a message of the relay. It skips unknown types, because a newer
// relay may send more.
func (l *line) message(b []byte) error {
	m, err := signalling.DecodeFromRelayHost(b)
	switch {
	case fault.CodeOf(err) == fault.MessageUnknown:
		return nil
	case err != nil:
		return err
	}
	switch m := m.(type) {
	case signalling.Prove:
		l.prove(m)
	case signalling.Announced:
		l.r.announced(l, sealed.LinkID(m.Link), "")
	case signalling.Unannounced:
		l.r.announced(l, sealed.LinkID(m.Link), fault.Code(m.Code))
	case signalling.Noted: // it is told again on the next line all the same
	case signalling.Guest:
		return l.enter(m)
	case signalling.Closed:
		if g := l.guest(m.Channel); g != nil {
			g.told.Store(true)
			g.far.Close(m.Code)
		}
	case signalling.Credentials:
		l.mu.Lock()
		wanted := l.wanted[m.Request]
		delete(l.wanted, m.Request)
		l.mu.Unlock()
		if wanted != nil {
			wanted <- m // buffered 1
		}
	case signalling.Moving:
		l.mu.Lock()
		defer l.mu.Unlock()
		if !l.moved {
			l.moved = true
			close(l.moving)
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
func (l *line) prove(m signalling.Prove) {
	keys, ok := l.r.provable(l, sealed.LinkID(m.Link))
	if !ok {
		return
	}
	challenge, err := b64.DecodeString(m.Challenge)
	if err != nil {
		return // Validate has checked it
	}
	answer, err := sealed.AnswerChallenge(keys, challenge)
	if err != nil {
		l.r.log.Info("relay line: a challenge that can't be met", "code", fault.CodeOf(err))
		l.r.announced(l, sealed.LinkID(m.Link), fault.CodeOf(err))
		return
	}
	l.tell(signalling.Proof{Link: m.Link, Answer: b64.EncodeToString(answer)})
}

// provable returns the keys of a link that waits for its challenge on l.
func (r *Client) provable(l *line, id sealed.LinkID) (sealed.LinkKeys, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := r.links[id]; k != nil && k.line == l && !k.proved {
		k.proved = true
		return k.keys, true
	}
	for _, n := range r.notes {
		if n.id == id && n.line == l {
			n.line = nil
			return n.keys, true
		}
	}
	return sealed.LinkKeys{}, false
}

// announced records the result for a link that was asked for on l. code is "" if
// guests find it.
func (r *Client) announced(l *line, id sealed.LinkID, code fault.Code) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := r.links[id]; k != nil && k.line == l {
		k.announced, k.code = code == "" && k.proved, code
		r.touch()
	}
}

// acceptOf returns the function that takes guests of a link announced on l.
func (r *Client) acceptOf(l *line, id sealed.LinkID) func(switchboard.Frames) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := r.links[id]; k != nil && k.line == l && k.proved {
		return k.accept
	}
	return nil
}

// guest is a guest's channel: the host's end of it, and the far end, which stands
// for the guest.
type guest struct {
	switchboard.Frames
	far    switchboard.Frames
	line   *line
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
func (l *line) enter(m signalling.Guest) error {
	id := sealed.LinkID(m.Link)
	accept := l.r.acceptOf(l, id)
	g := &guest{line: l, number: m.Channel, id: id}
	l.mu.Lock()
	if l.channels[m.Channel] != nil {
		l.mu.Unlock()
		return fault.Newf(fault.MessageUnexpected, "a channel that is in use")
	}
	code := signalling.CloseCode(0)
	switch {
	case l.ended:
		l.mu.Unlock()
		return nil
	case accept == nil:
		code = signalling.CloseRefused
	case l.leaving:
		code = signalling.CloseHostGone
	case len(l.channels) >= maxGuests || l.perLink[id] >= maxPerLink:
		code = signalling.CloseTooFast
	default:
		g.Frames, g.far = switchboard.Pipe(switchboard.RemoteInfo{Key: m.Remote}, l.budget)
		l.channels[m.Channel] = g
		l.perLink[id]++
		l.guests.Add(1)
		l.wg.Add(1)
	}
	l.mu.Unlock()
	if code != 0 {
		l.tell(signalling.Closed{Channel: m.Channel, Code: code})
		return nil
	}
	go func() {
		defer l.wg.Done()
		defer l.guests.Done()
		if !l.r.panics.Run(func() { accept(g) }) {
			g.far.Close(signalling.CloseHostGone)
		}
		l.r.panics.Run(g.bring)
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
		if !g.line.send(websocket.MessageBinary, append(b, frame...)) {
			return
		}
	}
}

// say writes a message in order with the guest's frames.
func (g *guest) say(m signalling.Message) {
	b, err := signalling.Encode(m)
	if err != nil {
		g.line.r.log.Error("relay line: encode", "type", m.Type(), "error", err)
		return
	}
	g.line.send(websocket.MessageText, b)
}

// leave removes the channel.
func (g *guest) leave() {
	l := g.line
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.channels, g.number)
	if l.perLink[g.id]--; l.perLink[g.id] == 0 {
		delete(l.perLink, g.id)
	}
}

// credentials sends a request and waits for the answer.
func (l *line) credentials(ctx context.Context) ([]signalling.ICEServer, error) {
	answer := make(chan signalling.Credentials, 1)
	l.mu.Lock()
	if len(l.wanted) >= maxWanted {
		l.mu.Unlock()
		return nil, fault.Newf(fault.TooFast, "%d credentials are awaited", maxWanted)
	}
	l.request++
	request := l.request
	l.wanted[request] = answer
	l.mu.Unlock()
	l.tell(signalling.WantCredentials{Request: request})
	select {
	case m := <-answer:
		if m.Code != "" {
			return nil, fault.Newf(fault.Code(m.Code), "the relay gives no credentials")
		}
		return m.Servers, nil
	case <-l.done:
		return nil, fault.New(fault.RelayUnreachable, l.err)
	case <-ctx.Done():
		l.mu.Lock()
		delete(l.wanted, request)
		l.mu.Unlock()
		return nil, ctx.Err()
	}
}
