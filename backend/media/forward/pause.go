package forward

import (
	"time"

	"github.com/porch-call/porch/backend/signalling"
)

// SetPaused pauses or resumes the slot. It resumes with a cached keyframe if that is recent enough, and with a new one
// otherwise. Unlike the start of a track, a new one counts as a wish, because the receiver chooses when to look away.
func (s *Slot) SetPaused(paused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paused == paused {
		return
	}
	s.paused = paused
	s.aim()
	s.cut()
	s.resume(time.Now())
}

// resumeEvery is the least time between two pauses that end with a replay. Without it, a receiver that pauses all the
// time would be sent the whole cache each time.
const resumeEvery = time.Second

// resume goes on after a pause.
func (s *Slot) resume(now time.Time) {
	l := s.layer.Load()
	if s.Kind != signalling.KindVideo || l == nil || !s.ready || l.track.silent.Load() {
		return
	}
	if now.Sub(s.resumedAt) >= resumeEvery && s.replay(now) {
		s.resumedAt = now
		if s.out.running { // otherwise the line had no room for it, and send has seen to what follows
			s.starved.Store(false)
			s.wishes.granted()
		}
		return
	}
	at := s.wishes.resume(now)
	if at.After(now) {
		s.starved.Store(true)
		l.requestKeyframeAt(at)
		return
	}
	s.starved.Store(false)
	l.requestKeyframe(now)
}
