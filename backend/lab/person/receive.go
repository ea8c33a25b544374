package person

import (
	"context"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/guest"
	"github.com/porch-call/porch/backend/lab/player"
	"github.com/porch-call/porch/backend/lab/stamp"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/red"
	"github.com/porch-call/porch/backend/signalling"
)

// As libwebrtc.
const (
	nackEvery     = 20 * time.Millisecond
	keyframeEvery = 200 * time.Millisecond // while there is none
	keyframeAfter = 3 * time.Second        // without a picture that can be decoded
	soundTries    = 2                      // Chromium asks for sound 2.4 times if it is not answered (seen)
)

// receiver is everything that a person receives.
type receiver struct {
	connection func() *webrtc.PeerConnection

	mu       sync.Mutex // guards what follows, and the tracks
	sound    map[uint16]*player.Sound
	pictures map[uint16]*player.Pictures
	tracks   []*track
	trip     time.Duration
	asked    player.Asked // of tracks that have ended
}

// track is one slot.
type track struct {
	video bool
	ssrc  uint32
	asks  player.Nacks

	from     *player.Pictures // who is seen now
	hopeless bool             // needs a keyframe
	keyAt    time.Duration    // when one was asked for
	shownAt  time.Duration    // when a picture was decoded, or the track began
}

func newReceiver(connection func() *webrtc.PeerConnection) *receiver {
	return &receiver{
		connection: connection,
		sound:      make(map[uint16]*player.Sound), pictures: make(map[uint16]*player.Pictures),
	}
}

// read reads a track to its end.
func (r *receiver) read(t *guest.Track) {
	x := &track{video: t.Kind == signalling.KindVideo, shownAt: now()}
	if !x.video {
		x.asks.Tries = soundTries
	}
	r.mu.Lock()
	r.tracks = append(r.tracks, x)
	r.mu.Unlock()
	defer r.end(x)
	for {
		p, err := t.ReadRTP()
		if err != nil {
			return
		}
		r.take(x, p, now())
	}
}

func (r *receiver) end(x *track) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, t := range r.tracks {
		if t == x {
			r.tracks = append(r.tracks[:i], r.tracks[i+1:]...)
			break
		}
	}
	a := x.asks.Asked()
	r.asked.Asked += a.Asked
	r.asked.Repaired += a.Repaired
	r.asked.Needless += a.Needless
}

func (r *receiver) take(x *track, p *rtp.Packet, at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x.ssrc = p.SSRC
	x.asks.Packet(p.SequenceNumber)
	switch {
	case x.video:
		if m, ok := stamp.Read(p.Payload); ok { // otherwise padding
			r.see(x, p, m, at)
		}
	case p.PayloadType == codec.RedundantPayloadType:
		_ = red.Read(p.Payload, func(_ uint8, age uint32, payload []byte) { r.hear(payload, age > 0, at) }) // the host makes no other
	default:
		r.hear(p.Payload, false, at)
	}
}

// hear takes a frame of sound. again says that it came with a later one.
func (r *receiver) hear(payload []byte, again bool, at time.Duration) {
	m, ok := stamp.Read(payload)
	if !ok {
		return
	}
	s := r.sound[m.Sender]
	if s == nil {
		s = new(player.Sound)
		r.sound[m.Sender] = s
	}
	if again {
		s.Again(at, m)
		return
	}
	s.Packet(at, m)
}

func (r *receiver) see(x *track, p *rtp.Packet, m stamp.Stamp, at time.Duration) {
	s := r.pictures[m.Sender]
	if s == nil {
		s = new(player.Pictures)
		r.pictures[m.Sender] = s
	}
	x.from = s
	key, width, height := keyframe(p.Payload)
	if s.Packet(at, m, key, width, height, len(p.Payload)-stamp.Size) {
		x.shownAt = at
		x.hopeless = false
		if s.Shown[len(s.Shown)-1].Key {
			x.asks.Forget()
		}
	}
}

// keyframe reads the size of a keyframe from its first packet (RFC 7741 section 4.2, RFC 6386 section 9.1).
func keyframe(b []byte) (key bool, width, height int) {
	if len(b) < 1 || b[0]&0x10 == 0 {
		return false, 0, 0
	}
	at := 1
	if b[0]&0x80 != 0 && len(b) > 2 {
		control := b[1]
		at = 2
		if control&0x80 != 0 {
			if b[at]&0x80 != 0 {
				at++
			}
			at++
		}
		if control&0x40 != 0 {
			at++
		}
		if control&0x30 != 0 {
			at++
		}
	}
	if len(b) < at+10 || b[at]&1 != 0 {
		return false, 0, 0
	}
	b = b[at:]
	return true, int(b[6]) | int(b[7]&0x3f)<<8, int(b[8]) | int(b[9]&0x3f)<<8
}

// ask asks for what is missing until ctx ends.
func (r *receiver) ask(ctx context.Context) {
	ticker := time.NewTicker(nackEvery)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		c := r.connection()
		if c == nil {
			continue
		}
		if n%50 == 0 {
			r.measure(c)
		}
		if packets := r.due(now()); len(packets) > 0 {
			_ = c.WriteRTCP(packets) // fails when the connection is closed
		}
	}
}

// due returns what is to be sent now.
func (r *receiver) due(at time.Duration) (packets []rtcp.Packet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range r.tracks {
		if x.ssrc == 0 {
			continue
		}
		x.asks.Trip = r.trip
		numbers, hopeless := x.asks.Due(at)
		if len(numbers) > 0 {
			packets = append(packets, &rtcp.TransportLayerNack{MediaSSRC: x.ssrc, Nacks: rtcp.NackPairsFromSequenceNumbers(numbers)})
		}
		x.hopeless = x.hopeless || hopeless
		if !x.video || x.from == nil {
			continue
		}
		needy := len(x.from.Shown) == 0 || x.hopeless || at-x.shownAt > keyframeAfter
		if needy && at-x.keyAt >= keyframeEvery {
			x.keyAt = at
			packets = append(packets, &rtcp.PictureLossIndication{MediaSSRC: x.ssrc})
		}
	}
	return packets
}

// measure takes the round trip from the checks of ICE.
func (r *receiver) measure(c *webrtc.PeerConnection) {
	all := c.GetTransceivers()
	if len(all) == 0 || all[0].Receiver() == nil || all[0].Receiver().Transport() == nil {
		return
	}
	stats, ok := all[0].Receiver().Transport().ICETransport().GetSelectedCandidatePairStats()
	if !ok || stats.CurrentRoundTripTime <= 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trip = max(time.Duration(stats.CurrentRoundTripTime*float64(time.Second)), 10*time.Millisecond)
}

// report fills in what was received. Nothing must be received any more.
func (r *receiver) report(to *Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	to.Sound, to.Pictures, to.Asked = r.sound, r.pictures, r.asked
}
