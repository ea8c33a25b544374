// Package sections keeps the media sections of a peer's description: those in which its member sends, and pairs of slots
// in which it receives. They grow as they are needed, and stay (decision 2).
package sections

import (
	"fmt"
	"strconv"

	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/call/slottrack"
	"github.com/porch-call/porch/backend/media/forward"
	"github.com/porch-call/porch/backend/signalling"
)

// kinds are those of the two sections in which a member sends something, in order.
var kinds = [...]webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo}

// Pair is two slots that carry one participant. Sound and picture are in one media stream, so that the receiver keeps
// them in step.
type Pair struct {
	Audio, Video *forward.Slot
	Screen       bool // for a shared screen, and the sound of that

	audio, video *webrtc.RTPTransceiver
}

// Mids are those of a shared screen's sections, "" while there are none.
type Mids struct{ Audio, Video string }

// Sections are the sections of one description. They belong to one goroutine.
type Sections struct {
	pc  *webrtc.PeerConnection
	out *forward.Outbound

	slots         map[string]*forward.Slot // all, by mid
	pairs, wanted int                      // there are, and there should be
	added         []*Pair                  // that have no mids yet

	screenUp, screenDown bool                     // sections for a shared screen should be there
	up                   []*webrtc.RTPTransceiver // sound and picture in which the member sends it
	down                 *Pair                    // nil while there is none
	told                 int                      // sections that Screen has returned

	files bool                // there should be a data channel
	data  *webrtc.DataChannel // nil while there is none
	made  func(*webrtc.DataChannel)
}

// New adds the sections in which a member sends its microphone and its camera.
func New(pc *webrtc.PeerConnection, out *forward.Outbound) (*Sections, error) {
	s := &Sections{pc: pc, out: out, slots: make(map[string]*forward.Slot)}
	for i := range kinds {
		if _, err := s.receive(i); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// receive adds a section in which the member sends something.
func (s *Sections) receive(kind int) (*webrtc.RTPTransceiver, error) {
	t, err := s.pc.AddTransceiverFromKind(kinds[kind], webrtc.RTPTransceiverInit{
		Direction: webrtc.RTPTransceiverDirectionRecvonly,
	})
	if err != nil {
		return nil, fmt.Errorf("section for what is sent: %w", err)
	}
	return t, nil
}

// Want says that there should be so many pairs, or more.
func (s *Sections) Want(pairs int) { s.wanted = max(s.wanted, pairs) }

// WantScreen says that there should be sections in which the member sends its screen (up), or receives another's.
func (s *Sections) WantScreen(up bool) {
	s.screenUp, s.screenDown = s.screenUp || up, s.screenDown || !up
}

// Lacking reports whether something is wanted that is not there.
func (s *Sections) Lacking() bool {
	return s.wanted > s.pairs || s.screenUp && s.up == nil || s.screenDown && s.down == nil || s.files && s.data == nil
}

// WantFiles says that there should be a data channel for files. made is given the channel as soon as it is made, which
// is before it is offered.
func (s *Sections) WantFiles(made func(*webrtc.DataChannel)) {
	if !s.files {
		s.files, s.made = true, made
	}
}

// channel makes the data channel. It is negotiated: nothing on it says what it is for, and it is there before SCTP is.
func (s *Sections) channel() (err error) {
	negotiated, ordered, id := true, true, uint16(0)
	s.data, err = s.pc.CreateDataChannel("files", &webrtc.DataChannelInit{Negotiated: &negotiated, Ordered: &ordered, ID: &id})
	if err == nil {
		s.made(s.data)
	}
	return err
}

// Grow adds what is lacking.
func (s *Sections) Grow() error {
	for ; s.pairs < s.wanted; s.pairs++ {
		p, err := s.pair("porch-" + strconv.Itoa(s.pairs+1))
		if err != nil {
			return err
		}
		s.added = append(s.added, p)
	}
	for s.screenUp && len(s.up) < len(kinds) {
		t, err := s.receive(len(s.up))
		if err != nil {
			return err
		}
		s.up = append(s.up, t)
	}
	if s.screenDown && s.down == nil {
		p, err := s.pair("porch-screen")
		if err != nil {
			return err
		}
		p.Screen = true
		s.down = p
	}
	if s.files && s.data == nil {
		return s.channel()
	}
	return nil
}

// pair adds a pair of slots with one stream id.
func (s *Sections) pair(stream string) (*Pair, error) {
	p := &Pair{Audio: s.out.NewSlot(signalling.KindAudio), Video: s.out.NewSlot(signalling.KindVideo)}
	init := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly}
	var err error
	if p.audio, err = s.pc.AddTransceiverFromTrack(&slottrack.Track{Out: s.out, Slot: p.Audio, Stream: stream}, init); err != nil {
		return nil, fmt.Errorf("audio slot: %w", err)
	}
	if p.video, err = s.pc.AddTransceiverFromTrack(&slottrack.Track{Out: s.out, Slot: p.Video, Stream: stream}, init); err != nil {
		return nil, fmt.Errorf("video slot: %w", err)
	}
	return p, nil
}

// Name gives slots their mids, which sections have once they are in a description. It returns the mids of what the member
// sends, in the order of [forward.Inbound.SetMids], and the pairs that are new, but for that of a screen.
func (s *Sections) Name() (sent []string, added []*Pair) {
	for _, t := range append(s.pc.GetTransceivers()[:len(kinds):len(kinds)], s.up...) {
		sent = append(sent, t.Mid())
	}
	added, s.added = s.added, nil
	for _, p := range added {
		s.name(p)
	}
	if s.down != nil {
		s.name(s.down)
	}
	return sent, added
}

func (s *Sections) name(p *Pair) {
	p.Audio.Mid, p.Video.Mid = p.audio.Mid(), p.video.Mid()
	s.slots[p.Audio.Mid], s.slots[p.Video.Mid] = p.Audio, p.Video
}

// Screen returns the sections for a shared screen after Name, once each time there are more of them.
func (s *Sections) Screen() (up Mids, down *Pair, news bool) {
	n := len(s.up)
	if n == len(kinds) {
		up = Mids{Audio: s.up[0].Mid(), Video: s.up[1].Mid()}
	}
	if s.down != nil {
		n, down = n+len(kinds), s.down
	}
	news = n > s.told
	s.told = n
	return up, down, news
}

// Camera returns the mid of the section in which the member sends its camera.
func (s *Sections) Camera() string { return s.pc.GetTransceivers()[1].Mid() }

// Slots returns all slots by mid.
func (s *Sections) Slots() map[string]*forward.Slot { return s.slots }
