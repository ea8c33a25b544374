package call

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/forward"
	"github.com/porch-call/porch/backend/media/share"
	"github.com/porch-call/porch/backend/signalling"
)

// A packet of sound in tests: its payload begins with the number of its frame.
const (
	soundFrame   = 20 * time.Millisecond
	soundTicks   = 960
	soundSize    = 85           // bytes, as Chromium's voice
	soundHeaders = 12 + 12 + 44 // of RTP with extensions, UDP, IP and the tag of AES-GCM
)

func soundPacket(sequence uint16, frame uint32, level uint8) *rtp.Packet {
	p := &rtp.Packet{
		Header:  rtp.Header{Version: 2, SSRC: 1, SequenceNumber: sequence, Timestamp: frame * soundTicks},
		Payload: make([]byte, soundSize),
	}
	binary.BigEndian.PutUint32(p.Payload, frame)
	_ = p.SetExtension(codec.AudioLevelID, []byte{level}) // can't fail with one byte
	return p
}

// ear writes down which frames of one participant another one hears.
type ear struct {
	frames []uint32
	last   rtp.Header
	broken int // holes in the numbers, and timestamps that are not those of the frames
}

func (e *ear) Write(h *rtp.Header, payload []byte, _ interceptor.Attributes) (int, error) {
	frame := binary.BigEndian.Uint32(payload)
	if n := len(e.frames); n > 0 {
		if h.SequenceNumber != e.last.SequenceNumber+1 || h.Timestamp-e.last.Timestamp != soundTicks*(frame-e.frames[n-1]) {
			e.broken++
		}
	}
	e.frames, e.last = append(e.frames, frame), *h
	return len(payload), nil
}

// nowhere is a sender that can't be asked for anything.
type nowhere struct{ forward.Lossless }

func (nowhere) RequestKeyframe(uint32) {}

// mouth is a participant with an open microphone.
type mouth struct {
	in       *forward.Inbound
	ears     []*ear // of the others
	sequence uint16
	quiet    int // frames in silence
}

// TestTenTalk is A12: of ten with open microphones, who talk in turns so that two or three speak at once, at most four are
// forwarded, and of 500 beginnings at least 99 % are whole in their first 40 ms. In silence they send as browsers do:
// two packets each 400 ms.
func TestTenTalk(t *testing.T) {
	const people, onsets = 10, 500
	const turn = 25 // frames from one beginning to the next
	for _, places := range []int{share.FewPlaces, share.MostPlaces} {
		now := time.Unix(1_800_000_000, 0)
		loudest := share.NewLoudest(now)
		loudest.SetPlaces(places)
		var admitted atomic.Bool
		admitted.Store(true)
		counters := new(forward.Counters)
		var mouths []*mouth
		for i := range people {
			m := new(mouth)
			track := forward.NewTrack(fmt.Sprint(i), signalling.KindAudio, false, counters)
			track.Ask(loudest.Microphone())
			m.in = forward.NewInbound([]*forward.Track{track}, nowhere{}, &admitted, counters)
			m.in.Connect()
			for range people - 1 {
				e := new(ear)
				s := forward.NewSlot(signalling.KindAudio, &admitted, counters)
				s.Bind(forward.Numbers{PayloadType: codec.AudioPayloadType})
				s.SetWriter(e)
				s.Open()
				track.AddReceiver(s)
				s.Assign(track)
				m.ears = append(m.ears, e)
			}
			mouths = append(mouths, m)
		}
		packets, most := 0, 0
		var second [50]int // how many are forwarded, by frame
		for n := range uint32(onsets * turn) {
			now = now.Add(soundFrame)
			voices := 0
			for i, m := range mouths {
				level := uint8(127)
				// Its sentences begin each turn × people frames, in an order that is not that of the participants.
				if since := (n + turn*uint32(people-i*3%people)) % (turn * people); since < 50+n/turn%5*5 {
					level = 25
				}
				if m.quiet++; level != 127 {
					m.quiet = 0
				}
				if m.quiet > 10 && (m.quiet-11)%20 > 1 {
					continue
				}
				before := len(m.ears[0].frames)
				m.sequence++
				m.in.Write(0, soundPacket(m.sequence, n, level), now)
				packets += (len(m.ears[0].frames) - before) * len(m.ears)
				if len(m.ears[0].frames) > before {
					voices++
				}
			}
			second[n%50] = voices
			sum := 0
			for _, v := range second {
				sum += v
			}
			most = max(most, sum)
			if voices > places+1 { // where a place changes hands, both may send in the same frame
				t.Fatalf("%d places: %d are forwarded at once", places, voices)
			}
		}
		if most > 50*places {
			t.Errorf("%d places: %d packets in a second", places, most)
		}
		begun, whole := 0, 0
		for n := uint32(0); n+1 < onsets*turn; n += turn {
			for i, m := range mouths {
				if (n+turn*uint32(people-i*3%people))%(turn*people) != 0 {
					continue
				}
				begun++
				heard := 0
				for _, e := range m.ears {
					if at, ok := slices.BinarySearch(e.frames, n); ok && at+1 < len(e.frames) && e.frames[at+1] == n+1 {
						heard++
					}
				}
				if heard == len(m.ears) {
					whole++
				}
			}
		}
		if begun < onsets || whole*100 < begun*99 {
			t.Errorf("%d places: of %d beginnings %d are whole", places, begun, whole)
		}
		for i, m := range mouths {
			for _, e := range m.ears {
				if e.broken > 0 {
					t.Fatalf("%d places: what is heard of %d is broken in %d places", places, i, e.broken)
				}
			}
		}
		seconds := (onsets * turn * soundFrame).Seconds()
		rate := float64(packets) * (soundSize + soundHeaders) * 8 / seconds / 1e6
		if rate > 2.2 {
			t.Errorf("%d places: %.2f Mbit/s", places, rate)
		}
		t.Logf("%d places: %d of %d beginnings are whole; at most %d packets a second, %.2f Mbit/s to all", places, whole, begun, most, rate)
	}
}

// TestSilenceIsNotForwardedInALargeCall: with six in the call, only who speaks is forwarded; with five, all are.
func TestSilenceIsNotForwardedInALargeCall(t *testing.T) {
	c := newTestCall(t, Options{})
	type person struct {
		l *Local
		s *sink
	}
	people := make([]person, 0, share.FewPlaces+2)
	for i := range cap(people) {
		s := new(sink)
		l, err := c.JoinLocal(Profile{ID: fmt.Sprint("p", i), CameraOff: true}, s, newOutbox())
		must(t, err)
		people = append(people, person{l, s})
	}
	frame := uint32(0)
	// say lets all who are there send a packet, all but the first one in silence, and returns how many came to the second.
	say := func() (loud, quiet int) {
		frame++
		for i, p := range people {
			level := uint8(127)
			if i == 0 {
				level = 25
			}
			must(t, p.l.WriteRTP(signalling.KindAudio, soundPacket(uint16(frame), frame, level)))
		}
		s := people[1].s
		s.mu.Lock()
		defer s.mu.Unlock()
		for from, packets := range s.packets {
			if from == "p0 audio" {
				loud += len(packets)
			} else {
				quiet += len(packets)
			}
		}
		s.packets = nil
		return loud, quiet
	}
	until := func(what string, ok func(loud, quiet int) bool) {
		t.Helper()
		deadline := time.Now().Add(patience)
		for inARow := 0; inARow < 20; {
			if inARow++; !ok(say()) {
				inARow = 0
			}
			if time.Now().After(deadline) {
				t.Fatal("waited in vain for: " + what)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	until("only who speaks", func(loud, quiet int) bool { return loud >= 1 && quiet == 0 })
	people[5].l.Leave("")
	people = people[:5]
	until("all five", func(loud, quiet int) bool { return loud == 1 && quiet == 3 })
}

// withoutRED refuses redundant sound, as Firefox does.
func withoutRED(answer string) string {
	answer = regexp.MustCompile(`(?m)^a=(rtpmap|fmtp):63 .*\r\n`).ReplaceAllString(answer, "")
	return regexp.MustCompile(`(?m)^(m=audio .*) 63`).ReplaceAllString(answer, "$1")
}

// TestReceiversWhoLoseSoundAreHelped: it is sent twice to a receiver who takes that. For another one, the sender is told
// to expect loss.
func TestReceiversWhoLoseSoundAreHelped(t *testing.T) {
	for name, alter := range map[string]func(string) string{"twice": nil, "once": withoutRED} {
		t.Run(name, func(t *testing.T) {
			n := newLossyNetwork(t, 0)
			sfu, net := n.net(t), n.net(t)
			must(t, n.router.Start())
			t.Cleanup(func() { must(t, n.router.Stop()) })
			c := newTestCall(t, Options{Net: sfu})
			s := new(sink)
			l, err := c.JoinLocal(Profile{ID: "l", CameraOff: true}, s, newOutbox())
			must(t, err)
			defer l.Leave("")
			defer feed(t, l, s)()
			g := join(t, c, guestOptions{profile: Profile{ID: "g", Muted: true, CameraOff: true}, net: net, alter: alter})
			g.until("sound", func() bool { return len(g.packets) > 50 })
			n.setLoss(0.1)
			twice := func() (count int) {
				for _, p := range g.packets {
					if p.packet.PayloadType == codec.RedundantPayloadType {
						count++
					}
				}
				return count
			}
			if alter == nil {
				g.until("redundant sound", func() bool { return twice() > 50 })
			} else {
				s.until(t, "an assumed loss", func() bool { return s.assumed > 0.03 })
			}
			g.mu.Lock()
			defer g.mu.Unlock()
			s.mu.Lock()
			defer s.mu.Unlock()
			if alter == nil && s.assumed != 0 {
				t.Errorf("both: the sender assumes %g as well", s.assumed)
			}
			if alter != nil && twice() > 0 {
				t.Error("it is sent what it does not take")
			}
		})
	}
}
