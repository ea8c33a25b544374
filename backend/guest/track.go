package guest

import (
	"io"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/signalling"
)

const (
	// trackBuffer is how many packets wait for a reader: 2 s of 720p. When it is full, new packets are dropped.
	trackBuffer = 512
	// heldPackets and heldFor bound the packets that are kept for a slot without a participant, because media may
	// arrive before the message that assigns the slot.
	heldPackets = 256
	heldFor     = 2 * time.Second
)

// Track is the media of one kind from one participant, for as long as a slot carries it. A participant who comes back
// has a new Track. Its methods may be called from any goroutine.
type Track struct {
	// Participant is the sender's id, as in the roster.
	Participant string
	// Kind is audio (Opus) or video (VP8).
	Kind signalling.Kind
	// Mid identifies the slot: the media section of the description (RFC 5888).
	Mid string

	section *section
	packets chan *rtp.Packet // closed when the slot is reassigned or gone
}

// ReadRTP returns the next packet, in order of arrival. Retransmissions may come late, and packets are dropped if
// they are not read for two seconds. It returns io.EOF when the slot no longer carries the participant.
func (t *Track) ReadRTP() (*rtp.Packet, error) {
	p, ok := <-t.packets
	if !ok {
		return nil, io.EOF
	}
	return p, nil
}

// RequestKeyframe asks the host for a keyframe (PLI, RFC 4585 section 6.3.1). It does nothing before the first packet
// has arrived.
func (t *Track) RequestKeyframe() { t.section.requestKeyframe() }

// sections passes the packets of the peer connection's sections to the tracks
// that they are assigned to.
type sections struct {
	onTrack func(*Track) // may be nil
	mu      sync.Mutex
	closed  bool
	byMid   map[string]*section
}

// section is one media section.
type section struct {
	all    *sections
	mid    string
	track  *Track              // the track that gets the packets; nil while the slot is not assigned
	held   []heldPacket        // packets that arrived while track is nil
	remote *webrtc.TrackRemote // nil before the first packet
	pc     *webrtc.PeerConnection
}

type heldPacket struct {
	packet *rtp.Packet
	at     time.Time
}

func newSections(onTrack func(*Track)) *sections {
	return &sections{onTrack: onTrack, byMid: make(map[string]*section)}
}

// section returns the section of a mid. The caller holds mu.
func (s *sections) section(mid string) *section {
	sec := s.byMid[mid]
	if sec == nil {
		sec = &section{all: s, mid: mid}
		s.byMid[mid] = sec
	}
	return sec
}

// assign takes a complete assignment of slots and announces the new tracks.
func (s *sections) assign(slots []signalling.Slot) {
	if s.onTrack == nil {
		return
	}
	for _, t := range s.reassign(slots) {
		s.onTrack(t)
	}
}

func (s *sections) reassign(slots []signalling.Slot) (begun []*Track) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	named := make(map[string]signalling.Slot, len(slots))
	for _, slot := range slots {
		named[slot.Mid] = slot
	}
	for mid, sec := range s.byMid {
		if slot, ok := named[mid]; !ok || sec.track != nil && (sec.track.Participant != slot.Participant || sec.track.Kind != slot.Kind) {
			sec.end()
		}
	}
	for _, slot := range slots {
		sec := s.section(slot.Mid)
		if sec.track != nil {
			continue
		}
		sec.track = &Track{
			Participant: slot.Participant, Kind: slot.Kind, Mid: slot.Mid,
			section: sec, packets: make(chan *rtp.Packet, trackBuffer),
		}
		sec.release()
		begun = append(begun, sec.track)
	}
	return begun
}

// end ends the section's track. The caller holds mu.
func (sec *section) end() {
	if sec.track != nil {
		close(sec.track.packets)
		sec.track = nil
	}
}

// release gives a new track the packets that came too early. The caller holds mu.
func (sec *section) release() {
	oldest := time.Now().Add(-heldFor)
	for _, h := range sec.held {
		if h.at.After(oldest) {
			sec.track.packets <- h.packet // a new track has room for all held packets
		}
	}
	sec.held = nil
}

// deliver passes a packet to the section's track.
func (sec *section) deliver(p *rtp.Packet) {
	sec.all.mu.Lock()
	defer sec.all.mu.Unlock()
	if sec.track == nil {
		if len(sec.held) == heldPackets {
			sec.held = append(sec.held[:0], sec.held[1:]...)
		}
		sec.held = append(sec.held, heldPacket{p, time.Now()})
		return
	}
	select {
	case sec.track.packets <- p:
	default: // the reader is too slow
	}
}

func (sec *section) requestKeyframe() {
	sec.all.mu.Lock()
	remote, pc := sec.remote, sec.pc
	sec.all.mu.Unlock()
	if remote == nil {
		return
	}
	// It fails when the connection is closed. Then no keyframe is needed.
	_ = pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(remote.SSRC())}})
}

// read reads packets from Pion until the connection closes.
func (s *sections) read(pc *webrtc.PeerConnection, mid string, remote *webrtc.TrackRemote) {
	s.mu.Lock()
	sec := s.section(mid)
	sec.remote, sec.pc = remote, pc
	s.mu.Unlock()
	if s.onTrack == nil {
		discard(remote)
		return
	}
	for {
		p, _, err := remote.ReadRTP()
		if err != nil {
			return
		}
		sec.deliver(p)
	}
}

// discard reads packets without parsing them.
func discard(remote *webrtc.TrackRemote) {
	b := make([]byte, 1500)
	for {
		if _, _, err := remote.Read(b); err != nil {
			return
		}
	}
}

// close ends all tracks.
func (s *sections) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, sec := range s.byMid {
		sec.end()
		sec.held = nil
	}
}
