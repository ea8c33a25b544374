//go:build cgo && linux && !porch_native

package capture

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/capture/internal/opus"
	"github.com/porch-call/porch/backend/signalling"
)

// speak sends sound as a participant's packets, in real time, until it ends or
// the test does.
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
		pkt := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: AudioPayloadType, SSRC: 7}}
		for n := 0; (n+1)*opus.FrameSize <= len(sound); {
			select {
			case <-t.Context().Done():
				return
			case now := <-ticker.C:
				for ; mediaTime(int64(n*opus.FrameSize)) <= now.Sub(begin) && (n+1)*opus.FrameSize <= len(sound); n++ {
					payload, err := encoder.Encode(sound[n*opus.FrameSize : (n+1)*opus.FrameSize])
					if err != nil {
						t.Error(err)
						return
					}
					pkt.Payload = payload
					s.ReceiveRTP(participant, signalling.KindAudio, &pkt)
					pkt.SequenceNumber++
					pkt.Timestamp += opus.FrameSize
				}
			}
		}
	})
	t.Cleanup(end.Wait)
}

// A guest speaks; the speaker plays it into the room, where the microphone hears
// it. What goes back to the guest must not be it.
func TestEchoIsCancelled(t *testing.T) {
	if !processesSound {
		t.Skip("builds with the race detector have no audio processing")
	}
	p := startPulse(t)
	sink := newRecorder()
	room := p.listen()
	s := begin(t, openReal(t), Setup{CameraOff: true}, sink)
	speak(t, s, "guest", babble(30, 0.3, 3))

	// The canceller has learnt the room within 5 s; the 5 s after that count.
	const learn, judge = 5, 5
	room.until(t, "the guest in the room", func(pcm []int16) bool { return power(pcm) > 300*300 })
	sink.mu.Lock()
	from := len(sink.packets[signalling.KindAudio])
	sink.mu.Unlock()
	sink.until(t, "ten seconds", func() bool {
		return len(sink.packets[signalling.KindAudio]) >= from+(learn+judge)*50
	})
	_ = s.Close()

	sent := decodeOpus(t, sink.packets[signalling.KindAudio])
	sent = sent[len(sent)-judge*AudioClockRate:]
	room.mu.Lock()
	heard := room.pcm[len(room.pcm)-judge*AudioClockRate:]
	room.mu.Unlock()
	reduction := 10 * math.Log10(power(heard)/max(power(sent), 1))
	t.Logf("echo in the room %.1f dBFS, sent back %.1f dBFS: reduced by %.1f dB", dbfs(heard), dbfs(sent), reduction)
	if reduction < 20 {
		t.Errorf("echo reduced by %.1f dB only", reduction)
	}
}

// With the guest silent, or speaking at the same time, the host is heard.
func TestHostIsHeardThroughTheEchoCanceller(t *testing.T) {
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

func dbfs(pcm []int16) float64 {
	return 10 * math.Log10(max(power(pcm), 1)/(math.MaxInt16*math.MaxInt16))
}
