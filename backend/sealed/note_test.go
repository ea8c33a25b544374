package sealed

import (
	"bytes"
	"strings"
	"testing"

	"github.com/porch-call/porch/backend/fault"
)

func TestNoteRoundTrip(t *testing.T) {
	secret, id := NewSecret(), newKeys(t).ID()
	for _, reason := range []string{NoteSpent, NoteRemoved, "a", strings.Repeat("z", maxReason)} {
		note, err := SealNote(secret, id, reason)
		if err != nil {
			t.Fatal(err)
		}
		got, err := OpenNote(secret, id, note[:])
		if err != nil || got != reason {
			t.Errorf("got %q, %v; want %q", got, err, reason)
		}
		again, _ := SealNote(secret, id, reason)
		if again != note {
			t.Error("the same note twice differs: asking twice would tell")
		}
	}
	spent, _ := SealNote(secret, id, NoteSpent)
	removed, _ := SealNote(secret, id, NoteRemoved)
	if bytes.Equal(spent[:nonceSize], removed[:nonceSize]) {
		t.Error("two reasons under one nonce")
	}
	for _, reason := range []string{"", "Spent", "spent ", "sp\x00ent", strings.Repeat("z", maxReason+1)} {
		if _, err := SealNote(secret, id, reason); err == nil {
			t.Errorf("%q was sealed", reason)
		}
	}
}

func TestNoteIsNoiseToOthers(t *testing.T) {
	secret, id, otherID := NewSecret(), newKeys(t).ID(), newKeys(t).ID()
	note, err := SealNote(secret, id, NoteSpent)
	if err != nil {
		t.Fatal(err)
	}
	flipped := note
	flipped[NoteSize-1] ^= 1
	for name, open := range map[string]func() (string, error){
		"another secret": func() (string, error) { return OpenNote(NewSecret(), id, note[:]) },
		"another id":     func() (string, error) { return OpenNote(secret, otherID, note[:]) },
		"changed":        func() (string, error) { return OpenNote(secret, id, flipped[:]) },
		"cut off":        func() (string, error) { return OpenNote(secret, id, note[:NoteSize-1]) },
		"nothing":        func() (string, error) { return OpenNote(secret, id, nil) },
	} {
		reason, err := open()
		if reason != "" {
			t.Errorf("%s: read %q", name, reason)
		}
		wantCode(t, err, fault.LinkUnavailable)
	}
}

func TestChallenge(t *testing.T) {
	keys, other := newKeys(t), newKeys(t)
	challenge, answer, err := NewChallenge(keys.Public())
	if err != nil {
		t.Fatal(err)
	}
	got, err := AnswerChallenge(keys, challenge)
	if err != nil || !bytes.Equal(got, answer) {
		t.Fatalf("the holder of the keys could not answer: %v", err)
	}
	if bytes.Contains(challenge, answer) {
		t.Error("the challenge shows its answer")
	}
	second, _, _ := NewChallenge(keys.Public())
	if bytes.Equal(challenge, second) {
		t.Error("the same challenge twice")
	}
	changed := bytes.Clone(challenge)
	changed[len(changed)-1] ^= 1
	guest, _ := pair(t, keys)
	asFrame := seal(t, guest, strings.Repeat("x", answerSize))
	for _, test := range []struct {
		name      string
		keys      LinkKeys
		challenge []byte
		want      fault.Code
	}{
		{"other keys", other, challenge, fault.SealBroken},
		{"no keys", LinkKeys{}, challenge, fault.KeyMismatch},
		{"changed", keys, changed, fault.SealBroken},
		{"cut off", keys, challenge[:len(challenge)-1], fault.FrameTruncated},
		{"nothing", keys, nil, fault.FrameTruncated},
		{"too long", keys, append(bytes.Clone(challenge), 0), fault.FrameTooLarge},
		{"a guest's frame", keys, append(make([]byte, challengeSize-len(asFrame)), asFrame...), fault.SealBroken},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := AnswerChallenge(test.keys, test.challenge)
			wantCode(t, err, test.want)
		})
	}
	for _, pub := range [][]byte{nil, make([]byte, PublicKeySize), keys.Public()[1:]} {
		_, _, err := NewChallenge(pub)
		wantCode(t, err, fault.KeyMismatch)
	}
}
