package playout

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/frames"
)

// theatre is a Receiver in simulated time, with decoders that need no library and a screen that keeps what it shows.
type theatre struct {
	*Receiver
	block  [blockSize]int16
	open   int   // decoders
	refuse error // of the next decoder

	shown  []frames.Frame
	waited []time.Duration // of each shown frame, since its packet
	sent   time.Time       // of the last picture
	asked  int             // keyframes
}

func openTheatre(t *testing.T) *theatre {
	th := &theatre{}
	th.Receiver = New(func() (Decoder, error) {
		if th.refuse != nil {
			return nil, th.refuse
		}
		th.open++
		return &loudDecoder{open: &th.open}, nil
	}, th)
	t.Cleanup(th.Close)
	return th
}

// Show implements Sink.
func (th *theatre) Show(_ string, f frames.Frame) {
	th.shown = append(th.shown, f)
	th.waited = append(th.waited, time.Since(th.sent))
}

// RequestKeyframe implements Sink.
func (th *theatre) RequestKeyframe(string) { th.asked++ }

// loudDecoder makes sound of one level: a hundred times the packet's second byte.
type loudDecoder struct {
	level int16
	open  *int
}

func (d *loudDecoder) Decode(packet []byte, sound []int16) (int, error) {
	d.level = 100 * int16(packet[1])
	return d.Conceal(sound[:packetSize])
}

func (d *loudDecoder) Repair(_ []byte, sound []int16) (int, error) { return d.Conceal(sound) }

func (d *loudDecoder) Conceal(sound []int16) (int, error) {
	for i := range sound {
		sound[i] = d.level
	}
	return len(sound), nil
}

func (d *loudDecoder) Reset() {}
func (d *loudDecoder) Close() { *d.open-- }

// packetSize is the length of a packet of sound in samples: 20 ms.
const packetSize = 2 * blockSize

// run lets packets 0 to n−1 of sound arrive in time, and takes the speaker's blocks. levels are of the participants.
func (th *theatre) run(n int, levels map[string]byte) {
	for i := range n {
		for participant, level := range levels {
			th.ReceiveAudio(participant, &rtp.Packet{
				Header:  rtp.Header{SequenceNumber: uint16(i), Timestamp: uint32(i * packetSize), SSRC: uint32(level)},
				Payload: []byte{31 << 3, level, 0}, // CELT, fullband, 20 ms
			})
		}
		for range 2 {
			th.Fill(th.block[:])
			time.Sleep(blockTime)
		}
	}
}

// picture lets a keyframe of one packet arrive.
func (th *theatre) picture(participant string, n int) {
	th.sent = time.Now()
	th.ReceiveVideo(participant, &rtp.Packet{
		Header:  rtp.Header{SequenceNumber: uint16(n), Timestamp: uint32(n * codec.VideoClockRate / 50), Marker: true},
		Payload: []byte{0x10, 0, byte(n)}, // enough of a keyframe for the code under test (RFC 7741)
	}, 0)
}

func (th *theatre) mustHear(t *testing.T, level int16) {
	t.Helper()
	if i := slices.IndexFunc(th.block[:], func(s int16) bool { return s != level }); i >= 0 {
		t.Errorf("sample %d is %d, want %d", i, th.block[i], level)
	}
}

func TestReceiverMixesParticipants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := openTheatre(t)
		th.run(50, map[string]byte{"one": 10, "two": 25})
		th.mustHear(t, 3500)
		if th.open != 2 {
			t.Errorf("%d decoders for two participants", th.open)
		}
		th.run(50, map[string]byte{"one": 20}) // a new stream, in a page that was loaded again
		th.mustHear(t, 2000)
		if th.open != 2 {
			t.Errorf("%d decoders", th.open)
		}
	})
}

func TestReceiverFreesWhatIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := openTheatre(t)
		th.run(50, map[string]byte{"one": 10})
		th.picture("one", 0)
		time.Sleep((voiceIdle + pictureIdle) + time.Second)
		th.Fill(th.block[:])
		th.picture("two", 0)
		if _, ok := th.gallery.pictures["one"]; ok || th.open != 0 {
			t.Errorf("%d decoders are open, picture kept: %t", th.open, ok)
		}
		th.run(50, map[string]byte{"one": 10})
		th.mustHear(t, 1000)
	})
}

func TestReceiverTriesADecoderAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := openTheatre(t)
		th.refuse = errors.New("out of memory")
		th.run(10, map[string]byte{"one": 10})
		th.mustHear(t, 0)
		th.refuse = nil
		th.run(50, map[string]byte{"one": 10})
		th.mustHear(t, 1000)
	})
}

func TestReceiverAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := openTheatre(t)
		th.run(50, map[string]byte{"one": 10})
		th.picture("one", 0)
		th.picture("one", 1) // waits for its sound
		shown := len(th.shown)
		if shown != 1 {
			t.Fatalf("%d pictures shown at once", shown)
		}
		th.Close()
		th.run(50, map[string]byte{"one": 10})
		th.picture("one", 2)
		time.Sleep(time.Minute)
		synctest.Wait()
		th.mustHear(t, 0)
		if th.open != 0 || len(th.shown) != shown {
			t.Errorf("%d decoders are open, %d pictures shown after the end", th.open, len(th.shown)-shown)
		}
	})
}

// TestReceiverHoldsPicturesForSoundOnly: pictures wait for sound that is held back, and not once it has ended.
func TestReceiverHoldsPicturesForSoundOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := openTheatre(t)
		show := func() time.Duration {
			n := len(th.shown)
			th.picture("one", n)
			time.Sleep(time.Second)
			synctest.Wait()
			if len(th.shown) != n+1 {
				t.Fatalf("%d pictures shown, want %d", len(th.shown), n+1)
			}
			return th.waited[n]
		}
		_ = show() // the first picture never waits
		th.run(50, map[string]byte{"one": 10})
		if wait := show(); wait < minPlayoutDelay || wait > maxPlayoutDelay {
			t.Errorf("a picture waits for %v while sound is played", wait)
		}
		time.Sleep(voicePause)
		if wait := show(); wait != 0 {
			t.Errorf("a picture waits for %v without sound", wait)
		}
		if th.asked != 0 {
			t.Errorf("%d keyframes asked for", th.asked)
		}
	})
}
