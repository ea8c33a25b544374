package call

import (
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/porch-call/porch/backend/call/asked"
	"github.com/porch-call/porch/backend/call/chat"
	"github.com/porch-call/porch/backend/call/files"
	"github.com/porch-call/porch/backend/call/gesture"
	"github.com/porch-call/porch/backend/call/ownline"
	"github.com/porch-call/porch/backend/call/sections"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/forward"
	"github.com/porch-call/porch/backend/media/path"
	"github.com/porch-call/porch/backend/media/share"
	"github.com/porch-call/porch/backend/signalling"
)

// member is a participant as the call sees them. The call's goroutine owns the
// fields without a comment of their own.
type member struct {
	call     *Call
	profile  Profile
	joinedAt time.Time

	// admitted is true between admission and leaving. The packet path reads it.
	admitted atomic.Bool

	// The media that the member sends. Each track does its own locking.
	audio, video        *forward.Track
	screenSound, screen *forward.Track // silent while the member does not share its screen

	microphone *share.Microphone
	redundancy share.Redundancy // of what it hears

	traffic path.Traffic // by all connections so far

	number share.ID // for decisions on who gets what; never used twice in a call
	place  int      // in the last decision
	asked  asked.Publisher
	line   ownline.Line // as a receiver; see words.go

	gestures gesture.State

	muted, cameraOff bool
	outbox           Outbox // nil while the path is lost
	left             bool
	firstLine        uint64 // number of the first chat line that the member may read
	saying           *rate.Limiter
	offering         *rate.Limiter // files
	restarts         *rate.Limiter // bounds the restarts that the member asks for
	sharings         *rate.Limiter // bounds how often it begins or ends to share its screen

	peer *peer // nil for the native engine
	// connection is peer, for other goroutines.
	connection atomic.Pointer[peer]
	local      *Local        // nil for all but the native engine
	pairs      []*slotPair   // slots in which the member receives
	screenPair *slotPair     // in which it receives a shared screen; nil for none
	screenUp   sections.Mids // in which it sends its own
	away       bool

	// See steer.go.
	views       *rate.Limiter
	takesLayers bool         // the member's page takes Layers
	takesScreen bool         // it takes Screen
	takesLine   bool         // the member's page takes Line
	viewed      bool         // the page has sent a View
	takers      asked.Takers // of its picture

	// See recording.go.
	takesRecording bool                           // the member's page takes Recording, and shows the mark
	answered       uint32                         // number of the recording that it answered last
	agrees         bool                           // to that
	recorded       atomic.Pointer[recordedMember] // nil while it is not recorded
	consents       *rate.Limiter                  // bounds how often it agrees

	// See nomedia.go.
	overdue *time.Timer // nil while media flows
	noMedia fault.Code
}

func newMember(c *Call, p Profile, out Outbox) *member {
	m := &member{
		microphone: c.loudest.Microphone(),
		call:       c, profile: p, joinedAt: time.Now(), outbox: out,
		muted: p.Muted, cameraOff: p.CameraOff,
		audio: forward.NewTrack(p.ID, signalling.KindAudio, p.Muted, &c.counters),
		video: forward.NewTrack(p.ID, signalling.KindVideo, p.CameraOff, &c.counters),

		screenSound: forward.NewTrack(p.ID, signalling.KindAudio, true, &c.counters),
		screen:      forward.NewTrack(p.ID, signalling.KindVideo, true, &c.counters),

		saying:   rate.NewLimiter(rate.Every(chat.Every), chat.Burst),
		offering: files.Pace(),
		restarts: rate.NewLimiter(rate.Every(restartEvery), restartBurst),
		views:    rate.NewLimiter(viewsPerSecond, viewBurst),
		gestures: gesture.New(),
		consents: rate.NewLimiter(rate.Every(consentEvery), consentBurst),
		sharings: rate.NewLimiter(rate.Every(sharingEvery), sharingBurst),

		takesLayers: p.Layers,
	}
	m.audio.Ask(m.microphone)
	return m
}

// Restarts of ICE that a member may ask for. Each makes us try all their
// addresses.
const (
	restartEvery = 2 * time.Second
	restartBurst = 8
)

// entry is the member as others see them.
func (m *member) entry() signalling.Participant {
	return signalling.Participant{
		ID: m.profile.ID, Name: m.profile.Name, Host: m.profile.Host, CoHost: m.profile.CoHost,
		Muted: m.muted, CameraOff: m.cameraOff, Away: m.away,
		JoinedAt: m.joinedAt.UnixMilli(), NoMedia: string(m.noMedia), Hand: m.gestures.Raised(),
	}
}

// send gives the member a message. If the path does not take it, the path is
// lost.
func (m *member) send(message signalling.Message) {
	if m.outbox == nil {
		return
	}
	if err := m.outbox.Send(message); err != nil {
		m.call.engine.logger.Debug("path of a participant", "err", err)
		m.outbox = nil
		m.call.refreshAway(m)
	}
}

// pairOf returns the pair of slots that carries other, or nil.
func (m *member) pairOf(other *member) *slotPair {
	for _, p := range m.pairs {
		if p.member == other {
			return p
		}
	}
	return nil
}

// give makes pr carry other's media to m. If other is nil, pr carries none.
func (m *member) give(pr *slotPair, other *member) {
	if pr.member != nil {
		audio, _ := pr.media()
		audio.RemoveReceiver(pr.audio)
		pr.take(false)
	}
	pr.member, pr.permitted, pr.taken = other, true, false
	if other == nil {
		pr.audio.Assign(nil)
		pr.video.Assign(nil)
		return
	}
	audio, video := pr.media()
	audio.AddReceiver(pr.audio)
	pr.audio.Assign(audio)
	pr.video.Assign(nil)
	pr.video.SetPaused(true)
	// The pause ends before Assign, because the start of a track is no wish; see Slot.SetPaused.
	pr.take(m.looksAt(pr, time.Now()))
	pr.video.Assign(video)
}

// take says whether the receiver looks at the pair's picture.
func (pr *slotPair) take(taken bool) {
	pr.taken = taken
	pr.show()
}

// permit says whether the receiver's line has room for the pair's picture.
func (pr *slotPair) permit(permitted bool) {
	pr.permitted = permitted
	pr.show()
}

// show resumes the picture if it is taken and permitted, and pauses it otherwise.
func (pr *slotPair) show() {
	shown := pr.taken && pr.permitted
	if pr.shown == shown {
		return
	}
	pr.shown = shown
	_, video := pr.media()
	if shown {
		video.AddReceiver(pr.video)
		pr.video.SetPaused(false)
		return
	}
	pr.video.SetPaused(true)
	video.RemoveReceiver(pr.video)
}

// allPairs yields the pairs that carry a member's media to m, a shared screen among them.
func (m *member) allPairs(yield func(*slotPair) bool) {
	for _, pr := range m.pairs {
		if pr.member != nil && !yield(pr) {
			return
		}
	}
	if pr := m.screenPair; pr != nil && pr.member != nil {
		yield(pr)
	}
}

// closeSlots ends all that the member receives.
func (m *member) closeSlots() {
	pairs := m.pairs
	if m.screenPair != nil {
		pairs = append(pairs, m.screenPair)
	}
	for _, pr := range pairs {
		m.give(pr, nil)
		pr.audio.Close()
		pr.video.Close()
	}
	m.pairs, m.screenPair, m.screenUp = nil, nil, sections.Mids{}
}

// tracks is the assignment of slots that the member is told.
func (m *member) tracks() signalling.Tracks {
	slots := []signalling.Slot{}
	for _, pr := range m.pairs {
		if pr.member == nil {
			continue
		}
		id := pr.member.profile.ID
		slots = append(slots,
			signalling.Slot{Mid: pr.audio.Mid, Participant: id, Kind: signalling.KindAudio},
			signalling.Slot{Mid: pr.video.Mid, Participant: id, Kind: signalling.KindVideo})
	}
	return signalling.Tracks{Slots: slots}
}
