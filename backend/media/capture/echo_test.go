//go:build cgo && linux && !porch_native

package capture

import (
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/media/capture/internal/opus"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/pcm"
	"github.com/porch-call/porch/backend/signalling"
)

// speak sends sound as a participant's packets, in real time, until the sound or the test ends.
func speak(t *testing.T, s *Session, participant string, sound []int16) {
	t.Helper()
	encoder, err := opus.NewEncoder(opusBitrate)
	if err != nil {
		t.Fatal(err)
	}
	var end sync.WaitGroup
	end.Go(func() {
		defer encoder.Close()
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		begin := time.Now()
		pkt := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: codec.AudioPayloadType, SSRC: 7}}
		for n := 0; (n+1)*opus.FrameSize <= len(sound); {
			select {
			case <-t.Context().Done():
				return
			case now := <-ticker.C:
				for ; codec.AudioTime(int64(n*opus.FrameSize)) <= now.Sub(begin) && (n+1)*opus.FrameSize <= len(sound); n++ {
					payload, err := encoder.Encode(sound[n*opus.FrameSize : (n+1)*opus.FrameSize])
					if err != nil {
						t.Error(err)
						return
					}
					pkt.Payload = payload
					s.ReceiveRTP(participant, signalling.KindAudio, &pkt, 0)
					pkt.SequenceNumber++
					pkt.Timestamp += opus.FrameSize
				}
			}
		}
	})
	t.Cleanup(end.Wait)
}

// A guest speaks. The speaker plays the voice into the room, where the microphone picks it up. The guest must not get
// it back.
func TestEchoIsCancelled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long: left to make test")
	}
	if !processesSound {
		t.Skip("builds with the race detector have no audio processing")
	}
	p := startPulse(t)
	sink := newRecorder()
	room := p.listen()
	s := begin(t, openReal(t), Setup{CameraOff: true}, sink)
	speak(t, s, "guest", babble(30, 0.3, 3))

	// The canceller has learnt the room within 3 s. Of the 7 s after that, the median second counts. When this
	// machine stalls, the speaker runs dry or the microphone loses blocks. The delay of the echo then changes, and
	// the canceller takes a second or two to find it again.
	const learn, judge = 3, 7
	room.until(t, "the guest in the room", func(sound []int16) bool { return pcm.Power(sound) > 300*300 })
	// Of silence hardly a packet is sent, so that the packets' time tells how much has passed.
	newest := func() uint32 {
		packets := sink.packets[signalling.KindAudio]
		return packets[len(packets)-1].Timestamp
	}
	sink.until(t, "a packet", func() bool { return len(sink.packets[signalling.KindAudio]) > 0 })
	sink.mu.Lock()
	from := newest()
	sink.mu.Unlock()
	sink.until(t, "ten seconds", func() bool { return newest()-from >= (learn+judge)*codec.AudioClockRate })
	_ = s.Close()

	sent := decodeOpus(t, sink.packets[signalling.KindAudio])
	room.mu.Lock()
	heard := room.pcm
	room.mu.Unlock()
	reductions := make([]float64, 0, judge)
	for back := judge; back > 0; back-- {
		reductions = append(reductions, dbfs(second(heard, back))-dbfs(second(sent, back)))
	}
	t.Logf("echo reduced second by second, dB: %.1f", reductions)
	slices.Sort(reductions)
	if middle := reductions[judge/2]; middle < 20 {
		t.Errorf("echo reduced by %.1f dB only", middle)
	}
}

// second returns one second of sound, which begins back seconds before the end.
func second(sound []int16, back int) []int16 {
	from := len(sound) - back*codec.AudioClockRate
	return sound[from : from+codec.AudioClockRate]
}

// The host is heard while the guest is silent, and while the guest speaks.
func TestHostIsHeardThroughTheEchoCanceller(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long: left to make test")
	}
	if !processesSound {
		t.Skip("builds with the race detector have no audio processing")
	}
	p := startPulse(t)
	sink := newRecorder()
	s := begin(t, openReal(t), Setup{CameraOff: true}, sink)
	speak(t, s, "guest", babble(30, 0.1, 3))
	p.play("room", babble(30, 0.4, 11))
	loud := 0
	sink.until(t, "the host's voice", func() bool {
		packets := sink.packets[signalling.KindAudio]
		loud += one(len(packets) > 250 && levelOf(t, packets[len(packets)-1]) < 35)
		return loud > 50
	})
	_ = s.Close()
}

func dbfs(sound []int16) float64 {
	return 10 * math.Log10(max(pcm.Power(sound), 1)/(math.MaxInt16*math.MaxInt16))
}
