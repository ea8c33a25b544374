package call

import (
	"sync/atomic"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/forward"
	"github.com/porch-call/porch/backend/signalling"
)

// LocalSink takes what a [Local] receives. Its methods are called on the goroutines that read from the network,
// several at a time. They must not block.
type LocalSink interface {
	// ReceiveRTP takes a packet of a participant, or of its screen ([codec.ScreenOf]), which may come anew with
	// another SSRC. For each participant and kind, sequence numbers have no gaps but those of loss and reordering on
	// the network, and video begins with a keyframe. Packets that the network lost between the participant and us are
	// asked for and arrive after about roundTrip, which is 0 while it is unknown. pkt is valid only during the call.
	ReceiveRTP(participant string, kind signalling.Kind, pkt *rtp.Packet, roundTrip time.Duration)
	// KeyframeWanted asks for a keyframe in the video, or the shared screen, that WriteRTP sends. It is called on its own
	// goroutine.
	KeyframeWanted(kind signalling.Kind)
	// PictureTaken says whether other participants take the video that WriteRTP sends, and whether the window shows it
	// as the own picture. It is called on the call's goroutine, so it must neither block nor call the Local.
	PictureTaken(others, window bool)
	// LossAssumed says which share of the sound that WriteRTP sends the receivers are assumed to lose. It is called
	// like PictureTaken.
	LossAssumed(share float64)
	// PictureLimited says what others can have of that video: bit/s of the encoder, and lines. 0 is no limit. It is
	// called as PictureTaken is.
	PictureLimited(bitrate, lines int)
	// ScreenLimited says whether others look at the shared screen, and what they can have of it in bit/s, 0 for no limit.
	// It is called as PictureTaken is, while the screen is shared.
	ScreenLimited(taken bool, bitrate int)
}

// Local is the native engine's participant.
type Local struct {
	m    *member
	sink LocalSink

	keyframe, screenKeyframe chan struct{} // buffered 1; full means that one is wanted
	done                     chan struct{}
	screen                   atomic.Uint32 // SSRC of the shared screen

	in *forward.Inbound

	made uint32 // slots so far; owned by the call's goroutine
}

// JoinLocal admits the native engine, which runs in this process and has no peer connection. out gets Roster, Joined,
// Left, Speaking, Chat and Mute. The faults are those of Join.
func (c *Call) JoinLocal(p Profile, sink LocalSink, out Outbox) (*Local, error) {
	p.Admission = nil
	m := newMember(c, p, out)
	l := &Local{m: m, sink: sink, keyframe: make(chan struct{}, 1), screenKeyframe: make(chan struct{}, 1), done: make(chan struct{})}
	m.local = l
	sent := m.sent()
	l.in = forward.NewInbound(sent[:], localUpstream{l: l}, &m.admitted, &c.counters)
	l.in.Connect()
	var refused error
	err := c.do(func() {
		if refused = c.enter(m); refused == nil {
			c.workers.Go(l.run)
			c.assign(m)
		}
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// run passes on requests for keyframes, so that the sink is never called while a lock is held.
func (l *Local) run() {
	for {
		select {
		case <-l.keyframe:
			l.sink.KeyframeWanted(signalling.KindVideo)
		case <-l.screenKeyframe:
			l.sink.KeyframeWanted(signalling.KindScreen)
		case <-l.done:
			return
		}
	}
}

func (l *Local) end() { close(l.done) }

// pair makes the slots in which the engine receives other.
func (l *Local) pair(other *member) *slotPair {
	return l.slots(other.profile.ID, other.audio, other.video)
}

// screenPair makes the slots in which the engine receives other's screen.
func (l *Local) screenPair(other *member) *slotPair {
	pr := l.slots(codec.ScreenOf(other.profile.ID), other.screenSound, other.screen)
	pr.screen = true
	return pr
}

// slots makes slots for two tracks, whose packets the sink gets under a name.
func (l *Local) slots(name string, audio, video *forward.Track) *slotPair {
	pr := &slotPair{
		audio: forward.NewSlot(signalling.KindAudio, &l.m.admitted, &l.m.call.counters),
		video: forward.NewSlot(signalling.KindVideo, &l.m.admitted, &l.m.call.counters),
	}
	for _, s := range []*forward.Slot{pr.audio, pr.video} {
		payloadType, from := uint8(codec.AudioPayloadType), audio
		if s.Kind == signalling.KindVideo {
			payloadType, from = codec.VideoPayloadType, video
		}
		l.made++ // tells the engine that a participant's next screen is another stream
		s.Bind(forward.Numbers{SSRC: l.made, PayloadType: payloadType})
		s.SetWriter(&sinkWriter{sink: l.sink, participant: name, from: from})
		s.Open()
	}
	return pr
}

// packetSink takes packets as [LocalSink] says.
type packetSink interface {
	ReceiveRTP(participant string, kind signalling.Kind, pkt *rtp.Packet, roundTrip time.Duration)
}

// sinkWriter writes a slot's packets to a sink.
type sinkWriter struct {
	sink        packetSink
	participant string // or its screen
	from        *forward.Track
	packet      rtp.Packet
}

// Write implements [interceptor.RTPWriter].
func (w *sinkWriter) Write(h *rtp.Header, payload []byte, _ interceptor.Attributes) (int, error) {
	w.packet.Header, w.packet.Payload = *h, payload
	w.sink.ReceiveRTP(w.participant, w.from.Kind, &w.packet, w.from.RoundTrip())
	return len(payload), nil
}

// localUpstream asks the engine for what receivers of its media need.
type localUpstream struct {
	forward.Lossless
	l *Local
}

// RequestKeyframe implements [forward.Upstream].
func (u localUpstream) RequestKeyframe(ssrc uint32) {
	wanted := u.l.keyframe
	if ssrc == u.l.screen.Load() {
		wanted = u.l.screenKeyframe
	}
	select {
	case wanted <- struct{}{}:
	default: // one is wanted already
	}
}

// ID returns the id of the participant's profile.
func (l *Local) ID() string { return l.m.profile.ID }

// WriteRTP forwards a packet to all other participants. The payload type does not matter. Of the header extensions it
// reads only [codec.AudioLevelID]. It keeps nothing of pkt. It returns fault.NotInCall after Leave, and
// fault.MessageInvalid for an unknown kind.
func (l *Local) WriteRTP(kind signalling.Kind, pkt *rtp.Packet) error {
	if !l.m.admitted.Load() {
		return fault.New(fault.NotInCall, nil)
	}
	track := 0
	switch kind {
	case signalling.KindAudio:
	case signalling.KindVideo:
		track = 1
	case signalling.KindScreen:
		track = 3
		l.screen.Store(pkt.SSRC)
	default:
		return fault.Newf(fault.MessageInvalid, "media of kind %q", kind)
	}
	engine := l.m.call.engine
	engine.cork()
	defer engine.uncork()
	l.in.Write(track, pkt, time.Now())
	return nil
}

// RequestKeyframe asks for a keyframe of a participant, or of its screen ([codec.ScreenOf]), at most as often as
// other receivers may.
func (l *Local) RequestKeyframe(participant string) {
	id, screen := codec.OfScreen(participant)
	m := l.m.call.member(id)
	if m == nil || m == l.m {
		return
	}
	video := m.video
	if screen {
		video = m.screen
	}
	video.WishKeyframe(&l.m.admitted, time.Now())
}

// Handle takes MediaState, Sharing, View, Say and Leave; see [Participant.Handle].
func (l *Local) Handle(message signalling.Message) error {
	return l.m.call.handle(l.m, message)
}

// Attach gives the participant a new path for messages, because the window was reloaded. The Roster is sent again. It
// returns fault.ParticipantGone after Leave, and fault.CallEnded.
func (l *Local) Attach(out Outbox) error {
	m, c := l.m, l.m.call
	var refused error
	err := c.do(func() {
		if m.left {
			refused = fault.New(fault.ParticipantGone, nil)
			return
		}
		if c.screen.of == m { // the page begins anew
			c.present(nil, false)
		}
		m.forgetView()
		c.reattach(m, out, true)
		c.refreshAway(m)
		c.steer()
	})
	if err != nil {
		return err
	}
	return refused
}

// Leave takes the participant out. It may be called twice.
func (l *Local) Leave(reason signalling.EndReason) {
	// An error means that the call is over, and nobody is in it.
	_ = l.m.call.do(func() { l.m.call.leave(l.m, reason) })
}
