package nats

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// everyMessage has one message of each kind.
var everyMessage = []message{
	beat{7}, leaving{},
	notes{{[tokenSize]byte{1}, [sealed.NoteSize]byte{2}}, {[tokenSize]byte{3}, [sealed.NoteSize]byte{4}}},
	revocations{{"owner", "user"}, {"", strings.Repeat("u", maxName)}},
	ask{1}, holds{1, 2}, claim{token{5}, 6},
	open{7, true, "key"}, opened{8, [publicSize]byte{9}}, refused{10, true},
	frame{way{true, 11}, 12, []byte("frame")}, limit{way{false, 13}, 14, signalling.MaxFrame},
	closed{way{true, 15}, 16, signalling.CloseDone}, closed{way{true, 15}, 16, signalling.CloseGone}, gone{way{false, 17}},
	tally{{way{true, 18}, 19}, {way{false, 20}, 21}}, mark{22}, marked{23},
}

func plainOf(m message) []byte { return m.append([]byte{m.kind()}) }

func TestEveryMessageComesBack(t *testing.T) {
	kinds := map[byte]bool{}
	a, err := newSeals(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	b, err := newSeals(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := newSeals(bytes.Repeat([]byte{1}, MinSecret))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range everyMessage {
		kinds[m.kind()] = true
		envelope := a.seal(everyone, m)
		sender, err := senderOf(envelope)
		if err != nil || sender != a.self {
			t.Fatalf("%T: sender %v, %v", m, sender, err)
		}
		key, err := b.of(sender)
		if err != nil {
			t.Fatal(err)
		}
		got, err := openEnvelope(key, everyone, envelope)
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%#v came as %#v, %v", m, got, err)
		}
		if _, err := openEnvelope(key, toNode(b.self), envelope); !errors.Is(err, errForged) {
			t.Errorf("%T was moved to another place: %v", m, err)
		}
		wrong, err := stranger.of(sender)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := openEnvelope(wrong, everyone, envelope); !errors.Is(err, errForged) {
			t.Errorf("%T was opened by a stranger: %v", m, err)
		}
		for _, at := range []int{1, headerSize - 1, headerSize, len(envelope) - 1} {
			changed := bytes.Clone(envelope)
			changed[at] ^= 1
			if _, err := openEnvelope(key, everyone, changed); !errors.Is(err, errForged) {
				t.Errorf("%T with byte %d changed: %v", m, at, err)
			}
		}
		plain := plainOf(m)
		if _, ok := m.(frame); !ok {
			if _, err := parse(append(bytes.Clone(plain), 0)); err == nil {
				t.Errorf("%T with more behind it passes", m)
			}
		}
	}
	if len(kinds) != kindMarked {
		t.Errorf("%d kinds of %d", len(kinds), kindMarked)
	}
	if bytes.Contains(a.seal(everyone, beat{}), a.seal(everyone, beat{})[headerSize:]) {
		t.Error("one nonce twice")
	}
}

func TestMalformed(t *testing.T) {
	long := signalling.MaxFrame + switchboard.SealRoom + 1
	for name, b := range map[string][]byte{
		"nothing":          {},
		"unknown kind":     {200},
		"cut short":        {kindAsk, 1, 2},
		"a bool of 2":      plainOf(gone{})[:1:1],
		"no close code":    plainOf(closed{code: 1}),
		"a limit upwards":  plainOf(limit{of: way{toHost: true}, limit: signalling.MaxFrame}),
		"a huge limit":     plainOf(limit{limit: 1 << 30}),
		"a small limit":    plainOf(limit{limit: 1}),
		"a huge frame":     plainOf(frame{data: make([]byte, long)}),
		"a long key":       plainOf(open{key: strings.Repeat("k", maxRemoteKey+1)}),
		"too many entries": plainOf(make(tally, maxEntries+1)),
	} {
		if m, err := parse(b); !errors.Is(err, errForm) {
			t.Errorf("%s: %#v, %v", name, m, err)
		}
	}
}

// FuzzMessage checks that a message that is understood is written the same way,
// and within bounds.
func FuzzMessage(f *testing.F) {
	for _, m := range everyMessage {
		f.Add(plainOf(m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parse(b)
		if err != nil {
			return
		}
		if again := plainOf(m); !bytes.Equal(again, b) {
			t.Errorf("%x became %x", b, again)
		}
	})
}

// FuzzEnvelope checks that no other bytes pass for a node's envelope, and that a
// node's own pass only whole.
func FuzzEnvelope(f *testing.F) {
	s, err := newSeals(testSecret)
	if err != nil {
		f.Fatal(err)
	}
	for _, m := range everyMessage {
		f.Add(s.seal(everyone, m))
	}
	f.Add(make([]byte, headerSize+tagSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		sender, err := senderOf(b)
		if err != nil {
			return
		}
		// What this process has sealed, under another node's key.
		key, err := s.of(nodeID{sender[0] + 1})
		if err != nil {
			t.Fatal(err)
		}
		if m, err := openEnvelope(key, everyone, b); err == nil {
			t.Errorf("%x passes as %#v", b, m)
		}
	})
}
