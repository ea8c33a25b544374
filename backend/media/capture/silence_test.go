//go:build cgo && (linux || porch_native)

package capture

import (
	"testing"
	"time"

	"github.com/porch-call/porch/backend/media/capture/internal/opus"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/signalling"
)

// spoken is an uplink with the real encoder, in simulated time.
type spoken struct {
	*speaking
	tone tone
}

func simulateVoice(t *testing.T) *spoken {
	encoder, err := opus.NewEncoder(opusBitrate)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(encoder.Close)
	s := &speaking{t: t, sink: newRecorder()}
	s.uplink = newAudioUplink(encoder, s.sink)
	return &spoken{speaking: s}
}

// hear feeds sound for so long, or silence.
func (s *spoken) hear(d time.Duration, silent bool) {
	s.t.Helper()
	for range int(d / blockTime) {
		b := soundBlock{at: s.now}
		if s.now += blockTime; !silent {
			s.tone.fill(b.pcm[:])
		}
		if err := s.uplink.write(&b); err != nil {
			s.t.Fatal(err)
		}
	}
}

// TestSilenceIsHardlySent: two packets each 400 ms, as browsers send them, and the clock runs on.
func TestSilenceIsHardlySent(t *testing.T) {
	s := simulateVoice(t)
	s.hear(2*time.Second, false)
	if got := len(s.packets()); got != 100 {
		t.Fatalf("%d packets of a voice of 2 s", got)
	}
	s.hear(time.Second, true) // the encoder waits before it believes in silence
	s.sink.packets[signalling.KindAudio] = nil
	s.hear(8*time.Second, true)
	silent := s.packets()
	if len(silent) < 16 || len(silent) > 48 {
		t.Errorf("%d packets of a silence of 8 s", len(silent))
	}
	small := 0
	for i, p := range silent {
		if len(p.Payload) <= quietPacket {
			small++
		}
		if i > 0 && p.SequenceNumber != silent[i-1].SequenceNumber+1 {
			t.Errorf("number %d after %d", p.SequenceNumber, silent[i-1].SequenceNumber)
		}
	}
	if small < len(silent)/3 {
		t.Errorf("%d of %d packets announce a pause", small, len(silent))
	}
	first := silent[0]
	s.sink.packets[signalling.KindAudio] = nil
	begins := s.now
	s.hear(time.Second, false)
	voice := s.packets()
	if len(voice) < 49 {
		t.Fatalf("%d packets of a voice of a second", len(voice))
	}
	// The last packet was heard in the last 20 ms.
	if late := s.now - begins - time.Second; late != 0 {
		t.Fatal("the test's clock is wrong")
	}
	passed := codec.AudioTime(int64(voice[len(voice)-1].Timestamp - first.Timestamp))
	if passed < 8500*time.Millisecond || passed > 9*time.Second {
		t.Errorf("%v passed by the packets' clock", passed)
	}
}

// TestRepairCostsOnlyWhereLossIsAssumed: with assumed loss, packets carry the sound before them as well.
func TestRepairCostsOnlyWhereLossIsAssumed(t *testing.T) {
	s := simulateVoice(t)
	session := &Session{voice: s.uplink}
	s.hear(time.Second, false)
	for _, share := range []float64{0.004, 0.1, 2, 0} {
		session.AssumeLoss(share)
		s.hear(100*time.Millisecond, false)
	}
	if s.uplink.loss != 0 {
		t.Errorf("%d %% are assumed", s.uplink.loss)
	}
	session.AssumeLoss(0.004)
	s.hear(100*time.Millisecond, false)
	if s.uplink.loss != 1 {
		t.Errorf("%d %% are assumed, want 1", s.uplink.loss)
	}
}
