package recording

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/at-wat/ebml-go"
	"github.com/at-wat/ebml-go/mkv"
)

// File is where a recording is written.
type File interface {
	io.Writer
	io.WriterAt
	Sync() error
	Close() error
}

const (
	// frontSize is how many bytes are kept for what stands before the first cluster. Tracks are added there while the
	// recording runs. A track takes 60 bytes and its name.
	frontSize = 128 << 10
	// clusterLength is how much time a cluster holds. The front, which says how long the recording is, is written anew
	// with each.
	clusterLength = 2 * time.Second
	// syncEvery is how often the system is asked to put on the disk what was written.
	syncEvery = 10 * time.Second
	// maxCues bounds the places to which a player may jump: a day's.
	maxCues = 1 << 16
)

// errTracks means that there is no room for another track.
var errTracks = errors.New("too many tracks for one recording")

// Track types and elements (RFC 9559).
const (
	typeVideo = 1
	typeAudio = 2

	idCues = 0x1C53BB6B
)

// trackEntry is RFC 9559 section 5.1.4.1.
type trackEntry struct {
	Number      uint64        `ebml:"TrackNumber"`
	UID         uint64        `ebml:"TrackUID"`
	Type        uint64        `ebml:"TrackType"`
	FlagLacing  uint64        `ebml:"FlagLacing"`
	Name        string        `ebml:"Name,omitempty"`
	Language    string        `ebml:"Language"`
	CodecID     string        `ebml:"CodecID"`
	Private     []byte        `ebml:"CodecPrivate,omitempty"`
	SeekPreRoll uint64        `ebml:"SeekPreRoll,omitempty"`
	Video       *videoDetails `ebml:"Video"`
	Audio       *audioDetails `ebml:"Audio"`
}

type videoDetails struct {
	Width  uint64 `ebml:"PixelWidth"`
	Height uint64 `ebml:"PixelHeight"`
}

type audioDetails struct {
	Rate     float64 `ebml:"SamplingFrequency"`
	Channels uint64  `ebml:"Channels"`
}

type tracks struct {
	Entries []*trackEntry `ebml:"TrackEntry"`
}

type seek struct {
	ID       []byte `ebml:"SeekID"`
	Position uint64 `ebml:"SeekPosition"`
}

type seekHead struct {
	Seek []seek `ebml:"Seek"`
}

type cuePoint struct {
	Time uint64      `ebml:"CueTime"`
	At   cuePosition `ebml:"CueTrackPositions"`
}

type cuePosition struct {
	Track   uint64 `ebml:"CueTrack"`
	Cluster uint64 `ebml:"CueClusterPosition"`
}

// matroska is a Matroska file (RFC 9559) that grows. Segment and clusters have no size, and the list of
// tracks is written anew, in the room that is kept for it, when one is added. So what is on the disk can be opened at any
// time.
type matroska struct {
	out  File
	info mkv.Info

	tracks  tracks
	segment int64 // offset of the segment's content
	end     int64 // of the file
	length  time.Duration

	cluster   time.Duration // time of the newest cluster
	clusterAt int64         // its offset in the segment; 0 before the first
	cues      []cuePoint
	cuesAt    int64 // offset in the segment; 0 until the end
	syncedAt  time.Duration
	buffer    bytes.Buffer
}

// newMatroska begins a file.
func newMatroska(out File, began time.Time) (*matroska, error) {
	m := &matroska{out: out, info: mkv.Info{TimecodeScale: 1_000_000, MuxingApp: "Porch", WritingApp: "Porch", DateUTC: began}}
	front, err := m.front()
	if err != nil {
		return nil, err
	}
	if _, err := out.Write(append(front, make([]byte, frontSize-len(front))...)); err != nil {
		return nil, err
	}
	m.end = frontSize
	return m, nil
}

// addTrack adds a track. The caller changes it by changeTrack only.
func (m *matroska) addTrack(t *trackEntry) error {
	t.Number = uint64(len(m.tracks.Entries) + 1)
	t.UID, t.Language = t.Number, "und"
	m.tracks.Entries = append(m.tracks.Entries, t)
	err := m.writeFront()
	if errors.Is(err, errTracks) {
		m.tracks.Entries = m.tracks.Entries[:t.Number-1]
	}
	return err
}

// grow says how large the pictures of a track are, if they are larger than those of before.
func (m *matroska) grow(t *trackEntry, width, height int) error {
	v := t.Video
	if uint64(width)*uint64(height) <= v.Width*v.Height {
		return nil
	}
	v.Width, v.Height = uint64(width), uint64(height)
	return m.writeFront()
}

// write adds what a track holds at a time. Times of one track grow; those of all together differ by less than 30 s.
func (m *matroska) write(t *trackEntry, at time.Duration, keyframe bool, data []byte) error {
	m.length = max(m.length, at+20*time.Millisecond)
	m.buffer.Reset()
	if m.clusterAt == 0 || at-m.cluster >= clusterLength {
		if err := m.begin(t, at); err != nil {
			return err
		}
	} else if keyframe && t.Type == typeVideo {
		m.cue(t, at)
	}
	block := struct {
		Block ebml.Block `ebml:"SimpleBlock"`
	}{ebml.Block{TrackNumber: t.Number, Timecode: int16((at - m.cluster).Milliseconds()), Keyframe: keyframe, Data: [][]byte{data}}}
	if err := ebml.Marshal(&block, &m.buffer); err != nil {
		return err
	}
	n, err := m.out.Write(m.buffer.Bytes())
	m.end += int64(n)
	return err
}

// begin begins a cluster in the buffer, whose first block is of t.
func (m *matroska) begin(t *trackEntry, at time.Duration) error {
	if m.clusterAt != 0 {
		if err := m.writeFront(); err != nil {
			return err
		}
	}
	if at-m.syncedAt >= syncEvery {
		m.syncedAt = at
		if err := m.out.Sync(); err != nil {
			return err
		}
	}
	m.cluster, m.clusterAt = at.Truncate(time.Millisecond), m.end-m.segment
	m.cue(t, at)
	cluster := struct {
		Cluster struct {
			Time uint64 `ebml:"Timecode"`
		} `ebml:"Cluster,size=unknown"`
	}{}
	cluster.Cluster.Time = uint64(m.cluster.Milliseconds())
	return ebml.Marshal(&cluster, &m.buffer)
}

// cue notes that a player may begin at a time.
func (m *matroska) cue(t *trackEntry, at time.Duration) {
	if len(m.cues) < maxCues {
		m.cues = append(m.cues, cuePoint{uint64(at.Milliseconds()), cuePosition{t.Number, uint64(m.clusterAt)}})
	}
}

// finish ends the file: it says where a player may jump to, and how long all is.
func (m *matroska) finish() error {
	if len(m.cues) > 0 {
		m.buffer.Reset()
		cues := struct {
			Cues struct {
				Points []cuePoint `ebml:"CuePoint"`
			} `ebml:"Cues"`
		}{}
		cues.Cues.Points = m.cues
		if err := ebml.Marshal(&cues, &m.buffer); err != nil {
			return err
		}
		m.cuesAt = m.end - m.segment
		n, err := m.out.Write(m.buffer.Bytes())
		m.end += int64(n)
		if err != nil {
			m.cuesAt = 0
			return err
		}
	}
	if err := m.writeFront(); err != nil {
		return err
	}
	return m.out.Sync()
}

// writeFront writes the front anew, in one piece.
func (m *matroska) writeFront() error {
	front, err := m.front()
	if err != nil {
		return err
	}
	_, err = m.out.WriteAt(front, 0)
	return err
}

// front returns what stands before the first cluster, up to the header of a Void element that covers the room that is
// left.
func (m *matroska) front() ([]byte, error) {
	var b bytes.Buffer
	header := struct {
		Header *mkv.EBMLHeader `ebml:"EBML"`
	}{mkv.DefaultEBMLHeader}
	if err := ebml.Marshal(&header, &b); err != nil {
		return nil, err
	}
	b.Write([]byte{0x18, 0x53, 0x80, 0x67, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}) // a Segment of unknown size
	m.segment = int64(b.Len())
	if m.cuesAt > 0 {
		head := struct {
			SeekHead seekHead `ebml:"SeekHead"`
		}{seekHead{[]seek{{binary.BigEndian.AppendUint32(nil, idCues), uint64(m.cuesAt)}}}}
		if err := ebml.Marshal(&head, &b); err != nil {
			return nil, err
		}
	}
	m.info.Duration = float64(m.length.Milliseconds())
	rest := struct {
		Info   *mkv.Info `ebml:"Info"`
		Tracks tracks    `ebml:"Tracks"`
	}{&m.info, m.tracks}
	if err := ebml.Marshal(&rest, &b); err != nil {
		return nil, err
	}
	left := frontSize - b.Len() - 9
	if left < 0 {
		return nil, errTracks
	}
	b.WriteByte(0xec)
	return binary.BigEndian.AppendUint64(b.Bytes(), uint64(left)|1<<56), nil // a size of 8 bytes (RFC 8794 section 4)
}
