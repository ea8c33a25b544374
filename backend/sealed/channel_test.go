package sealed

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/porch-call/porch/backend/fault"
)

// pair returns both ends of a new channel, before any frame.
func pair(t testing.TB, keys LinkKeys) (guest, host *Channel) {
	t.Helper()
	opening, guest, err := OpenGuest(keys.Public(), keys.ID())
	if err != nil {
		t.Fatal(err)
	}
	if len(opening) != OpeningSize {
		t.Fatalf("opening of %d bytes, want %d", len(opening), OpeningSize)
	}
	host, err = OpenHost(keys, opening)
	if err != nil {
		t.Fatal(err)
	}
	return guest, host
}

func seal(t testing.TB, c *Channel, text string) []byte {
	t.Helper()
	frame, err := c.Seal([]byte(text))
	if err != nil {
		t.Fatalf("seal %q: %v", text, err)
	}
	return frame
}

func open(t testing.TB, c *Channel, frame []byte, want string) {
	t.Helper()
	got, err := c.Open(frame)
	if err != nil {
		t.Fatalf("open %q: %v", want, err)
	}
	if string(got) != want {
		t.Fatalf("opened %q, want %q", got, want)
	}
}

// greeted returns both ends of a channel after one frame each way.
func greeted(t testing.TB, keys LinkKeys) (guest, host *Channel) {
	t.Helper()
	guest, host = pair(t, keys)
	open(t, host, seal(t, guest, "hello"), "hello")
	open(t, guest, seal(t, host, "welcome"), "welcome")
	return guest, host
}

func wantCode(t testing.TB, err error, code fault.Code) {
	t.Helper()
	if got := fault.CodeOf(err); got != code {
		t.Fatalf("got %q (%v), want %q", got, err, code)
	}
}

func TestChannelBothWays(t *testing.T) {
	guest, host := greeted(t, newKeys(t))
	for range 300 {
		open(t, host, seal(t, guest, "from the guest"), "from the guest")
		open(t, guest, seal(t, host, "from the host"), "from the host")
		open(t, guest, seal(t, host, ""), "")
	}
	largest := strings.Repeat("x", MaxPlain)
	frame := seal(t, guest, largest)
	if len(frame) > MaxFrame {
		t.Fatalf("frame of %d bytes, limit %d", len(frame), MaxFrame)
	}
	open(t, host, frame, largest)
}

func TestChannelHostMayOpenFirstFrameWithLargestMessage(t *testing.T) {
	guest, host := pair(t, newKeys(t))
	largest := strings.Repeat("x", MaxPlain)
	open(t, host, seal(t, guest, largest), largest)
	frame := seal(t, host, largest)
	if len(frame) != MaxFrame {
		t.Fatalf("the largest frame has %d bytes, MaxFrame says %d", len(frame), MaxFrame)
	}
	open(t, guest, frame, largest)
}

func TestChannelHostMaySpeakBeforeTheGuest(t *testing.T) {
	guest, host := pair(t, newKeys(t))
	open(t, guest, seal(t, host, "early"), "early")
	open(t, host, seal(t, guest, "hello"), "hello")
	open(t, host, seal(t, guest, "more"), "more")
}

func TestChannelGuestWaitsForTheHost(t *testing.T) {
	guest, host := pair(t, newKeys(t))
	first := seal(t, guest, "hello")
	if _, err := guest.Seal([]byte("too early")); !errors.Is(err, ErrTooEarly) {
		t.Fatalf("got %v, want ErrTooEarly", err)
	}
	open(t, host, first, "hello")
	open(t, guest, seal(t, host, "welcome"), "welcome")
	open(t, host, seal(t, guest, "now"), "now")
}

func TestChannelOversizeLeavesItUsable(t *testing.T) {
	guest, host := greeted(t, newKeys(t))
	_, err := guest.Seal(make([]byte, MaxPlain+1))
	wantCode(t, err, fault.FrameTooLarge)
	open(t, host, seal(t, guest, "still here"), "still here")
}

func TestChannelHidesAndVaries(t *testing.T) {
	keys := newKeys(t)
	guest, host := pair(t, keys)
	frames := [][]byte{seal(t, guest, "a name that nobody may read")}
	open(t, host, frames[0], "a name that nobody may read")
	for range 3 {
		frames = append(frames, seal(t, host, "a name that nobody may read"))
	}
	for i, f := range frames {
		if bytes.Contains(f, []byte("a name")) {
			t.Errorf("frame %d shows its text", i)
		}
		for _, g := range frames[:i] {
			if bytes.Equal(f[len(f)-tagSize:], g[len(g)-tagSize:]) {
				t.Errorf("two frames have the same tag")
			}
		}
	}
}

// TestChannelRecordedGuest plays everything that a guest sent to the host a
// second time, as a relay could. The host answers under keys that were never
// used, and does not understand the second frame.
func TestChannelRecordedGuest(t *testing.T) {
	keys := newKeys(t)
	opening, guest, err := OpenGuest(keys.Public(), keys.ID())
	if err != nil {
		t.Fatal(err)
	}
	host, err := OpenHost(keys, opening)
	if err != nil {
		t.Fatal(err)
	}
	hello := seal(t, guest, "hello")
	open(t, host, hello, "hello")
	answer := seal(t, host, "welcome")
	open(t, guest, answer, "welcome")
	knock := seal(t, guest, "knock")

	again, err := OpenHost(keys, opening)
	if err != nil {
		t.Fatal(err)
	}
	open(t, again, hello, "hello")
	second := seal(t, again, "welcome")
	if bytes.Equal(answer[saltSize:], second[saltSize:]) {
		t.Error("the host's answers to the same opening are equal: key and nonce were used twice")
	}
	_, err = again.Open(knock)
	wantCode(t, err, fault.SealBroken)
}

func TestOpenGuestFaults(t *testing.T) {
	keys, other := newKeys(t), newKeys(t)
	notOnCurve := bytes.Clone(keys.Public())
	notOnCurve[40] ^= 1
	compressed := append([]byte{2}, keys.Public()[1:33]...)
	for _, test := range []struct {
		name string
		pub  []byte
		id   LinkID
		want fault.Code
	}{
		{"another link's key", other.Public(), keys.ID(), fault.KeyMismatch},
		{"another link's id", keys.Public(), other.ID(), fault.KeyMismatch},
		{"no key", nil, keys.ID(), fault.KeyMismatch},
		{"key cut off", keys.Public()[:64], keys.ID(), fault.KeyMismatch},
		{"key too long", append(bytes.Clone(keys.Public()), 0), keys.ID(), fault.KeyMismatch},
		{"changed key", notOnCurve, keys.ID(), fault.KeyMismatch},
		{"point not on the curve, its own id", notOnCurve, IDOf(notOnCurve), fault.KeyMismatch},
		{"compressed point, its own id", compressed, IDOf(compressed), fault.KeyMismatch},
		{"infinity, its own id", []byte{0}, IDOf([]byte{0}), fault.KeyMismatch},
		{"no id", keys.Public(), "", fault.LinkMalformed},
		{"short id", keys.Public(), keys.ID()[:21], fault.LinkMalformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, c, err := OpenGuest(test.pub, test.id)
			wantCode(t, err, test.want)
			if c != nil {
				t.Error("a channel in spite of the error")
			}
		})
	}
}

func TestOpenHostFaults(t *testing.T) {
	keys := newKeys(t)
	opening, _, err := OpenGuest(keys.Public(), keys.ID())
	if err != nil {
		t.Fatal(err)
	}
	notOnCurve := bytes.Clone(opening)
	notOnCurve[10] ^= 1
	for _, test := range []struct {
		name    string
		opening []byte
		want    fault.Code
	}{
		{"nothing", nil, fault.FrameTruncated},
		{"cut off", opening[:OpeningSize-1], fault.FrameTruncated},
		{"too long", append(bytes.Clone(opening), 0), fault.FrameTooLarge},
		{"zeros", make([]byte, OpeningSize), fault.SealBroken},
		{"point not on the curve", notOnCurve, fault.SealBroken},
		{"text", []byte(strings.Repeat("{", OpeningSize)), fault.SealBroken},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := OpenHost(keys, test.opening)
			wantCode(t, err, test.want)
		})
	}
	if _, err := OpenHost(LinkKeys{}, opening); err == nil {
		t.Error("a channel without keys")
	}
}

// TestBadFrames checks that each bad frame ends the channel that got it with its
// code, that the code stays, and that no other channel of the link is disturbed.
func TestBadFrames(t *testing.T) {
	flip := func(at int) func([]byte) []byte {
		return func(f []byte) []byte {
			f = bytes.Clone(f)
			if at < 0 {
				at += len(f)
			}
			f[at] ^= 1
			return f
		}
	}
	renumber := func(n uint64) func([]byte) []byte {
		return func(f []byte) []byte {
			f = bytes.Clone(f)
			binary.BigEndian.PutUint64(f, n)
			return f
		}
	}
	cut := func(n int) func([]byte) []byte { return func(f []byte) []byte { return f[:n] } }
	same := func(f []byte) []byte { return f }

	// Frames 1, 2 and 3 are sealed and number 1 is opened. Then the frame with
	// the number take is changed and opened.
	tests := []struct {
		name   string
		take   int
		change func([]byte) []byte
		want   fault.Code
	}{
		{"replayed", 1, same, fault.FrameReplayed},
		{"reordered", 3, same, fault.FrameOutOfOrder},
		{"number of the first frame", 2, renumber(0), fault.FrameReplayed},
		{"number that wraps", 2, renumber(1<<64 - 1), fault.FrameOutOfOrder},
		{"later frame under the expected number", 3, renumber(2), fault.SealBroken},
		{"nothing", 2, cut(0), fault.FrameTruncated},
		{"number only", 2, cut(numberSize), fault.FrameTruncated},
		{"no room for the tag", 2, cut(numberSize + tagSize - 1), fault.FrameTruncated},
		{"last byte missing", 2, func(f []byte) []byte { return f[:len(f)-1] }, fault.SealBroken},
		{"a byte more", 2, func(f []byte) []byte { return append(bytes.Clone(f), 0) }, fault.SealBroken},
		{"text changed", 2, flip(numberSize), fault.SealBroken},
		{"tag changed", 2, flip(-1), fault.SealBroken},
		{"too large by one", 2, func(f []byte) []byte {
			return append(bytes.Clone(f), make([]byte, numberSize+MaxPlain+tagSize+1-len(f))...)
		}, fault.FrameTooLarge},
		{"far too large", 2, func(f []byte) []byte { return append(bytes.Clone(f), make([]byte, 2*MaxFrame)...) }, fault.FrameTooLarge},
	}
	keys := newKeys(t)
	for _, direction := range []string{"to host", "to guest"} {
		for _, test := range tests {
			t.Run(direction+"/"+test.name, func(t *testing.T) {
				from, to := greeted(t, keys)
				otherFrom, otherTo := greeted(t, keys)
				if direction == "to guest" {
					from, to = to, from
				}
				frames := [][]byte{nil}
				for range 3 {
					frames = append(frames, seal(t, from, "text"))
				}
				open(t, to, frames[1], "text")

				_, err := to.Open(test.change(frames[test.take]))
				wantCode(t, err, test.want)
				if _, again := to.Open(frames[2]); !errors.Is(again, err) {
					t.Errorf("after the error the channel opens on: %v", again)
				}
				if _, again := to.Seal(nil); !errors.Is(again, err) {
					t.Errorf("after the error the channel seals on: %v", again)
				}
				open(t, otherTo, seal(t, otherFrom, "undisturbed"), "undisturbed")
			})
		}
	}
}

// TestBadFirstFrames covers what only the first frames have: HPKE one way, the
// salt the other way.
func TestBadFirstFrames(t *testing.T) {
	keys, other := newKeys(t), newKeys(t)

	t.Run("opening for another link", func(t *testing.T) {
		guest, _ := pair(t, other)
		_, host := pair(t, keys)
		_, err := host.Open(seal(t, guest, "hello"))
		wantCode(t, err, fault.SealBroken)
	})
	t.Run("frame of another guest", func(t *testing.T) {
		guest, _ := pair(t, keys)
		_, host := pair(t, keys)
		_, err := host.Open(seal(t, guest, "hello"))
		wantCode(t, err, fault.SealBroken)
	})
	t.Run("frame of another host", func(t *testing.T) {
		guest, _ := pair(t, keys)
		_, host := pair(t, keys)
		_, err := guest.Open(seal(t, host, "welcome"))
		wantCode(t, err, fault.SealBroken)
	})
	t.Run("the guest's own frame sent back", func(t *testing.T) {
		guest, _ := pair(t, keys)
		_, err := guest.Open(append(make([]byte, saltSize), seal(t, guest, "hello")...))
		wantCode(t, err, fault.SealBroken)
	})
	for at, want := range map[int]fault.Code{
		0:                     fault.SealBroken, // salt
		saltSize - 1:          fault.SealBroken,
		saltSize:              fault.FrameOutOfOrder, // number
		saltSize + numberSize: fault.SealBroken,      // text
	} {
		guest, host := pair(t, keys)
		frame := seal(t, host, "welcome")
		frame[at] ^= 0x80
		_, err := guest.Open(frame)
		wantCode(t, err, want)
	}
	for _, size := range []int{0, saltSize - 1, saltSize, saltSize + numberSize, saltSize + numberSize + tagSize - 1} {
		guest, host := pair(t, keys)
		_, err := guest.Open(seal(t, host, "welcome")[:size])
		wantCode(t, err, fault.FrameTruncated)
	}
	t.Run("too large without a salt", func(t *testing.T) {
		_, host := pair(t, keys)
		_, err := host.Open(make([]byte, MaxFrame))
		wantCode(t, err, fault.FrameTooLarge)
	})
}

func BenchmarkChannel(b *testing.B) {
	guest, host := greeted(b, newKeys(b))
	plain := bytes.Repeat([]byte("a"), 300)
	b.SetBytes(int64(len(plain)))
	for b.Loop() {
		frame, err := guest.Seal(plain)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := host.Open(frame); err != nil {
			b.Fatal(err)
		}
	}
}
