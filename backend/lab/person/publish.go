package person

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/lab/clip"
	"github.com/porch-call/porch/backend/lab/player"
	"github.com/porch-call/porch/backend/lab/stamp"
	"github.com/porch-call/porch/backend/media/codec"
)

// BrowserRate is what a browser's camera may send at most, bit/s.
const BrowserRate = 1_500_000

const (
	tick          = 10 * time.Millisecond
	browserHeight = 720
	fixedRate     = 600_000 // bit/s
	packetSize    = 1150    // bytes of payload, at most
	descriptor    = 4       // bytes of VP8's payload descriptor
	voiceBytes    = 85      // a frame of sound, as Chromium's voice: 34 kbit/s
	dtxAfter      = 10      // frames of silence that are sent all the same (discontinuous transmission of Opus)
	dtxEvery      = 20      // of the further ones, the first two of so many are sent
	silenceBytes  = 40      // and without a voice; a stamp needs that much
	pacing        = 2.5     // how much faster than its rate a frame may leave
)

// publisher sends one person's camera and microphone.
type publisher struct {
	number uint16
	camera Camera
	video  *webrtc.TrackLocalStaticRTP
	audio  *webrtc.TrackLocalStaticRTP
	talk   *talk

	mu     sync.Mutex // guards what follows
	player *clip.Player
	cap    int // bit/s, by REMB; 0: none
	fec    bool
	dtx    bool // silence is hardly sent
	sent   Sent

	// Of sound, owned by run.
	sequence uint16
	last     uint32 // frame that was sent
	quiet    int    // frames of silence in a row
}

func newPublisher(s Spec, shelf clip.Shelf) (*publisher, error) {
	p := &publisher{number: s.Number, camera: s.Camera, talk: newTalk(s.Talk, uint64(s.Number))}
	var err error
	p.video, err = webrtc.NewTrackLocalStaticRTP(
		webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: codec.VideoClockRate}, "video", "lab")
	if err != nil {
		return nil, err
	}
	p.audio, err = webrtc.NewTrackLocalStaticRTP(
		webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: codec.AudioClockRate, Channels: 2}, "audio", "lab")
	if err != nil {
		return nil, err
	}
	c := &p.camera
	if c.Lines == 0 {
		c.Lines = browserHeight
		if c.Fixed {
			c.Lines = 360
		}
	}
	if c.Rate == 0 {
		c.Rate = BrowserRate
		if c.Fixed {
			c.Rate = fixedRate
		}
	}
	p.player = clip.NewPlayer(shelf, c.Rate, c.Lines)
	return p, nil
}

// wantKeyframe is called when a receiver asks for a keyframe.
func (p *publisher) wantKeyframe() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.player.WantKeyframe()
}

// capped is called with a REMB of the host (bit/s). Browsers keep to it until the next.
func (p *publisher) capped(rate int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cap = rate; !p.camera.Fixed {
		p.player.SetRate(min(p.camera.Rate, rate))
	}
}

// lossy is called when the host reports what it lost of this person's sound, as a share in 1/256.
func (p *publisher) lossy(share uint8) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fec = share > 2
}

// offered is called with the host's offer.
func (p *publisher) offered(sdp string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dtx = strings.Contains(sdp, "usedtx=1")
}

// run sends until ctx ends.
func (p *publisher) run(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var (
		begin   = now()
		frames  int // that were due
		sounds  uint32
		queue   []*rtp.Packet
		picture = pictures{number: p.number}
		budget  int
	)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		at := now()
		if at-begin > time.Duration(sounds)*player.FrameTime+time.Second { // this process was stopped: what it missed is gone
			missed := (at - begin - time.Duration(sounds)*player.FrameTime) / player.FrameTime
			sounds += uint32(missed)
		}
		for ; begin+time.Duration(sounds)*player.FrameTime <= at; sounds++ {
			p.say(begin, sounds)
		}
		if due := int((at - begin) * clip.FPS / time.Second); due > frames {
			frames = due
			if !p.camera.Off {
				queue = append(queue, p.film(at, at-begin, &picture)...)
			}
		}
		p.mu.Lock()
		budget = max(int(pacing*float64(p.player.Rate())/8*tick.Seconds()), 3*packetSize)
		p.mu.Unlock()
		for len(queue) > 0 && budget > 0 {
			budget -= len(queue[0].Payload)
			_ = p.video.WriteRTP(queue[0]) // fails until the track is bound, and at the end
			queue = queue[1:]
		}
	}
}

// say sends frame n of sound.
func (p *publisher) say(begin time.Duration, n uint32) {
	at := begin + time.Duration(n)*player.FrameTime
	voice, onset, muted := p.talk.at(at, at-begin)
	p.mu.Lock()
	fec, dtx := p.fec, p.dtx
	p.sent.Sound++
	if onset {
		p.sent.Onsets = append(p.sent.Onsets, at)
	}
	if voice {
		p.sent.spoke(at)
	}
	p.mu.Unlock()
	if p.quiet++; voice {
		p.quiet = 0
	}
	if muted || dtx && p.quiet > dtxAfter && (p.quiet-dtxAfter-1)%dtxEvery > 1 {
		return
	}
	defer func() { p.last = n }()
	p.sequence++
	size, level := silenceBytes, byte(127)
	m := stamp.Stamp{Sender: p.number, Frame: n, Needs: p.last, Count: 1, At: at}
	if voice {
		size, level = voiceBytes, 0x80|25
		m.Flags |= stamp.Voice
	}
	if onset {
		m.Flags |= stamp.Onset
	}
	if fec {
		m.Flags |= stamp.Repairs
	}
	packet := &rtp.Packet{
		Header: rtp.Header{
			Version: 2, SequenceNumber: p.sequence, Timestamp: n * codec.AudioClockRate / 50, Marker: onset,
		},
		Payload: make([]byte, size),
	}
	packet.Payload[0] = 0x78 // hybrid, 20 ms, mono (RFC 6716 section 3.1)
	m.Put(packet.Payload)
	if packet.SetExtension(codec.AudioLevelID, []byte{level}) == nil {
		_ = p.audio.WriteRTP(packet)
	}
}

// film returns the packets of the picture that is due.
func (p *publisher) film(at, since time.Duration, to *pictures) []*rtp.Packet {
	p.mu.Lock()
	defer p.mu.Unlock()
	f, ok := p.player.Next(since)
	if !ok {
		return nil
	}
	p.sent.Frames = append(p.sent.Frames, Coded{at, len(f.Data), f.Key, f.Height, p.player.Rate()})
	return to.packets(f, at, uint32(since*codec.VideoClockRate/time.Second))
}

// take returns what was sent so far.
func (p *publisher) take() Sent {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent
}

// pictures makes the packets of frames (RFC 7741).
type pictures struct {
	number   uint16
	sequence uint16
	frame    uint32
}

func (p *pictures) packets(f clip.Frame, at time.Duration, timestamp uint32) (packets []*rtp.Packet) {
	const room = packetSize - descriptor - stamp.Size
	m := stamp.Stamp{Sender: p.number, Frame: p.frame, Needs: max(p.frame, 1) - 1, At: at}
	if f.Key {
		m.Needs = p.frame
	}
	p.frame++
	count := max(1, (len(f.Data)+room-1)/room)
	each := (len(f.Data) + count - 1) / count
	m.Count = uint16(count)
	for i := range count {
		part := f.Data[i*each : min((i+1)*each, len(f.Data))]
		b := make([]byte, descriptor+max(len(part), 10)+stamp.Size)
		b[0] = 0x80 // X
		if i == 0 {
			b[0] |= 0x10 // S: start of partition
		}
		b[1] = 0x80 // I
		b[2], b[3] = 0x80|byte(p.frame>>8), byte(p.frame)
		copy(b[descriptor:], part)
		m.Index = uint16(i)
		m.Put(b)
		p.sequence++
		packets = append(packets, &rtp.Packet{
			Header:  rtp.Header{Version: 2, SequenceNumber: p.sequence, Timestamp: timestamp, Marker: i == count-1},
			Payload: b,
		})
	}
	return packets
}

// talk says who speaks when.
type talk struct {
	kind   Talk
	number int
	random *rand.Rand
	from   time.Duration // of the sentence that is next or now
	to     time.Duration
	begun  bool
}

func newTalk(kind Talk, seed uint64) *talk {
	t := &talk{kind: kind, number: int(seed), random: rand.New(rand.NewPCG(seed, 99))} //nolint:gosec // not a secret
	t.next()
	return t
}

func (t *talk) next() {
	pause := time.Duration((0.5 + t.random.ExpFloat64()*3) * float64(time.Second))
	t.from = t.to + pause
	t.to = t.from + time.Second + time.Duration(t.random.Int64N(int64(2*time.Second)))
	t.begun = false
}

// spoke notes a frame with a voice.
func (s *Sent) spoke(at time.Duration) {
	if n := len(s.Spurts) - 1; n >= 0 && at-s.Spurts[n].End() < player.FrameTime/2 {
		s.Spurts[n].For = at + player.FrameTime - s.Spurts[n].At
		return
	}
	s.Spurts = append(s.Spurts, player.Span{At: at, For: player.FrameTime})
}

// A talk in turns.
const (
	turnEvery = 500 * time.Millisecond
	turnOf    = 10 // people
)

// turn says whether it is somebody's turn at a time since the epoch, and which turn it is.
func turn(number int, at time.Duration) (k time.Duration, ok bool) {
	for k = at / turnEvery; at-k*turnEvery < 1400*time.Millisecond; k-- {
		length := time.Second + k*7%5*100*time.Millisecond
		if int(k*3%turnOf) == number%turnOf && at-k*turnEvery < length {
			return k, true
		}
	}
	return 0, false
}

// at says whether the frame of sound at a time since the epoch, and since the beginning, has a voice, and whether it is the
// first of a sentence. Calls go forward in time.
func (t *talk) at(at, since time.Duration) (voice, onset, muted bool) {
	switch t.kind {
	case TalkTurns:
		k, ok := turn(t.number, at)
		onset = ok && k*turnEvery != t.from
		if ok {
			t.from = k * turnEvery
		}
		return ok, onset, false
	case TalkMuted:
		return false, false, true
	case TalkSilent:
		return false, false, false
	case TalkAlways:
		return true, since == 0, false
	}
	if since >= t.to {
		t.next()
	}
	if since < t.from {
		return false, false, false
	}
	onset = !t.begun
	t.begun = true
	return true, onset, false
}
