package call

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/forward"
	"github.com/porch-call/porch/backend/media/share"
	"github.com/porch-call/porch/backend/signalling"
)

// A recording is a receiver that takes part in nothing else: it has slots of its own at the tracks of those who have agreed,
// and so nothing on the way of a packet knows of it. A member is recorded only while its page shows the mark, which
// nobody can hide, and after it has agreed to this recording. See decision 110.

// RecordSink takes what is recorded. Its methods may be called by several goroutines at a time, and must not block or
// call the Call.
type RecordSink interface {
	// Agree says that media of a participant, of this name, may come from now on.
	Agree(id, name string)
	// Withdraw says that nothing of a participant may be kept from now on.
	Withdraw(id string)
	// Dark says that a participant's camera, or its screen ([codec.ScreenOf]), is off.
	Dark(name string)
	// ReceiveRTP takes a packet as [LocalSink] does.
	ReceiveRTP(name string, kind signalling.Kind, pkt *rtp.Packet, roundTrip time.Duration)
	// ReceiveClock says which RTP timestamp belongs to now in a stream of ReceiveRTP.
	ReceiveClock(name string, kind signalling.Kind, timestamp uint32)
}

// RecordState is how a participant stands to a recording.
type RecordState string

// The states.
const (
	RecordAsked    RecordState = "asked"
	RecordAgreed   RecordState = "agreed"
	RecordDeclined RecordState = "declined"
	RecordOld      RecordState = "old" // the page can't ask, because it is of before
)

// Recorded is a participant while a call is recorded.
type Recorded struct {
	ID, Name string
	State    RecordState
}

// recording is the recording of a call. The call's goroutine owns it.
type recording struct {
	number   uint32
	sink     RecordSink
	counters forward.Counters
	made     uint32 // slots so far
}

// recordedMember is a member who is recorded.
type recordedMember struct {
	sink    RecordSink
	allowed atomic.Bool // the slots' admission
	slots   []recordedSlot
}

type recordedSlot struct {
	name  string
	track *forward.Track
	slot  *forward.Slot
}

// Answers to a recording that a member may give. To withdraw is never refused.
const (
	consentEvery = time.Second
	consentBurst = 8
)

// Record begins a recording of all who agree to it, and asks them. The host, who wishes it, agrees by that. It ends with
// StopRecording, and when the host leaves; then OnRecording gets nil. Faults: RecordingRuns, NotInCall without the host,
// CallEnded.
func (c *Call) Record(sink RecordSink) error {
	var refused error
	err := c.do(func() {
		members := *c.members.Load()
		i := slices.IndexFunc(members, func(m *member) bool { return m.profile.Host })
		switch {
		case c.recording != nil:
			refused = fault.New(fault.RecordingRuns, nil)
			return
		case i < 0:
			refused = fault.New(fault.NotInCall, nil)
			return
		}
		c.recordings++
		c.recording = &recording{number: c.recordings, sink: sink}
		members[i].answered, members[i].agrees = c.recordings, true
		for _, m := range members {
			m.tellRecording()
		}
		for _, m := range members {
			c.recordIfAgreed(m)
		}
		c.recordingChanged()
		c.steer()
	})
	if err != nil {
		return err
	}
	return refused
}

// StopRecording ends the recording, if there is one. When it returns, the sink gets nothing more.
func (c *Call) StopRecording() {
	_ = c.do(c.endRecording) // an error means that the call is over, and with it the recording
}

func (c *Call) endRecording() {
	if c.recording == nil {
		return
	}
	members := *c.members.Load()
	for _, m := range members {
		c.stopRecording(m)
	}
	c.recording = nil
	for _, m := range members {
		m.tellRecording()
	}
	c.recordingChanged()
	c.steer()
}

// RequestRecordedKeyframe asks for a keyframe of a participant who is recorded, or of its screen.
func (c *Call) RequestRecordedKeyframe(name string) {
	id, screen := codec.OfScreen(name)
	m := c.member(id)
	if m == nil {
		return
	}
	r := m.recorded.Load()
	if r == nil {
		return
	}
	video := m.video
	if screen {
		video = m.screen
	}
	video.WishKeyframe(&r.allowed, time.Now())
}

// consent takes m's answer to a recording. One to a recording that is over counts for nothing.
func (c *Call) consent(m *member, s signalling.Consent) error {
	r := c.recording
	switch {
	case r == nil || r.number != s.Recording || m.profile.Host:
		return nil
	case m.answered == r.number && m.agrees == s.Agree:
		return nil
	case s.Agree && !m.consents.Allow():
		return fault.New(fault.TooFast, nil)
	}
	m.answered, m.agrees = r.number, s.Agree
	c.recordIfAgreed(m)
	m.tellRecording()
	c.recordingChanged()
	c.steer()
	return nil
}

// recordIfAgreed begins or ends that m is recorded, as it should be.
func (c *Call) recordIfAgreed(m *member) {
	r := c.recording
	if r == nil || m.left || !m.takesRecording || m.answered != r.number || !m.agrees {
		c.stopRecording(m)
		return
	}
	if m.recorded.Load() != nil {
		return
	}
	r.sink.Agree(m.profile.ID, m.profile.Name)
	rm := &recordedMember{sink: r.sink}
	rm.allowed.Store(true)
	screen := codec.ScreenOf(m.profile.ID)
	for i, t := range m.sent() {
		name := m.profile.ID
		if i >= 2 {
			name = screen
		}
		rm.slots = append(rm.slots, recordedSlot{name, t, r.slot(name, t, &rm.allowed)})
	}
	m.recorded.Store(rm)
	for _, s := range rm.slots {
		s.track.AddReceiver(s.slot)
		s.slot.Assign(s.track)
	}
}

// slot makes the slot in which a track is recorded.
func (r *recording) slot(name string, t *forward.Track, allowed *atomic.Bool) *forward.Slot {
	s := forward.NewSlot(t.Kind, allowed, &r.counters)
	payloadType := uint8(codec.AudioPayloadType)
	if t.Kind == signalling.KindVideo {
		payloadType = codec.VideoPayloadType
	}
	r.made++
	s.Bind(forward.Numbers{SSRC: r.made, PayloadType: payloadType})
	s.SetWriter(&sinkWriter{sink: r.sink, participant: name, from: t})
	s.SetFresh() // what is in the cache was before the answer
	s.Open()
	return s
}

// stopRecording makes m be recorded no more.
func (c *Call) stopRecording(m *member) {
	rm := m.recorded.Swap(nil)
	if rm == nil {
		return
	}
	for _, s := range rm.slots {
		s.track.RemoveReceiver(s.slot)
		s.slot.Assign(nil)
		s.slot.Close()
	}
	rm.allowed.Store(false)
	rm.sink.Withdraw(m.profile.ID)
}

// dark tells the recording that m's camera, or its screen, is off.
func (m *member) dark(name string) {
	if rm := m.recorded.Load(); rm != nil {
		rm.sink.Dark(name)
	}
}

// tellRecording tells m whether the call is recorded, if its page shows that.
func (m *member) tellRecording() {
	if !m.takesRecording {
		return
	}
	r := m.call.recording
	if r == nil {
		m.send(signalling.Recording{})
		return
	}
	told := signalling.Recording{On: true, Number: r.number}
	switch m.recordState() {
	case RecordAgreed:
		told.Answer = signalling.ConsentAgreed
	case RecordDeclined:
		told.Answer = signalling.ConsentDeclined
	}
	m.send(told)
}

func (m *member) recordState() RecordState {
	switch {
	case m.viewed && !m.takesRecording:
		return RecordOld
	case m.answered != m.call.recording.number:
		return RecordAsked
	case m.agrees:
		return RecordAgreed
	default:
		return RecordDeclined
	}
}

// recordingChanged tells the owner of the call who is recorded.
func (c *Call) recordingChanged() {
	if c.hooks.OnRecording == nil {
		return
	}
	if c.recording == nil {
		c.hooks.OnRecording(nil)
		return
	}
	var people []Recorded // never empty, because the host is in
	for _, m := range *c.members.Load() {
		people = append(people, Recorded{m.profile.ID, m.profile.Name, m.recordState()})
	}
	c.hooks.OnRecording(people)
}

// clockEvery is how often a recording hears of the clocks of what it records, in ticks of the reporter.
const clockEvery = 4

// tellClocks tells the recording which time the streams of m have now. The reporter calls it.
func (m *member) tellClocks(now time.Time) {
	rm := m.recorded.Load()
	if rm == nil {
		return
	}
	for _, s := range rm.slots {
		if timestamp, ok := s.slot.TimestampAt(now); ok {
			rm.sink.ReceiveClock(s.name, s.track.Kind, timestamp)
		}
	}
}

// recordLayer is the layer of a picture that is asked for while it is recorded and nobody looks at it: 360 lines.
const recordLayer = 1

// recordUnseen is the rate for that layer, in bit/s.
const recordUnseen = 600_000

// askRecorded returns what the publisher of a picture is asked for. If it is recorded and nobody looks at it, that is one
// layer for the recording. Otherwise a recording asks for nothing: it takes the largest layer that comes.
func (m *member) askRecorded(asks [share.MaxLayers]share.Ask) [share.MaxLayers]share.Ask {
	if m.recorded.Load() == nil || slices.ContainsFunc(asks[:], func(a share.Ask) bool { return a.On }) {
		return asks
	}
	asks[max(0, min(recordLayer, m.asked.Layers()-1))] = share.Ask{On: true, MaxBitrate: recordUnseen, Height: 360}
	return asks
}
