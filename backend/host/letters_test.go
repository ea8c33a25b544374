package host

import (
	"bytes"
	"encoding/base64"
	"log/slog"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/doormessages"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/signalling"
)

// TestDoorMessage leaves a message, loses one half-way, and is refused what has no
// room.
func TestDoorMessage(t *testing.T) {
	box, err := doormessages.Open(t.TempDir(), time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	f := start(t, setup{messages: box, timing: Timing{Letter: noWait}})
	l := f.link()
	ada := f.knock(l, "Ada")
	content := append([]byte{0x1a, 0x45, 0xdf, 0xa3}, bytes.Repeat([]byte("sound"), 30_000)...)
	leave := func(content []byte) signalling.Got {
		ada.send(signalling.Letter{Kind: signalling.LetterSound, Size: int64(len(content)), Seconds: 9})
		got := expect[signalling.Got](ada)
		for rest := content; got.Refused == "" && len(rest) > 0; {
			n := min(len(rest), signalling.MaxPiece)
			ada.send(signalling.Piece{Data: base64.RawURLEncoding.EncodeToString(rest[:n])})
			rest = rest[n:]
			if got = expect[signalling.Got](ada); got.Bytes != int64(len(content)-len(rest)) {
				t.Fatalf("%+v", got)
			}
		}
		return got
	}
	if got := leave(content); !got.Saved {
		t.Fatalf("%+v", got)
	}
	s := f.until("a message", func(s hoststate.State) bool { return len(s.Links) == 1 && len(s.Links[0].Messages) == 1 })
	m := s.Links[0].Messages[0]
	if m.Name != "Ada" || m.Kind != "sound" || m.Type != "audio/webm" || m.Seconds != 9 || !s.Requests[0].Message {
		t.Fatalf("%+v", m)
	}
	if got, err := box.Read(m.ID, 0); err != nil || !bytes.Equal(got, content) {
		t.Fatal(len(got), err)
	}

	// Longer than it said.
	ada.send(signalling.Letter{Kind: signalling.LetterNote, Size: 3})
	expect[signalling.Got](ada)
	ada.send(signalling.Piece{Data: base64.RawURLEncoding.EncodeToString([]byte("four"))})
	if got := expect[signalling.Got](ada); got.Refused != string(fault.MessageInvalid) {
		t.Fatalf("%+v", got)
	}
	ada.send(signalling.Piece{Data: "AAAA"}) // what was on its way comes to nothing

	// Half of one, and then the path is lost.
	ada.send(signalling.Letter{Kind: signalling.LetterNote, Size: 3})
	expect[signalling.Got](ada)
	ada.vanish()
	f.until("Ada is away", func(s hoststate.State) bool { return s.Requests[0].Away })
	if n := len(box.List()); n != 1 {
		t.Fatalf("%d messages", n)
	}
}

// TestDoorMessageNeedsAWait refuses a message before its time, and in a call nothing
// comes of it.
func TestDoorMessageNeedsAWait(t *testing.T) {
	box, err := doormessages.Open(t.TempDir(), time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	f := start(t, setup{messages: box})
	l := f.link()
	ada := f.knock(l, "Ada")
	ada.send(signalling.Letter{Kind: signalling.LetterNote, Size: 3})
	if got := expect[signalling.Got](ada); got.Refused != string(fault.TooFast) {
		t.Fatalf("%+v", got)
	}
	f.admit("Ada")
	ada.seated()
	ada.send(signalling.Piece{Data: "AAAA"})
	ada.send(signalling.Say{Text: "in"})
	expect[signalling.Chat](ada)
}

// noWait lets a guest leave a message at once, also where the clock goes in steps, as on Windows.
const noWait = -1

// piece is a part of a door message.
func piece(size int) signalling.Piece {
	return signalling.Piece{Data: base64.RawURLEncoding.EncodeToString(make([]byte, size))}
}

// TestLetInWhileADoorMessageArrives: the limits of a guest in the call are not those of
// one who waits, and what was on its way ends no channel.
func TestLetInWhileADoorMessageArrives(t *testing.T) {
	box, err := doormessages.Open(t.TempDir(), time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	f := start(t, setup{messages: box, timing: Timing{Letter: noWait}})
	l := f.link()
	ada := f.knock(l, "Ada")
	begin := func() {
		t.Helper()
		ada.send(signalling.Letter{Kind: signalling.LetterSound, Size: 1 << 20})
		expect[signalling.Got](ada)
		ada.send(piece(signalling.MaxPiece))
		expect[signalling.Got](ada)
	}
	begin()
	f.must(f.host.Decline(f.ctx, f.request("Ada").ID))
	expect[signalling.Declined](ada)
	ada.send(piece(signalling.MaxPiece))
	ada.send(signalling.Letter{Kind: signalling.LetterNote, Size: 3})
	ada.send(signalling.Knock{Name: "Ada"})
	expect[signalling.Waiting](ada)
	if got := ada.frames.Limit(); got != signalling.MaxFrameBefore+switchboard.SealRoom {
		t.Fatalf("a guest who waits may send %d bytes", got)
	}
	begin()
	f.admit("Ada")
	ada.seat = expect[signalling.Admitted](ada)
	ada.send(piece(signalling.MaxPiece))
	ada.send(signalling.Say{Text: "in"})
	expect[signalling.Chat](ada)
	if got := ada.frames.Limit(); got != signalling.MaxFrame+switchboard.SealRoom {
		t.Fatalf("a guest in the call may send %d bytes", got)
	}
	for range burstInCall / 2 { // candidates come in bursts
		ada.send(signalling.Candidate{})
	}
	ada.send(signalling.Say{Text: "still in"})
	expect[signalling.Chat](ada)
}

// TestDoorMessageThatEndsEarly: what was on its way when the host refused the rest ends
// no channel, and more than that finds no room.
func TestDoorMessageThatEndsEarly(t *testing.T) {
	box, err := doormessages.Open(t.TempDir(), time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	f := start(t, setup{messages: box, timing: Timing{Letter: noWait}})
	ada := f.knock(f.link(), "Ada")
	ada.send(signalling.Letter{Kind: signalling.LetterSound, Size: signalling.MaxPiece})
	expect[signalling.Got](ada)
	ada.send(piece(signalling.MaxPiece - 1))
	expect[signalling.Got](ada)
	ada.send(piece(signalling.MaxPiece)) // longer than it said
	if got := expect[signalling.Got](ada); got.Refused != string(fault.MessageInvalid) {
		t.Fatalf("%+v", got)
	}
	for range signalling.LetterWindow / signalling.MaxPiece {
		ada.send(piece(signalling.MaxPiece))
	}
	ada.send(signalling.Letter{Kind: signalling.LetterNote, Size: 3})
	if got := expect[signalling.Got](ada); got.Refused != "" {
		t.Fatalf("%+v", got)
	}
	ada.send(piece(3))
	if got := expect[signalling.Got](ada); !got.Saved {
		t.Fatalf("%+v", got)
	}
	if got := ada.frames.Limit(); got != signalling.MaxFrameBefore+switchboard.SealRoom {
		t.Fatalf("a guest who waits may send %d bytes", got)
	}
}

// TestDoorMessagesHaveAPace: whoever begins again and again is told to wait.
func TestDoorMessagesHaveAPace(t *testing.T) {
	box, err := doormessages.Open(t.TempDir(), time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	f := start(t, setup{messages: box, timing: Timing{Letter: noWait}})
	ada := f.knock(f.link(), "Ada")
	for n := range letterBurst + 1 {
		ada.send(signalling.Letter{Kind: signalling.LetterNote, Size: 3})
		want := ""
		if n == letterBurst {
			want = string(fault.TooFast)
		}
		if got := expect[signalling.Got](ada); got.Refused != want {
			t.Fatalf("%d: %+v", n, got)
		}
	}
	for ada.trySend(signalling.Letter{Kind: signalling.LetterNote, Size: 3}) == nil { // and is cut off at last
		m, err := ada.next()
		if got, ok := m.(signalling.Got); err != nil || !ok || got.Refused != string(fault.TooFast) {
			break
		}
	}
	ada.closed(signalling.CloseTooFast)
}

// TestErasedLinkLeavesNoDoorMessage: what nobody could find any more is not kept.
func TestErasedLinkLeavesNoDoorMessage(t *testing.T) {
	box, err := doormessages.Open(t.TempDir(), time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	f := start(t, setup{messages: box, timing: Timing{Letter: noWait}})
	gone, stays := f.link(), f.link()
	for _, l := range []hoststate.LinkView{gone, stays} {
		ada := f.knock(l, "Ada")
		ada.send(signalling.Letter{Kind: signalling.LetterNote, Size: 3})
		expect[signalling.Got](ada)
		ada.send(piece(3))
		if got := expect[signalling.Got](ada); !got.Saved {
			t.Fatalf("%+v", got)
		}
		ada.vanish()
	}
	f.must(f.host.Link(stays.ID).EraseHistory(f.ctx))
	f.must(f.host.Link(gone.ID).Remove(f.ctx))
	if n := len(box.List()); n != 2 {
		t.Fatalf("%d messages", n)
	}
	f.must(f.host.Link(gone.ID).EraseHistory(f.ctx))
	if left := box.List(); len(left) != 1 || left[0].Link != stays.ID {
		t.Fatalf("%+v", left)
	}
}
