package share

import (
	"sync/atomic"
	"time"
)

// Places are how many participants are heard at once: most people can't follow more than two, and a cough takes a place.
const (
	FewPlaces  = 4
	MostPlaces = 5 // while the way is free
)

const (
	// hold is how long a voice keeps its place in silence, if no other one wants it.
	hold = 1500 * time.Millisecond
	// pause is how long a voice keeps its place in silence in any case. Gaps between words are shorter.
	pause = 300 * time.Millisecond
	// A voice that is louder by clearly for so long takes the place of one that speaks.
	clearly    = 6.0 // dB
	clearlyFor = 200 * time.Millisecond

	// Levels are in dB above -127 dBov, the silence of RFC 6464.
	quietest  = 127 - 62.0 // what is below is never speech
	loudNoise = 127 - 45.0 // what is above always is (package speaking)
	aboveHum  = 9.0        // dB by which speech is above the noise of a room

	// How fast the smoothed level rises and falls, and the level of the room's noise rises. It falls at once.
	attack  = 20 * time.Millisecond
	release = 200 * time.Millisecond
	humRise = 2.0 // dB a second
	// longGap is the longest time between two packets that counts as time: no packets come while a sender is silent.
	longGap = 500 * time.Millisecond
)

// Loudest chooses whose sound is forwarded. It is made for the packet path: [Loudest.Hear] may be called for many voices
// at once, takes no lock and allocates nothing. A voice that has a place costs two atomic reads and two writes, and one
// that wants a place a compare and swap.
//
// A free place is taken at once by whoever speaks. So is the place of a voice that has been silent for pause, the
// longest silence first. A voice that speaks loses its place to one that is clearly louder. After hold in silence a
// voice gives its place back by itself.
type Loudest struct {
	begun  time.Time
	limit  atomic.Int32
	places [MostPlaces]atomic.Pointer[Voice]
}

// Voice is the sound of one participant. The zero value is ready.
type Voice struct {
	loudness atomic.Int32 // smoothed, in 1/256 dB above silence
	spoke    atomic.Int64 // when it was last louder than its room, in ns since begun; 0 is never

	// The rest belongs to whoever calls Hear.
	sent   bool          // its last packet was forwarded
	place  int           // its place plus 1, as far as it knows; 0 is none
	heard  time.Duration // the last packet
	level  float64       // loudness in dB
	hum    float64       // of the room, in dB
	louder time.Duration // since when it is clearly louder than the weakest place, 0 if it is not
}

// Microphone is a voice among those of a call.
type Microphone struct {
	among *Loudest
	voice Voice
}

// Microphone returns a voice that is new in the call.
func (l *Loudest) Microphone() *Microphone { return &Microphone{among: l} }

// Hear is [Loudest.Hear] of the voice.
func (m *Microphone) Hear(level uint8, now time.Time) (forward, begins bool) {
	return m.among.Hear(&m.voice, level, now)
}

// Release is [Loudest.Release] of the voice.
func (m *Microphone) Release() { m.among.Release(&m.voice) }

// NewLoudest returns a choice with [FewPlaces].
func NewLoudest(now time.Time) *Loudest {
	l := &Loudest{begun: now.Add(-time.Hour)} // no time is 0
	l.limit.Store(FewPlaces)
	return l
}

// Everybody as a number of places means that all are heard, silent or not.
const Everybody = 0

// SetPlaces sets how many are heard at once, up to [MostPlaces]. It may be called at any time.
func (l *Loudest) SetPlaces(n int) { l.limit.Store(int32(min(max(n, Everybody), MostPlaces))) }

// Places returns how many are heard at once among so many participants, of whom voices are not muted. In a small call
// all are. [MostPlaces] are while the ways out could carry twice the sound. The receivers' Sound is not looked at.
func Places(participants, voices int, ways []Way, receivers []Receiver) int {
	if participants <= FewPlaces+1 {
		return Everybody
	}
	for w, way := range ways {
		sound := 0
		for _, r := range receivers {
			if r.Way == w {
				sound += Sound(voices, MostPlaces, false)
			}
		}
		if 2*sound > way.Capacity {
			return FewPlaces
		}
	}
	return MostPlaces
}

// Release takes v's place away, because it is muted or has left. It may be called at any time.
func (l *Loudest) Release(v *Voice) {
	for i := range l.places {
		l.places[i].CompareAndSwap(v, nil)
	}
}

// Hear takes the level of a packet in -dBov (RFC 6464), and reports whether the packet is forwarded. begins reports
// that the one before it was not. A word begins more softly than it is noticed, so that some packets before are to be
// sent first. Calls for one voice must not overlap.
func (l *Loudest) Hear(v *Voice, level uint8, now time.Time) (forward, begins bool) {
	at := max(now.Sub(l.begun), 1)
	speaks := v.listen(127-float64(min(level, 127)), at)
	forward = l.hears(v, speaks, at)
	begins = forward && !v.sent
	v.sent = forward
	return forward, begins
}

func (l *Loudest) hears(v *Voice, speaks bool, at time.Duration) bool {
	limit := int(l.limit.Load())
	if i := v.place - 1; i >= 0 {
		switch {
		case i >= limit, l.places[i].Load() != v:
		case at-time.Duration(v.spoke.Load()) < hold:
			return true
		}
		l.places[i].CompareAndSwap(v, nil)
		v.place = 0
	}
	if limit == Everybody || !speaks {
		return limit == Everybody
	}
	// Another voice may be faster, and then another place may be free.
	for range MostPlaces {
		i, holder := l.weakest(limit, at)
		if holder != nil && at-time.Duration(holder.spoke.Load()) < pause && !v.outshouts(holder, at) {
			return false
		}
		if l.places[i].CompareAndSwap(holder, v) {
			v.place, v.louder = i+1, 0
			return true
		}
	}
	return false
}

// listen notes the loudness of a packet, and reports whether it is speech.
func (v *Voice) listen(level float64, at time.Duration) (speaks bool) {
	gap := min(at-v.heard, longGap)
	if v.heard == 0 {
		v.level, v.hum = level, min(level, quietest-aboveHum)
		gap = 0
	}
	v.heard = at
	tau := attack
	if level < v.level {
		tau = release
	}
	v.level += (level - v.level) * float64(gap) / float64(gap+tau)
	v.loudness.Store(int32(v.level * 256))
	v.hum = min(level, v.hum+humRise*gap.Seconds())
	if level < min(max(v.hum+aboveHum, quietest), loudNoise) {
		return false
	}
	v.spoke.Store(int64(at))
	return true
}

// weakest returns the place that is the easiest to get: a free one, or else that of the longest silence, or else that of
// the softest voice.
func (l *Loudest) weakest(limit int, at time.Duration) (place int, holder *Voice) {
	var silence time.Duration
	var loudness int32
	for i := range limit {
		h := l.places[i].Load()
		if h == nil {
			return i, nil
		}
		s := at - time.Duration(h.spoke.Load())
		if s < pause {
			s = 0
		}
		if d := h.loudness.Load(); holder == nil || s > silence || s == silence && d < loudness {
			place, holder, silence, loudness = i, h, s, d
		}
	}
	return place, holder
}

// outshouts reports whether v has been clearly louder for long enough.
func (v *Voice) outshouts(holder *Voice, at time.Duration) bool {
	if v.level < float64(holder.loudness.Load())/256+clearly {
		v.louder = 0
		return false
	}
	if v.louder == 0 {
		v.louder = at
	}
	return at-v.louder >= clearlyFor
}
