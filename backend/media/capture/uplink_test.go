package capture

import (
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/signalling"
)

// plainEncoder returns packets without encoding.
type plainEncoder struct{}

func (plainEncoder) Encode([]int16) ([]byte, error) { return []byte{0, 0, 0}, nil }
func (plainEncoder) AssumeLoss(int) error           { return nil }
func (plainEncoder) Close()                         {}

// speaking is an uplink in simulated time.
type speaking struct {
	t      *testing.T
	uplink *audioUplink
	sink   *recorder
	now    time.Duration
}

func simulateSpeech(t *testing.T) *speaking {
	s := &speaking{t: t, sink: newRecorder()}
	s.uplink = newAudioUplink(plainEncoder{}, s.sink)
	return s
}

// blocks feeds n blocks, one each interval.
func (s *speaking) blocks(n int, interval time.Duration, first soundBlock) {
	s.t.Helper()
	for i := range n {
		b := soundBlock{}
		if i == 0 {
			b = first
		}
		s.now += interval
		b.at = s.now
		if err := s.uplink.write(&b); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *speaking) packets() []*rtp.Packet { return s.sink.packets[signalling.KindAudio] }

func (s *speaking) last() *rtp.Packet { return s.packets()[len(s.packets())-1] }

// lag returns by how much less the packets' time has advanced than the simulated time, since the first packet.
func (s *speaking) lag() time.Duration {
	return s.now - 2*blockTime - codec.AudioTime(int64(s.last().Timestamp-s.packets()[0].Timestamp))
}

func (s *speaking) mustKeepTime(what string, tolerance time.Duration) {
	s.t.Helper()
	if lag := s.lag(); lag > tolerance || lag < -tolerance {
		s.t.Errorf("%s: sound is %v late", what, lag)
	}
}

// markers counts the packets that begin a talk spurt.
func (s *speaking) markers() (n int) {
	for _, p := range s.packets() {
		n += one(p.Marker)
	}
	return n
}

func TestSoundKeepsTimeWithoutAMicrophone(t *testing.T) {
	for _, pause := range []time.Duration{30 * time.Millisecond, 150 * time.Millisecond, 3 * time.Second, time.Hour} {
		for _, muted := range []bool{false, true} {
			for _, before := range []int{100, 101} { // with half a frame left over
				s := simulateSpeech(t)
				s.blocks(before, blockTime, soundBlock{opened: true})
				s.uplink.muted.Store(muted)
				s.now += pause
				s.blocks(2, blockTime, soundBlock{opened: true})
				s.uplink.muted.Store(false)
				s.blocks(2, blockTime, soundBlock{})
				s.mustKeepTime("after "+pause.String(), time.Millisecond)
				if n := s.markers(); n != 1 {
					t.Errorf("%d markers after a pause", n)
				}
				for i, p := range s.packets()[1:] {
					if p.SequenceNumber != s.packets()[i].SequenceNumber+1 {
						t.Fatal("the pause counts as loss")
					}
				}
			}
		}
	}
}

func TestSoundKeepsTimeWhereBlocksAreLeftOut(t *testing.T) {
	s := simulateSpeech(t)
	s.blocks(100, blockTime, soundBlock{opened: true})
	for range 20 {
		s.now += blockTime
		s.blocks(9, blockTime, soundBlock{dropped: 1})
		s.blocks(1, blockTime, soundBlock{})
	}
	s.mustKeepTime("one of ten blocks left out", 2*blockTime)

	// The driver loses some blocks, and does not report it.
	s.now += 700 * time.Millisecond
	s.blocks(2*soundLook, blockTime, soundBlock{})
	s.mustKeepTime("blocks that the driver lost", 2*blockTime)
}

// Blocks that come late and in a burst were heard in time.
func TestSoundInBurstsIsNotLate(t *testing.T) {
	s := simulateSpeech(t)
	s.blocks(100, blockTime, soundBlock{opened: true})
	for range 50 {
		s.now += 400 * time.Millisecond
		s.blocks(40, 0, soundBlock{})
		s.blocks(100, blockTime, soundBlock{})
	}
	for range 100 { // a device with blocks of 250 ms
		s.now += 250 * time.Millisecond
		s.blocks(25, 0, soundBlock{})
	}
	s.mustKeepTime("bursts", 2*blockTime)
	if n := s.markers(); n != 0 {
		t.Errorf("%d pauses seen in sound without one", n)
	}
}

// A microphone's clock differs from the machine's. That must not count as a pause, and must not change the length of
// real pauses.
func TestSoundOfAClockThatDrifts(t *testing.T) {
	for _, drift := range []time.Duration{-3, 3} { // µs a block: 300 ppm
		s := simulateSpeech(t)
		const hour = 360_000
		s.blocks(hour, blockTime+drift*time.Microsecond, soundBlock{opened: true})
		before := s.lag()
		if n := s.markers(); n != 0 {
			t.Errorf("drift %v: %d pauses seen", drift, n)
		}
		s.now += 3 * time.Second
		s.blocks(2, blockTime, soundBlock{opened: true})
		if d := s.lag() - before; d > blockTime || d < -blockTime {
			t.Errorf("drift %v: late by %v after a pause", drift, d)
		}
	}
}

func TestMicrophoneCountsWhatItLeavesOut(t *testing.T) {
	queue := make(chan soundBlock, 2)
	m := microphone{queue: queue}
	var pcm [blockSize]int16
	for range 5 {
		m.hear(pcm[:])
	}
	first, second := <-queue, <-queue
	m.hear(pcm[:])
	third := <-queue
	if !first.opened || second.opened || third.opened || first.dropped+second.dropped != 0 || third.dropped != 3 {
		t.Errorf("opened %v %v %v, dropped %d", first.opened, second.opened, third.opened, third.dropped)
	}
	if third.at < second.at || first.at > second.at {
		t.Error("times go back")
	}
}
