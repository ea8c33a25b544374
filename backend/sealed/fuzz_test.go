package sealed

import (
	"bytes"
	"testing"

	"github.com/porch-call/porch/backend/fault"
)

// known fails for an error that no decoder of this package may return.
func known(t *testing.T, err error) {
	t.Helper()
	switch fault.CodeOf(err) {
	case "", fault.LinkMalformed, fault.LinkUnavailable, fault.KeyMismatch, fault.FrameTruncated, fault.FrameTooLarge,
		fault.FrameReplayed, fault.FrameOutOfOrder, fault.SealBroken:
	default:
		t.Fatalf("a stranger's bytes gave %v", err)
	}
}

func FuzzParseAddress(f *testing.F) {
	keys, secret := newKeys(f), NewSecret()
	good := Address("https://porch.example:7674", keys.ID(), secret)
	for _, s := range []string{good, "", "https://[::1]:1/j/", good + "?", "http://a%00b/j/" + good[28:], "https://a/j/x#y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		base, id, secret, err := ParseAddress(s)
		known(t, err)
		if err != nil {
			return
		}
		again, id2, secret2, err := ParseAddress(Address(base, id, secret))
		if err != nil || again != base || id2 != id || secret2 != secret {
			t.Fatalf("%q does not come back: %v", s, err)
		}
	})
}

func FuzzParseLinkID(f *testing.F) {
	for _, s := range []string{string(newKeys(f).ID()), NewSecret().Reveal(), "", "AAAAAAAAAAAAAAAAAAAAAB", "AAAAAAAAAAAAAAAAAAAA\n\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseLinkID(s)
		known(t, err)
		secret, secretErr := ParseSecret(s)
		known(t, secretErr)
		if (err == nil) != (secretErr == nil) {
			t.Fatal("an id and a secret have the same form")
		}
		if err == nil && (string(id) != s || secret.Reveal() != s) {
			t.Fatal("two texts for one value")
		}
	})
}

func FuzzOpenGuest(f *testing.F) {
	keys := newKeys(f)
	f.Add(keys.Public(), string(keys.ID()))
	f.Add(keys.Public()[1:], string(keys.ID()))
	f.Add([]byte{}, "")
	f.Fuzz(func(t *testing.T, pub []byte, id string) {
		_, c, err := OpenGuest(pub, LinkID(id))
		known(t, err)
		if (c == nil) != (err != nil) {
			t.Fatal("a channel and an error")
		}
		if err == nil && IDOf(pub) != LinkID(id) {
			t.Fatal("a key that does not belong to the id")
		}
		_, _, err = OpenGuest(pub, IDOf(pub)) // past the check, into the curve
		known(t, err)
	})
}

func FuzzOpenHost(f *testing.F) {
	keys := newKeys(f)
	opening, guest, err := OpenGuest(keys.Public(), keys.ID())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(opening, seal(f, guest, "hello"))
	f.Add(opening[:64], []byte{})
	f.Add(bytes.Repeat([]byte{4}, OpeningSize), make([]byte, numberSize+tagSize))
	f.Fuzz(func(t *testing.T, opening, frame []byte) {
		c, err := OpenHost(keys, opening)
		known(t, err)
		if err != nil {
			return
		}
		_, err = c.Open(frame)
		known(t, err)
	})
}

// FuzzChannelOpen hands a stranger's frame to both ends at each point of a
// conversation. The frame may never open, and never harm.
func FuzzChannelOpen(f *testing.F) {
	keys := newKeys(f)
	guest, host := pair(f, keys)
	first := seal(f, guest, "hello")
	f.Add(uint8(0), first)
	f.Add(uint8(1), seal(f, host, "welcome"))
	f.Add(uint8(2), []byte{})
	f.Add(uint8(3), make([]byte, saltSize+numberSize+tagSize))
	f.Fuzz(func(t *testing.T, point uint8, frame []byte) {
		guest, host := pair(t, keys)
		end := host
		if point&1 == 1 {
			end = guest
		}
		if point&2 == 2 {
			open(t, host, seal(t, guest, "hello"), "hello")
			open(t, guest, seal(t, host, "welcome"), "welcome")
		}
		plain, err := end.Open(frame)
		known(t, err)
		if err == nil {
			t.Fatalf("a forged frame was opened: %q", plain)
		}
	})
}

// FuzzChannel carries the fuzzer's messages from end to end.
func FuzzChannel(f *testing.F) {
	keys := newKeys(f)
	f.Add([]byte("hello"), []byte{})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		guest, host := pair(t, keys)
		for i := range 3 {
			open(t, host, seal(t, guest, string(a)), string(a))
			open(t, guest, seal(t, host, string(b)), string(b))
			if i == 1 {
				a, b = b, a
			}
		}
	})
}

func FuzzAnswerChallenge(f *testing.F) {
	keys := newKeys(f)
	challenge, _, err := NewChallenge(keys.Public())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(challenge)
	f.Add(challenge[:80])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, challenge []byte) {
		_, err := AnswerChallenge(keys, challenge)
		known(t, err)
	})
}

func FuzzNewChallenge(f *testing.F) {
	f.Add(newKeys(f).Public())
	f.Add([]byte{4})
	f.Fuzz(func(t *testing.T, pub []byte) {
		_, _, err := NewChallenge(pub)
		known(t, err)
	})
}

func FuzzOpenNote(f *testing.F) {
	secret, id := NewSecret(), newKeys(f).ID()
	note, err := SealNote(secret, id, NoteSpent)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(note[:])
	f.Add(note[1:])
	f.Add(make([]byte, NoteSize))
	f.Fuzz(func(t *testing.T, note []byte) {
		_, err := OpenNote(secret, id, note)
		known(t, err)
	})
}

func FuzzParseLinkKeys(f *testing.F) {
	f.Add(newKeys(f).Bytes())
	f.Add(make([]byte, PrivateKeySize))
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := ParseLinkKeys(b)
		if err == nil && !bytes.Equal(keys.Bytes(), b) {
			t.Fatal("keys changed on the way through bytes")
		}
	})
}
