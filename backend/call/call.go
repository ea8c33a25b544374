package call

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/call/asked"
	"github.com/porch-call/porch/backend/call/chat"
	"github.com/porch-call/porch/backend/call/files"
	"github.com/porch-call/porch/backend/call/foresight"
	"github.com/porch-call/porch/backend/call/outside"
	"github.com/porch-call/porch/backend/call/planning"
	"github.com/porch-call/porch/backend/call/sections"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/forward"
	"github.com/porch-call/porch/backend/media/path"
	"github.com/porch-call/porch/backend/media/share"
	"github.com/porch-call/porch/backend/signalling"
)

// MaxParticipants is how many people may be in a call.
const MaxParticipants = 64

// Hooks tell the owner of a call what happens in it. They run on the call's
// goroutine, so they must not block and must not call the Call or a
// Participant.
type Hooks struct {
	// OnRoster gets all participants, in order of joining, whenever that list
	// or one of its entries has changed.
	OnRoster func([]signalling.Participant)
	// OnForecast hears what letting one more guest in would do to the pictures,
	// while one is expected; see Call.Expect. It may be nil.
	OnForecast func(foresight.Forecast)
	// OnRecording gets all participants while the call is recorded, whenever one
	// of them comes, leaves or answers, and nil when the recording is over. It may
	// be nil.
	OnRecording func([]Recorded)
}

// Outbox takes messages for one participant, in order. Send never blocks. An
// error means that the path is dead: the call then detaches that participant
// and sends nothing more.
type Outbox interface {
	Send(signalling.Message) error
}

// Profile describes whoever joins.
type Profile struct {
	ID                             string // unique in the call, not a secret
	Name                           string
	Host, CoHost, Muted, CameraOff bool

	// Layers means that the participant's page takes Layers from the first Offer
	// on, which may ask for several of them. JoinLocal does not use it.
	Layers bool

	// Elsewhere means that the participant is not on this computer. They are
	// not told its loopback addresses, which would lead them to their own
	// computer.
	Elsewhere bool

	Direct bool // they came through a direct door, and may come by TCP

	// Admission makes the message (signalling.Admitted) that is sent before all
	// others, on Join and on each Attach; nil sends none. It runs on the call's
	// goroutine. JoinLocal does not use it.
	Admission func(resumed bool) signalling.Message
}

// Call is one conversation. Its methods may be called from any goroutine.
type Call struct {
	engine      *Engine
	hooks       Hooks
	iceConfig   ICEConfig
	certificate webrtc.Certificate
	counters    forward.Counters

	requests chan func()
	done     chan struct{}  // closed when the call's goroutine has ended
	workers  sync.WaitGroup // all other goroutines

	// members serves the reporter, and lookups from other goroutines. It is
	// swapped, never changed.
	members atomic.Pointer[[]*member]
	waiting chan struct{} // buffered 1; full means that packets wait for pace
	wake    chan struct{} // buffered 1; full means that the reporter is woken already

	outside *outside.Outside

	// Owned by the call's goroutine.
	ended    bool
	chat     chat.Log
	speaking []string
	planner  planning.Planner
	numbers  share.ID // of members so far
	screen   shared
	// See recording.go.
	recording  *recording // nil while the call is not recorded
	recordings uint32     // so far
	// See gestures.go.
	spotlight string       // id of whose picture is large for all, "" for none
	earlier   bool         // newcomers read the chat from its beginning
	gone      path.Traffic // of guests who have left
	book      files.Book
	desk      *files.Desk // nil if no files are passed; for all goroutines

	loudest *share.Loudest // whose sound is forwarded; see planning

	// hurry is set when a decision on who gets what can't wait.
	hurry    atomic.Bool
	expected atomic.Bool // a guest is; see words.go
	// See steer.go.
	steered    time.Time   // when the call last steered
	steerTimer *time.Timer // nil before the first
	steerDue   time.Time   // when it fires, zero for never

	spoken []string // the newest IDs that are speaking; owned by the reporter

	load  load         // owned by the reporter; see lines.go
	limit atomic.Int64 // of all that leaves, in bit/s, because this computer forwards no more; 0 for none
}

func newCall(e *Engine, hooks Hooks, config ICEConfig, certificate webrtc.Certificate) *Call {
	c := &Call{
		engine: e, hooks: hooks, iceConfig: config, certificate: certificate,
		requests: make(chan func(), 64),
		done:     make(chan struct{}),
		wake:     make(chan struct{}, 1),
		waiting:  make(chan struct{}, 1),
		loudest:  share.NewLoudest(time.Now()),
	}
	c.members.Store(new([]*member))
	c.loudest.SetPlaces(share.Everybody)
	if e.spool != "" {
		c.desk = c.newDesk()
	}
	c.outside = outside.Open(outside.Options{
		Config: config, Mux: e.mux, STUN: e.stun, TURN: e.turn, Logger: e.logger,
		Changed:     c.networkChanged,
		TURNChanged: func() { c.post(c.turnChanged) },
	})
	go c.run()
	c.workers.Go(c.runReporter)
	c.workers.Go(c.pace)
	return c
}

// run is the call's goroutine.
func (c *Call) run() {
	defer close(c.done)
	for !c.ended {
		f := <-c.requests
		f()
	}
}

// networkChanged runs on the STUN client's goroutine.
func (c *Call) networkChanged(moved bool) {
	c.post(func() {
		c.outside.Update(moved)
		for _, m := range *c.members.Load() {
			if p := m.peer; p != nil {
				p.enqueue(func() { p.outsideChanged(moved) })
			}
		}
	})
}

// turnChanged tells the peers of another address at a TURN server.
func (c *Call) turnChanged() {
	for _, m := range *c.members.Load() {
		if p := m.peer; p != nil {
			p.enqueue(p.turnChanged)
		}
	}
}

// do runs f on the call's goroutine and waits for it. It returns
// fault.CallEnded if the call is over.
func (c *Call) do(f func()) error {
	finished := make(chan struct{})
	select {
	case c.requests <- func() { f(); close(finished) }:
	case <-c.done:
		return fault.New(fault.CallEnded, nil)
	}
	select {
	case <-finished:
		return nil
	case <-c.done:
		select { // perhaps f itself has ended the call
		case <-finished:
			return nil
		default:
			return fault.New(fault.CallEnded, nil)
		}
	}
}

// post queues f for the call's goroutine, unless the call is over.
func (c *Call) post(f func()) {
	select {
	case c.requests <- f:
	case <-c.done:
	}
}

// Join admits a participant with a peer connection: a guest, or the host's
// webview engine. It sends Admission, Roster, Offer, Tracks and Candidates to
// out, and asks all senders for a keyframe. It returns fault.CallFull above
// [MaxParticipants], or fault.CallEnded. In both cases nothing was sent.
func (c *Call) Join(p Profile, out Outbox) (*Participant, error) {
	m := newMember(c, p, out)
	peer, err := newPeer(m)
	if err != nil {
		return nil, err
	}
	var refused error
	err = c.do(func() {
		if refused = c.enter(m); refused == nil {
			c.connect(m, peer)
		}
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return nil, discard(peer, err)
	}
	return &Participant{m}, nil
}

// discard closes a peer that was never put to use.
func discard(p *peer, err error) error {
	if closeErr := p.pc.GracefulClose(); closeErr != nil {
		p.call.engine.logger.Debug("closing a peer connection", "err", closeErr)
	}
	return err
}

// enter admits m to the call.
func (c *Call) enter(m *member) error {
	others := *c.members.Load()
	if len(others) >= MaxParticipants {
		return fault.New(fault.CallFull, nil)
	}
	for _, o := range others {
		if o.profile.ID == m.profile.ID {
			return fault.Newf(fault.Internal, "participant %q is in the call already", m.profile.ID)
		}
	}
	now := time.Now()
	for _, o := range others {
		o.video.PrepareKeyframe(now)
	}
	m.admitted.Store(true)
	if !c.earlier {
		m.firstLine = c.chat.Last() + 1
	}
	c.numbers++
	m.number = c.numbers
	members := slices.Concat(others, []*member{m})
	c.members.Store(&members)
	select {
	case c.wake <- struct{}{}:
	default:
	}
	if m.profile.Admission != nil {
		m.send(m.profile.Admission(false))
	}
	c.greet(m)
	c.steer() // tells idle publishers of their new taker before their slots are assigned
	for _, o := range others {
		o.send(signalling.Joined{Participant: m.entry()})
		c.assign(o)
	}
	c.rosterChanged()
	if c.recording != nil {
		c.recordingChanged()
	}
	return nil
}

// greet sends m a snapshot of the call.
func (c *Call) greet(m *member) {
	takes := []string{signalling.TakesView, signalling.TakesSharing, signalling.TakesHand, signalling.TakesReact}
	if c.desk != nil {
		takes = append(takes, signalling.TakesFiles)
	}
	if m.directs() {
		takes = append(takes, signalling.TakesSpotlight, signalling.TakesEarlier)
	}
	m.send(signalling.Roster{
		You: m.profile.ID, Participants: c.roster(), Chat: c.chat.Since(m.firstLine),
		Takes: takes, Spotlight: c.spotlight, Earlier: m.directs() && c.earlier,
	})
	if len(c.speaking) > 0 {
		m.send(signalling.Speaking{IDs: c.speaking})
	}
}

// connect gives m a peer connection and closes the earlier one.
func (c *Call) connect(m *member, p *peer) {
	if c.screen.of == m { // its page begins anew
		c.present(nil, false)
	}
	m.closeSlots()
	if m.peer != nil {
		m.peer.close()
	}
	m.peer, m.asked = p, asked.Publisher{}
	m.connection.Store(p)
	c.mediaFlows(m)
	c.awaitMedia(m)
	p.in.Connect()
	c.workers.Go(p.run)
	n := c.firstPairs(m)
	p.enqueue(func() { p.ensureSlots(n) })
}

// offered sends an offer of p to its member, and puts its new slots to use.
func (c *Call) offered(p *peer, o signalling.Offer, added []*sections.Pair) {
	if p.member.peer != p {
		return
	}
	p.member.send(o)
	if len(added) > 0 {
		for _, a := range added {
			p.member.pairs = append(p.member.pairs, newSlotPair(a))
		}
		c.assign(p.member)
	}
}

// toPeer sends a message that belongs to p's connection. It sends nothing if
// the member has another connection by now.
func (c *Call) toPeer(p *peer, message signalling.Message) {
	if p.member.peer == p {
		p.member.send(message)
	}
}

// leave takes m out of the call.
func (c *Call) leave(m *member, reason signalling.EndReason) {
	if m.left {
		return
	}
	m.left = true
	if m.profile.Host {
		c.endRecording()
	}
	c.stopRecording(m)
	if !m.profile.Host {
		c.gone.Add(&m.traffic)
	}
	c.planner.Forget(m.number)
	if c.screen.of == m {
		c.present(nil, false)
	}
	// Slots close before the admission ends. A packet on its way then finds a
	// closed slot, and does not count as media for a guest who is not admitted.
	m.closeSlots()
	m.admitted.Store(false)
	m.microphone.Release()
	members := slices.DeleteFunc(slices.Clone(*c.members.Load()), func(o *member) bool { return o == m })
	c.members.Store(&members)
	if m.overdue != nil {
		m.overdue.Stop()
	}
	if m.peer != nil {
		m.peer.close()
	}
	if m.local != nil {
		m.local.end()
	}
	if reason != "" {
		m.send(signalling.Ended{Reason: reason})
	}
	m.outbox = nil
	c.leaveFiles(m)
	if c.spotlight == m.profile.ID {
		c.spotlight = ""
		c.broadcast(signalling.Spotlight{})
	}
	for _, o := range members {
		pr := o.pairOf(m)
		if pr != nil {
			o.give(pr, nil)
		}
		o.send(signalling.Left{ID: m.profile.ID})
		switch {
		case pr == nil:
		case o.local != nil:
			pr.audio.Close()
			pr.video.Close()
			o.pairs = slices.DeleteFunc(o.pairs, func(x *slotPair) bool { return x == pr })
		case !c.assign(o):
			o.send(o.tracks())
		}
	}
	c.steer()
	c.rosterChanged()
	if c.recording != nil {
		c.recordingChanged()
	}
}

// peerState acts on a new state of a member's connection.
func (c *Call) peerState(p *peer, state webrtc.PeerConnectionState) {
	m := p.member
	if m.peer != p {
		return
	}
	c.refreshAway(m)
	if state == webrtc.PeerConnectionStateConnected {
		c.mediaFlows(m)
	} else {
		c.awaitMedia(m)
	}
	lost := state == webrtc.PeerConnectionStateDisconnected || state == webrtc.PeerConnectionStateFailed
	if !lost {
		return
	}
	switch l := p.path.Load(); {
	case l != nil && l.TURN() != nil:
		l.TURN().Recheck()
	default:
		c.outside.Recheck()
	}
	if m.outbox != nil {
		p.enqueue(func() { p.restartICE(false) })
	}
}

// peerFailed takes out a member whose connection can't go on.
func (c *Call) peerFailed(p *peer, err error) {
	m := p.member
	if m.peer != p {
		return
	}
	code := fault.CodeOf(err)
	if code == fault.SDPInvalid {
		err = nil // it quotes what a guest sent
	}
	c.engine.logger.Info("a participant's connection failed", "code", string(code), "err", err)
	if code == fault.Internal {
		code = fault.ConnectFailed
	}
	m.send(signalling.Fault{Code: string(code), Message: fault.Sentence(code)})
	c.leave(m, signalling.EndFault)
}

// refreshAway tells all participants when m goes away or comes back. A member
// is away if it has neither a path for messages nor a connection for media.
func (c *Call) refreshAway(m *member) {
	away := m.outbox == nil && (m.peer == nil || !m.peer.alive(webrtc.PeerConnectionStateConnected))
	if away != m.away && !m.left {
		m.away = away
		c.changed(m)
		c.steer()
	}
}

// changed tells all participants of m's new state.
func (c *Call) changed(m *member) {
	c.broadcast(signalling.Joined{Participant: m.entry()})
	c.rosterChanged()
}

func (c *Call) broadcast(message signalling.Message) {
	for _, m := range *c.members.Load() {
		m.send(message)
	}
}

func (c *Call) roster() []signalling.Participant {
	members := *c.members.Load()
	entries := make([]signalling.Participant, len(members))
	for i, m := range members {
		entries[i] = m.entry()
	}
	return entries
}

func (c *Call) rosterChanged() {
	if c.hooks.OnRoster != nil && !c.ended {
		c.hooks.OnRoster(c.roster())
	}
}

// say adds a chat line of m. A line that has arrived before is not added again.
// Its sender lost the path before they heard of it, so they hear now.
func (c *Call) say(m *member, text, token string) error {
	now := time.Now()
	if !m.saying.AllowN(now, 1) {
		return fault.New(fault.TooFast, nil)
	}
	if strings.TrimSpace(text) == "" {
		return fault.New(fault.ChatInvalid, nil)
	}
	if line, ok := c.chat.Again(token); ok {
		m.send(signalling.Chat{Line: line})
		return nil
	}
	line := c.chat.Add(signalling.ChatLine{
		Participant: m.profile.ID, Name: m.profile.Name, Text: text, At: now.UnixMilli(), Token: token,
	})
	c.broadcast(signalling.Chat{Line: line})
	return nil
}

// setMedia notes what m says of its microphone and camera.
func (c *Call) setMedia(m *member, s signalling.MediaState) {
	if m.muted == s.Muted && m.cameraOff == s.CameraOff {
		return
	}
	sent := m.sends()
	m.muted, m.cameraOff = s.Muted, s.CameraOff
	if m.sends() && !sent {
		for _, o := range *c.members.Load() {
			c.assign(o)
		}
	}
	m.audio.SetSilent(s.Muted)
	m.video.SetSilent(s.CameraOff)
	if s.CameraOff {
		m.dark(m.profile.ID)
	}
	if s.Muted {
		m.microphone.Release()
	}
	c.changed(m)
}

// handle takes a message that any member may send.
func (c *Call) handle(m *member, message signalling.Message) error {
	if err := message.Validate(); err != nil {
		return err
	}
	var refused error
	err := c.do(func() {
		if m.left {
			refused = fault.New(fault.NotInCall, nil)
			return
		}
		switch message := message.(type) {
		case signalling.MediaState:
			c.setMedia(m, message)
		case signalling.Sharing:
			refused = c.share(m, message)
		case signalling.View:
			refused = c.look(m, message)
		case signalling.Say:
			refused = c.say(m, message.Text, message.Token)
		case signalling.Attach:
			refused = c.attach(m, message)
		case signalling.Take:
			refused = c.takeFile(m, message)
		case signalling.TakeBack:
			c.takeBack(m, message.Line)
		case signalling.Hand:
			refused = c.raise(m, message)
		case signalling.React:
			refused = c.react(m, message)
		case signalling.Spotlight:
			refused = c.spotlightOn(m, message.Participant)
		case signalling.Consent:
			refused = c.consent(m, message)
		case signalling.Earlier:
			refused = c.showEarlier(m, message.On)
		case signalling.Leave:
			c.leave(m, "")
		default:
			refused = m.handlePeer(message)
		}
	})
	if err != nil {
		return err
	}
	return refused
}

// member returns the member with this id, or nil. It may be called from any
// goroutine.
func (c *Call) member(id string) *member {
	for _, m := range *c.members.Load() {
		if m.profile.ID == id {
			return m
		}
	}
	return nil
}

// Close ends the call and sends Ended with this reason to all participants. It
// waits until all goroutines of the call are gone, and may be called twice.
func (c *Call) Close(reason signalling.EndReason) {
	// An error means that the call has ended already.
	_ = c.do(func() {
		c.ended = true
		for _, m := range *c.members.Load() {
			c.leave(m, reason)
		}
		if c.steerTimer != nil {
			c.steerTimer.Stop()
		}
	})
	<-c.done
	if c.desk != nil {
		c.desk.Close()
	}
	c.outside.Close()
	c.workers.Wait()
	c.engine.forget(c)
}
