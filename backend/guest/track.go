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

	lane    *lane
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
func (t *Track) RequestKeyframe() { t.lane.requestKeyframe() }

// lanes passes the packets of the peer connection's sections to the tracks that they are assigned to.
type lanes struct {
	onTrack func(*Track) // may be nil
	mu      sync.Mutex
	closed  bool
	byMid   map[string]*lane
}

// lane is one media section.
type lane struct {
	all    *lanes
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

func newLanes(onTrack func(*Track)) *lanes {
	return &lanes{onTrack: onTrack, byMid: make(map[string]*lane)}
}

// lane returns the lane of a mid. The caller holds mu.
func (l *lanes) lane(mid string) *lane {
	n := l.byMid[mid]
	if n == nil {
		n = &lane{all: l, mid: mid}
		l.byMid[mid] = n
	}
	return n
}

// assign takes a complete assignment of slots and announces the new tracks.
func (l *lanes) assign(slots []signalling.Slot) {
	if l.onTrack == nil {
		return
	}
	for _, t := range l.reassign(slots) {
		l.onTrack(t)
	}
}

func (l *lanes) reassign(slots []signalling.Slot) (begun []*Track) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	named := make(map[string]signalling.Slot, len(slots))
	for _, s := range slots {
		named[s.Mid] = s
	}
	for mid, n := range l.byMid {
		if s, ok := named[mid]; !ok || n.track != nil && (n.track.Participant != s.Participant || n.track.Kind != s.Kind) {
			n.end()
		}
	}
	for _, s := range slots {
		n := l.lane(s.Mid)
		if n.track != nil {
			continue
		}
		n.track = &Track{
			Participant: s.Participant, Kind: s.Kind, Mid: s.Mid,
			lane: n, packets: make(chan *rtp.Packet, trackBuffer),
		}
		n.release()
		begun = append(begun, n.track)
	}
	return begun
}

// end ends the lane's track. The caller holds mu.
func (n *lane) end() {
	if n.track != nil {
		close(n.track.packets)
		n.track = nil
	}
}

// release gives a new track the packets that came too early. The caller holds mu.
func (n *lane) release() {
	oldest := time.Now().Add(-heldFor)
	for _, h := range n.held {
		if h.at.After(oldest) {
			n.track.packets <- h.packet // a new track has room for all held packets
		}
	}
	n.held = nil
}

// deliver passes a packet to the lane's track.
func (n *lane) deliver(p *rtp.Packet) {
	n.all.mu.Lock()
	defer n.all.mu.Unlock()
	if n.track == nil {
		if len(n.held) == heldPackets {
			n.held = append(n.held[:0], n.held[1:]...)
		}
		n.held = append(n.held, heldPacket{p, time.Now()})
		return
	}
	select {
	case n.track.packets <- p:
	default: // the reader is too slow
	}
}

func (n *lane) requestKeyframe() {
	n.all.mu.Lock()
	remote, pc := n.remote, n.pc
	n.all.mu.Unlock()
	if remote == nil {
		return
	}
	// It fails when the connection is closed. Then no keyframe is needed.
	_ = pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(remote.SSRC())}})
}

// read reads packets from Pion until the connection closes.
func (l *lanes) read(pc *webrtc.PeerConnection, mid string, remote *webrtc.TrackRemote) {
	l.mu.Lock()
	n := l.lane(mid)
	n.remote, n.pc = remote, pc
	l.mu.Unlock()
	if l.onTrack == nil {
		discard(remote)
		return
	}
	for {
		p, _, err := remote.ReadRTP()
		if err != nil {
			return
		}
		n.deliver(p)
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
func (l *lanes) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, n := range l.byMid {
		n.end()
		n.held = nil
	}
}
