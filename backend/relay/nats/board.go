package nats

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/contain"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// Board is one node's switchboard.
type Board struct {
	log     *slog.Logger
	panics  contain.Panics
	times   times
	options Options
	seals   *seals
	local   *switchboard.Memory // this node's hosts
	nc      *nats.Conn
	base    string // of subjects

	number     atomic.Uint64 // of channels and questions
	generation atomic.Uint32 // see beat
	opens      chan *nats.Msg
	later      chan func() // run by keep, when there is time
	wake       chan struct{}

	lifetime context.Context
	end      context.CancelFunc
	wg       sync.WaitGroup // counted by enter
	handlers sync.WaitGroup // counts those that handle the bus's messages, and keep
	closing  sync.Once

	interest sync.Mutex // guards subs; acquired before mu
	subs     map[token]*nats.Subscription

	mu     sync.Mutex // guards what follows, and the fields of legs that name it; acquired after interest
	ended  bool
	held   map[token]*attachment
	asks   map[uint64]chan uint64
	legs   map[legKey]*leg
	peers  map[nodeID]*peer
	shared shared
}

// attachment is a hold on an id. It wraps the local one, and adds its epoch.
type attachment struct {
	switchboard.Attachment // of Board.local
	b                      *Board
	id                     sealed.LinkID
	token                  token
	epoch                  uint64
}

// Open connects a node to its cluster. ctx bounds opening, not the board. The bus
// must be there at the start; later it may come and go.
func Open(ctx context.Context, options Options) (*Board, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := options.prepare(); err != nil {
		return nil, err
	}
	seals, err := newSeals(options.Secret)
	if err != nil {
		return nil, err
	}
	b := &Board{
		log: options.Logger, times: *options.times, options: options, seals: seals,
		local: switchboard.NewMemory(options.PerLink, options.PerAddress), base: options.Prefix + ".v1.",
		opens: make(chan *nats.Msg, waitingOpens), later: make(chan func(), waitingLater), wake: make(chan struct{}, 1),
		subs: make(map[token]*nats.Subscription), held: make(map[token]*attachment), asks: make(map[uint64]chan uint64),
		legs: make(map[legKey]*leg), peers: make(map[nodeID]*peer), shared: newShared(),
	}
	b.panics.Log, b.panics.Part = b.log, "nats"
	b.lifetime, b.end = context.WithCancel(context.Background())
	if b.nc, err = options.connect(ctx, b); err != nil {
		b.end()
		return nil, err
	}
	if err := b.listen(); err != nil {
		b.end()
		b.nc.Close()
		b.handlers.Wait()
		return nil, err
	}
	b.handlers.Go(b.answer)
	b.handlers.Go(b.keep)
	_ = b.publish(everyone, "", beat{b.generation.Load()}) // and again with every beat, each second
	b.log.Info("nats: open")
	return b, nil
}

// listen subscribes to messages for this node and for all.
func (b *Board) listen() error {
	for subject, handle := range map[string]nats.MsgHandler{
		b.base + string(toNode(b.seals.self)) + ".*": b.forNode,
		b.base + string(everyone):                    b.forAll,
	} {
		sub, err := b.nc.Subscribe(subject, handle)
		if err != nil {
			return err
		}
		b.handlers.Add(1)
		sub.SetClosedHandler(func(string) { b.handlers.Done() })
		if err := sub.SetPendingLimits(waitingFrames, waitingBytes); err != nil {
			return err
		}
	}
	if err := b.nc.FlushTimeout(b.times.flush); err != nil {
		return err
	}
	return b.nc.LastError() // fails for a subject that is not permitted
}

// Connected reports whether the bus is within reach. Without it, this node
// connects its own guests to its own hosts.
func (b *Board) Connected() bool { return b.nc.IsConnected() }

// Nodes returns the number of nodes, this one included, as far as this one has
// heard.
func (b *Board) Nodes() int { return 1 + len(b.others()) }

// enter counts a goroutine in wg. It reports false if the board is closing.
func (b *Board) enter() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return false
	}
	b.wg.Add(1)
	return true
}

// Close ends all: channels close with [signalling.CloseHostGone], and the other
// nodes are told. It waits, and may be called twice.
func (b *Board) Close() error {
	b.closing.Do(func() {
		b.mu.Lock()
		b.ended = true
		held := make([]*attachment, 0, len(b.held))
		for _, a := range b.held {
			held = append(held, a)
		}
		legs := make([]*leg, 0, len(b.legs))
		for _, l := range b.legs {
			legs = append(legs, l)
		}
		b.mu.Unlock()
		for _, a := range held {
			a.Detach()
		}
		for _, l := range legs {
			l.end.Close(signalling.CloseHostGone)
		}
		b.wg.Wait()
		b.sayLeaving()
		if b.nc.IsConnected() {
			_ = b.nc.FlushTimeout(b.times.goodbye)
		}
		b.end()
		b.nc.Close()
		b.handlers.Wait()
	})
	return nil
}

// publish seals a message and writes it to NATS, or keeps it while NATS is away.
// answers may be "". Otherwise it is the number under which NATS reports that no
// node listens.
func (b *Board) publish(at place, answers string, m message) error {
	subject := b.base + string(at)
	if strings.HasPrefix(string(at), "node.") {
		subject += ".m"
	}
	if answers != "" {
		answers = b.base + string(toNode(b.seals.self)) + "." + answers
	}
	err := b.nc.PublishMsg(&nats.Msg{Subject: subject, Reply: answers, Data: b.seals.seal(at, m)})
	if unwritten := (net.Error)(nil); errors.As(err, &unwritten) {
		_ = b.nc.ForceReconnect() // half a message may have been sent; fails only after Close
	}
	return err
}

// soon makes keep run f, which sends a message. If the queue is full, the message
// is dropped. Messages that are sent this way are repeated, or their absence is
// noticed.
func (b *Board) soon(f func()) {
	select {
	case b.later <- f:
	default:
	}
}

// Attach implements [switchboard.Switchboard]. Without the bus the id is
// reachable at this node, and at the others when the bus is back.
func (b *Board) Attach(ctx context.Context, id sealed.LinkID, pub []byte, accept func(switchboard.Frames)) (switchboard.Attachment, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a := &attachment{b: b, id: id, token: b.seals.token(id)}
	before := b.ask(ctx, a.token)

	b.mu.Lock()
	if b.ended {
		b.mu.Unlock()
		return nil, fault.New(fault.ShuttingDown, nil)
	}
	if mine := b.held[a.token]; mine != nil {
		before = max(before, mine.epoch)
	}
	a.epoch = max(uint64(time.Now().UnixNano()), before+1)
	inner, err := b.local.Attach(ctx, id, pub, accept)
	if err != nil {
		b.mu.Unlock()
		return nil, err
	}
	a.Attachment = inner
	b.held[a.token] = a
	b.mu.Unlock()

	if err := b.subscribe(a.token); err != nil {
		a.Detach()
		return nil, err
	}
	_ = b.publish(toLink(a.token), "", claim{a.token, a.epoch}) // said again if it was lost
	if b.Connected() {
		// After this, dialling at any node finds this host.
		flush, cancel := context.WithTimeout(ctx, b.times.flush)
		defer cancel()
		_ = b.nc.FlushWithContext(flush) // the bus may be away again
		if b.nc.ConnectedClusterName() != "" {
			b.awaitInterest(flush)
			if b.holder(a.token) == a {
				// A node that took the same link at the same time may have missed
				// the first claim.
				_ = b.publish(toLink(a.token), "", claim{a.token, a.epoch})
			}
		}
	}
	if err := ctx.Err(); err != nil {
		a.Detach()
		return nil, err
	}
	return a, nil
}

// ask returns the epoch of another node's hold on a link, or 0 if there is none.
func (b *Board) ask(ctx context.Context, t token) uint64 {
	if !b.Connected() {
		return 0
	}
	number, answers := b.question()
	defer b.asked(number)
	if b.publish(toLink(t), strconv.FormatUint(number, 10), ask{number}) != nil {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, b.times.ask)
	defer cancel()
	epoch, _ := b.next(ctx, answers)
	return epoch
}

// awaitInterest matters where NATS has several servers. It waits until the
// servers of all other nodes know what this node listens to. Each server tells
// the others on the connection that also carries the messages. ctx bounds it.
func (b *Board) awaitInterest(ctx context.Context) {
	type question struct {
		node    nodeID
		number  uint64
		answers <-chan uint64
	}
	var open []question
	for _, n := range b.others() {
		q := question{node: n}
		q.number, q.answers = b.question()
		defer b.asked(q.number)
		open = append(open, q)
		b.mark(n, q.number)
	}
	for _, q := range open {
		for {
			soon, cancel := context.WithTimeout(ctx, b.times.mark)
			_, ok := b.next(soon, q.answers)
			cancel()
			if ok || ctx.Err() != nil || b.lifetime.Err() != nil || !slices.Contains(b.others(), q.node) {
				break
			}
			b.mark(q.node, q.number) // it may have been lost with a connection that broke
		}
	}
}

// mark asks a node to answer. If the node has died, NATS says so, which counts as
// an answer.
func (b *Board) mark(n nodeID, number uint64) {
	_ = b.publish(toNode(n), strconv.FormatUint(number, 10), mark{number}) // asked again if it was lost
}

// question returns a number for a question, and the channel on which its answer
// comes. The number is in use until asked.
func (b *Board) question() (uint64, <-chan uint64) {
	number, c := b.number.Add(1), make(chan uint64, 1)
	b.mu.Lock()
	b.asks[number] = c
	b.mu.Unlock()
	return number, c
}

func (b *Board) asked(number uint64) {
	b.mu.Lock()
	delete(b.asks, number)
	b.mu.Unlock()
}

// next returns an answer if one comes before ctx ends.
func (b *Board) next(ctx context.Context, answers <-chan uint64) (uint64, bool) {
	select {
	case v := <-answers:
		return v, true
	case <-ctx.Done():
	case <-b.lifetime.Done():
	}
	return 0, false
}

// answerTo passes on an answer to the goroutine that asked.
func (b *Board) answerTo(number, answer uint64) {
	b.mu.Lock()
	to := b.asks[number]
	b.mu.Unlock()
	offer(to, answer)
}

// subscribe makes this node's subscriptions match what it holds.
func (b *Board) subscribe(t token) error {
	b.interest.Lock()
	defer b.interest.Unlock()
	b.mu.Lock()
	wanted := b.held[t] != nil
	b.mu.Unlock()
	sub := b.subs[t]
	switch {
	case wanted && sub == nil:
		sub, err := b.nc.ChanSubscribe(b.base+string(toLink(t)), b.opens)
		if err != nil {
			return err
		}
		b.subs[t] = sub
	case !wanted && sub != nil:
		delete(b.subs, t)
		_ = sub.Unsubscribe() // fails if the connection has ended
	}
	return nil
}

// Detach implements [switchboard.Attachment].
func (a *attachment) Detach() {
	a.drop()
	_ = a.b.subscribe(a.token) // ends a subscription, which can't fail
}

// drop ends the hold and keeps the subscription.
func (a *attachment) drop() {
	a.b.mu.Lock()
	if a.b.held[a.token] == a {
		delete(a.b.held, a.token)
	}
	a.b.mu.Unlock()
	a.Attachment.Detach()
}
