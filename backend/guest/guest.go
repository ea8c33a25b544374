package guest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// Guest is a guest who was let in. Its goroutine answers the host, and takes the seat again when the path was lost.
// Its methods may be called from any goroutine.
type Guest struct {
	o           Options
	address     address
	client      *http.Client
	free        func()
	certificate webrtc.Certificate

	ctx       context.Context
	cancel    context.CancelCauseFunc
	done      chan struct{}
	err       error // set before done is closed
	connected chan struct{}
	once      sync.Once // guards the closing of connected
	leaving   atomic.Bool
	closing   sync.WaitGroup // counts peer connections that are closing

	mu       sync.Mutex
	path     *path // nil while away
	peer     *peer
	id       string
	seat     string
	media    signalling.MediaState
	told     signalling.MediaState // the state that the host knows
	roster   map[string]signalling.Participant
	lastCode string // code of the host's last Fault message
}

// errLeft is the cause of the end when the guest leaves.
var errLeft = errors.New("guest: left")

// Join opens link, knocks, and waits until the host lets the guest in. It then returns, and the connection is set up
// in the background (see [Guest.Connected]). If ctx ends before admission, Join withdraws the request. After that,
// ctx has no effect.
//
// Errors are faults: LinkMalformed; LinkUnavailable, LinkSpent, LinkRemoved; RelayUnreachable, RelayRefused,
// OriginRefused, TooFast; KeyMismatch, SealBroken and the other faults of frames and messages; Declined (one more try
// is allowed), DeclinedForGood, Blocked, LobbyFull, LobbyLocked, KnockTimedOut, KnockReplaced, HostGone; NameInvalid;
// or the cause of ctx.
func Join(ctx context.Context, link string, o Options) (*Guest, error) {
	g, err := newGuest(link, o)
	if err != nil {
		return nil, err
	}
	p, welcome, err := dial(ctx, g.client, g.address, g.hello())
	if err != nil {
		g.free()
		return nil, err
	}
	if g.o.OnWelcome != nil {
		g.o.OnWelcome(welcome)
	}
	admitted, err := g.knock(ctx, p)
	if err != nil {
		p.abandon()
		g.free()
		return nil, err
	}
	g.id, g.seat, g.path = admitted.Participant, admitted.Seat, p
	go g.run(p, admitted)
	return g, nil
}

func newGuest(link string, o Options) (*Guest, error) {
	base, id, secret, err := sealed.ParseAddress(link)
	if err != nil {
		return nil, err
	}
	o.Name = signalling.CleanName(o.Name)
	if err := (signalling.Knock{Name: o.Name}).Validate(); err != nil {
		return nil, err
	}
	kinds := map[webrtc.RTPCodecType]bool{}
	for _, t := range o.Tracks {
		if kinds[t.Kind()] {
			return nil, fault.Newf(fault.ConnectFailed, "guest: two %s tracks", t.Kind())
		}
		kinds[t.Kind()] = true
	}
	if o.Device == "" {
		o.Device = newToken()
	}
	if o.API == nil {
		if o.API, err = NewAPI(); err != nil {
			return nil, err
		}
	}
	if o.SeatHold == 0 {
		o.SeatHold = 2 * time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	certificate, err := newCertificate()
	if err != nil {
		return nil, err
	}
	g := &Guest{
		o:           o,
		address:     address{base, id, secret},
		certificate: certificate,
		done:        make(chan struct{}),
		connected:   make(chan struct{}),
		seat:        o.Seat,
		media:       signalling.MediaState{Muted: o.Muted, CameraOff: o.CameraOff},
		told:        signalling.MediaState{Muted: o.Muted, CameraOff: o.CameraOff},
		roster:      make(map[string]signalling.Participant),
	}
	g.client, g.free = g.o.httpClient()
	g.ctx, g.cancel = context.WithCancelCause(context.Background())
	return g, nil
}

// hello returns the first message, with the seat if there is one.
func (g *Guest) hello() signalling.Hello {
	g.mu.Lock()
	defer g.mu.Unlock()
	return signalling.Hello{
		Version: signalling.ProtocolVersion,
		Secret:  g.address.secret.Reveal(),
		Device:  g.o.Device,
		Seat:    g.seat,
		Resume:  g.seat != "" && g.peer != nil && g.peer.alive(),
	}
}

// knock knocks and waits to be let in. It withdraws the knock if ctx ends.
func (g *Guest) knock(ctx context.Context, p *path) (signalling.Admitted, error) {
	left := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(left)
		_ = p.send(context.WithoutCancel(ctx), signalling.Leave{}) // the path may be gone
		p.close()
	})
	admitted, err := g.await(ctx, p)
	if !stop() {
		<-left
		return admitted, context.Cause(ctx)
	}
	return admitted, err
}

func (g *Guest) await(ctx context.Context, p *path) (admitted signalling.Admitted, err error) {
	ctx = context.WithoutCancel(ctx) // when it ends, knock closes the path
	knock := signalling.Knock{Name: g.o.Name, Muted: g.o.Muted, CameraOff: g.o.CameraOff}
	if g.seat == "" {
		if err := p.send(ctx, knock); err != nil {
			return admitted, err
		}
	}
	for {
		m, err := p.receive(ctx)
		if err != nil {
			return admitted, err
		}
		switch m := m.(type) {
		case signalling.Waiting:
			if g.o.OnWaiting != nil {
				g.o.OnWaiting(m)
			}
		case signalling.Admitted:
			return m, nil
		case signalling.Declined:
			if m.MayRetry {
				return admitted, fault.New(fault.Declined, nil)
			}
			return admitted, fault.New(fault.DeclinedForGood, nil)
		case signalling.Ended:
			if m.Reason != signalling.EndSeatGone || g.seat == "" {
				return admitted, g.ended(m.Reason)
			}
			g.seat = ""
			if err := p.send(ctx, knock); err != nil {
				return admitted, err
			}
		case signalling.Fault:
			if g.lastCode = m.Code; m.Code == string(fault.NameInvalid) || m.Code == string(fault.TooFast) {
				return admitted, fault.New(fault.Code(m.Code), nil)
			}
		default:
			return admitted, fault.Newf(fault.MessageUnexpected, "%s before admission", m.Type())
		}
	}
}

// ended returns the fault for a reason of Ended. If the host gave a fault of its own, it returns that one.
func (g *Guest) ended(reason signalling.EndReason) error {
	if reason == signalling.EndFault && g.lastCode != "" {
		return fault.Newf(fault.Code(g.lastCode), "the host ended it")
	}
	return faultOf(reason)
}

// run is the guest's goroutine, from admission to the end.
func (g *Guest) run(p *path, admitted signalling.Admitted) {
	defer close(g.done)
	err := g.stay(p, admitted)
	if g.leaving.Load() || errors.Is(context.Cause(g.ctx), errLeft) {
		err = nil
	}
	g.cancel(errLeft) // nothing is sent after this
	g.mu.Lock()
	peer := g.peer
	g.mu.Unlock()
	if peer != nil {
		err = errors.Join(err, peer.close())
	}
	g.closing.Wait()
	g.free()
	g.err = err
}

// stay serves one path after another. It returns why the guest is out.
func (g *Guest) stay(p *path, admitted signalling.Admitted) error {
	for {
		final, err := g.serve(p, admitted)
		g.mu.Lock()
		g.path = nil
		g.mu.Unlock()
		if final {
			p.close()
			return err
		}
		p.abandon()
		if g.ctx.Err() != nil || g.leaving.Load() {
			return err
		}
		g.o.Logger.Info("path lost", "code", fault.CodeOf(err))
		g.away(true)
		if p, admitted, err = g.comeBack(err); err != nil {
			return err
		}
	}
}

func (g *Guest) away(away bool) {
	if g.o.OnAway != nil {
		g.o.OnAway(away)
	}
}

// serve serves one path, from admission until it is lost or the guest ends.
func (g *Guest) serve(p *path, admitted signalling.Admitted) (final bool, err error) {
	if err := g.enter(p, admitted); err != nil {
		return true, err
	}
	for {
		m, err := p.receive(g.ctx)
		if err != nil {
			return isFinal(err), err
		}
		if ended, ok := m.(signalling.Ended); ok {
			g.tell(m)
			return ended.Reason != signalling.EndShutdown, g.ended(ended.Reason)
		}
		if err := g.handle(p, m); err != nil {
			return isFinal(err), err
		}
		g.tell(m)
	}
}

func (g *Guest) tell(m signalling.Message) {
	if g.o.OnMessage != nil {
		g.o.OnMessage(m)
	}
}

// enter takes the seat through a path, with the previous peer connection or a new one.
func (g *Guest) enter(p *path, admitted signalling.Admitted) error {
	g.mu.Lock()
	old := g.peer
	g.mu.Unlock()
	peer := old
	switch {
	case old == nil || !admitted.Resumed:
		var err error
		if peer, err = newPeer(&g.o, g.certificate, admitted.ICEServers, g.events()); err != nil {
			return err
		}
	case len(admitted.ICEServers) > 0:
		if err := old.use(admitted.ICEServers); err != nil {
			g.o.Logger.Warn("goes on with the ICE servers of before", "error", err)
		}
	}
	g.mu.Lock()
	g.path, g.peer = p, peer
	g.id, g.seat = admitted.Participant, admitted.Seat
	g.mu.Unlock()
	if old != nil {
		g.o.Logger.Info("path regained", "resumed", admitted.Resumed)
		g.away(false) // only now, because the path now takes messages
	}
	if old != nil && old != peer {
		g.closing.Go(func() {
			if err := old.close(); err != nil {
				g.o.Logger.Info("old peer connection", "error", err)
			}
		})
	}
	if admitted.Farewell != "" { // the host understands Seated
		_ = p.send(g.ctx, signalling.Seated{}) // a lost path is noticed when receiving
	}
	g.tell(admitted)
	return g.tellMedia()
}

// events sends the events of a peer connection through the current path. Without a path they are lost, and the host's
// next offer replaces them.
func (g *Guest) events() peerEvents {
	return peerEvents{
		candidate: func(c signalling.Candidate) { _ = g.send(c) },
		connected: func() { g.once.Do(func() { close(g.connected) }) },
		failed:    func() { _ = g.send(signalling.Restart{}) },
	}
}

// handle handles a message from the host during the call.
func (g *Guest) handle(p *path, m signalling.Message) error {
	switch m := m.(type) {
	case signalling.Offer:
		return g.peer.answer(m, func(a signalling.Message) error { return p.send(g.ctx, a) })
	case signalling.Candidate:
		g.peer.candidate(m)
	case signalling.Tracks:
		g.peer.sections.assign(m.Slots)
	case signalling.Roster:
		g.mu.Lock()
		clear(g.roster)
		for _, participant := range m.Participants {
			g.roster[participant.ID] = participant
		}
		g.mu.Unlock()
	case signalling.Joined:
		g.mu.Lock()
		g.roster[m.Participant.ID] = m.Participant
		g.mu.Unlock()
	case signalling.Left:
		g.mu.Lock()
		delete(g.roster, m.ID)
		g.mu.Unlock()
	case signalling.Fault:
		g.lastCode = m.Code
	}
	return nil
}

// The attempts to come back: the first at once, later ones with growing pauses.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 2 * time.Second
)

// comeBack asks for the seat until it gets it, the host refuses, or the host no longer holds it.
func (g *Guest) comeBack(lost error) (*path, signalling.Admitted, error) {
	ctx, cancel := context.WithTimeoutCause(g.ctx, g.o.SeatHold, lost)
	defer cancel()
	pause := firstPause
	for {
		p, admitted, err := g.reclaim(ctx)
		if err == nil || isFinal(err) {
			return p, admitted, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, admitted, context.Cause(ctx)
		}
		pause = min(2*pause, longestPause)
	}
}

// reclaim makes one attempt to come back.
func (g *Guest) reclaim(ctx context.Context) (_ *path, admitted signalling.Admitted, err error) {
	p, _, err := dial(ctx, g.client, g.address, g.hello())
	if err != nil {
		return nil, admitted, err
	}
	defer func() {
		if err != nil {
			p.abandon()
		}
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, dialTimeout, fault.Newf(fault.HostGone, "no answer"))
	defer cancel()
	m, err := p.receive(ctx)
	if err != nil {
		return nil, admitted, err
	}
	switch m := m.(type) {
	case signalling.Admitted:
		return p, m, nil
	case signalling.Ended:
		return nil, admitted, g.ended(m.Reason)
	default:
		return nil, admitted, fault.Newf(fault.MessageUnexpected, "%s before admission", m.Type())
	}
}

// isFinal reports whether another try can't help.
func isFinal(err error) bool {
	switch fault.CodeOf(err) {
	case fault.RelayUnreachable, fault.RelayRefused, fault.HostGone, fault.LinkUnavailable, fault.TooFast, fault.TooSlow,
		fault.Internal: // Internal stands for a failure of the network, or of ctx
		return false
	default:
		return true
	}
}

// send sends through the current path. Without one it returns [fault.NotInCall].
func (g *Guest) send(m signalling.Message) error {
	g.mu.Lock()
	p := g.path
	g.mu.Unlock()
	if p == nil || g.ctx.Err() != nil {
		return fault.New(fault.NotInCall, context.Cause(g.ctx))
	}
	return p.send(g.ctx, m)
}

// Say sends a chat line. Faults: [fault.ChatInvalid], or [fault.NotInCall] while the path is lost.
func (g *Guest) Say(text string) error { return g.send(signalling.Say{Text: text}) }

// SetMedia tells the host whether the microphone and the camera are off. While the path is lost the state is kept,
// and sent when the path is back. The caller itself stops sending media.
func (g *Guest) SetMedia(muted, cameraOff bool) error {
	g.mu.Lock()
	g.media = signalling.MediaState{Muted: muted, CameraOff: cameraOff}
	here := g.path != nil
	g.mu.Unlock()
	if !here {
		return nil
	}
	return g.tellMedia()
}

// tellMedia sends the media state if the host does not know it yet.
func (g *Guest) tellMedia() error {
	g.mu.Lock()
	state, news := g.media, g.media != g.told
	g.told = g.media
	g.mu.Unlock()
	if !news {
		return nil
	}
	return g.send(state)
}

// Restart asks the host for an ICE restart, for example after a change of this machine's network.
func (g *Guest) Restart() error { return g.send(signalling.Restart{}) }

// Look tells the host what the guest looks at. Hosts of before [signalling.TakesView] ignore it.
func (g *Guest) Look(v signalling.View) error { return g.send(v) }

// ID returns the guest's participant id.
func (g *Guest) ID() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.id
}

// Seat returns a value for Options.Seat of a later guest with the same Device.
func (g *Guest) Seat() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.seat
}

// Device returns the device by which the host recognises this guest.
func (g *Guest) Device() string { return g.o.Device }

// Participants returns all participants of the call, this guest included, in no particular order.
func (g *Guest) Participants() []signalling.Participant {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make([]signalling.Participant, 0, len(g.roster))
	for _, p := range g.roster {
		all = append(all, p)
	}
	return all
}

// PeerConnection returns the current peer connection, for its statistics. It is nil before there is one, and changes
// if the guest returns and can't resume the old one.
func (g *Guest) PeerConnection() *webrtc.PeerConnection {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.peer == nil {
		return nil
	}
	return g.peer.pc
}

// Connected is closed when media can flow for the first time.
func (g *Guest) Connected() <-chan struct{} { return g.connected }

// Done is closed when the guest is out: it left, was removed, or could not come back.
func (g *Guest) Done() <-chan struct{} { return g.done }

// Err returns why the guest is out, once Done is closed. It is nil after Leave and Close, and otherwise a fault such
// as CallEnded, RemovedByHost, LinkRemoved, SeatExpired or HostGone.
func (g *Guest) Err() error {
	select {
	case <-g.done:
		return g.err
	default:
		return nil
	}
}

// Leave gives up the seat and ends the guest. It waits for the guest's goroutines, and may be called twice.
func (g *Guest) Leave() error {
	g.leaving.Store(true)
	if g.send(signalling.Leave{}) == nil {
		g.mu.Lock()
		p := g.path
		g.mu.Unlock()
		if p != nil {
			p.close()
		}
	}
	return g.Close()
}

// Close ends the guest without telling the host, as a lost network would. The host holds the seat for 2 minutes.
// Close waits for the guest's goroutines, and may be called twice.
func (g *Guest) Close() error {
	g.cancel(errLeft)
	<-g.done
	return g.err
}
