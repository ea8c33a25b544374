package switchboardtest

import (
	"bytes"
	"errors"
	"testing"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/signalling"
)

// fill sends until the channel ends and reports how.
func fill(t *testing.T, f switchboard.Frames, frame []byte) signalling.CloseCode {
	t.Helper()
	for ctx := deadline(t); ctx.Err() == nil; {
		var closed switchboard.Closed
		if err := f.Send(bytes.Clone(frame)); errors.As(err, &closed) {
			return closed.Code
		} else if err != nil {
			t.Fatalf("Send = %v", err)
		}
	}
	t.Fatal("the queue never fills")
	return 0
}

func slowGuest(t *testing.T, b *board) {
	l := b.attach()
	guest, host := l.dial()
	other, otherHost := l.dial()
	if code := fill(t, host, make([]byte, 100<<10)); code != signalling.CloseTooSlow {
		t.Errorf("closed with %d", code)
	}
	expectEnd(t, guest, signalling.CloseTooSlow)
	send(t, otherHost, "still here")
	expect(t, other, "still here")
}

func slowHost(t *testing.T, b *board) {
	l := b.attach()
	guest, host := l.dial()
	other, otherHost := l.dial()
	for _, size := range []int{guest.Limit(), 1} {
		if code := fill(t, guest, make([]byte, size)); code != signalling.CloseTooSlow {
			t.Errorf("closed with %d", code)
		}
		expectEnd(t, host, signalling.CloseTooSlow)
		guest, host = l.dial()
	}
	send(t, other, "still here")
	expect(t, otherHost, "still here")
}

func tooLarge(t *testing.T, b *board) {
	l := b.attach()
	guest, host := l.dial()
	if err := guest.Send(make([]byte, guest.Limit())); err != nil {
		t.Fatal(err)
	}
	if b, err := host.Recv(deadline(t)); err != nil || len(b) != guest.Limit() {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	var closed switchboard.Closed
	if err := guest.Send(make([]byte, guest.Limit()+1)); !errors.As(err, &closed) || closed.Code != signalling.CloseTooLarge {
		t.Errorf("Send = %v", err)
	}
	expectEnd(t, host, signalling.CloseTooLarge)
}

func raiseLimit(t *testing.T, b *board) {
	guest, host := b.attach().dial()
	before := guest.Limit()
	if before < signalling.MaxFrameBefore || before >= signalling.MaxFrame {
		t.Errorf("the limit starts at %d", before)
	}
	host.SetLimit(signalling.MaxFrame)
	// What the host sends after raising it reaches the guest after the limit.
	send(t, host, "admitted")
	expect(t, guest, "admitted")
	if guest.Limit() < signalling.MaxFrame {
		t.Errorf("the limit is %d", guest.Limit())
	}
	frame := bytes.Repeat([]byte("x"), signalling.MaxFrame)
	if err := guest.Send(bytes.Clone(frame)); err != nil {
		t.Fatal(err)
	}
	if b, err := host.Recv(deadline(t)); err != nil || !bytes.Equal(b, frame) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

func raiseLimitSilently(t *testing.T, b *board) {
	guest, host := b.attach().dial()
	host.SetLimit(signalling.MaxFrame)
	for ctx := deadline(t); guest.Limit() < signalling.MaxFrame; {
		if ctx.Err() != nil {
			t.Fatal("the guest's limit stays")
		}
	}
	send(t, guest, "still here")
	expect(t, host, "still here")
}

func tooManyGuests(t *testing.T, b *board) {
	l := b.attach()
	guest, host := l.dial()
	for range PerLink - 1 {
		l.dial()
	}
	if _, _, err := b.guests.Dial(deadline(t), l.id, switchboard.RemoteInfo{}); fault.CodeOf(err) != fault.TooFast {
		t.Errorf("Dial = %v", err)
	}
	b.attach().dial() // another link has room
	guest.Close(signalling.CloseDone)
	expectEnd(t, host, signalling.CloseDone)
	for ctx := deadline(t); ; {
		_, again, err := b.guests.Dial(ctx, l.id, switchboard.RemoteInfo{})
		if err == nil {
			again.Close(signalling.CloseDone)
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("the place is never free: %v", err)
		}
	}
}

func tooManyOfOneAddress(t *testing.T, b *board) {
	l := b.attach()
	dial := func(key string) (switchboard.Frames, error) {
		_, guest, err := b.guests.Dial(deadline(t), l.id, switchboard.RemoteInfo{Key: key})
		if err == nil {
			t.Cleanup(func() { guest.Close(signalling.CloseDone) })
			<-l.accepted
		}
		return guest, err
	}
	var last switchboard.Frames
	for range PerAddress {
		guest, err := dial("greedy")
		if err != nil {
			t.Fatal(err)
		}
		last = guest
	}
	if _, err := dial("greedy"); fault.CodeOf(err) != fault.TooFast {
		t.Errorf("Dial = %v", err)
	}
	if _, err := dial("another"); err != nil {
		t.Errorf("another address: %v", err)
	}
	last.Close(signalling.CloseDone)
	for ctx := deadline(t); ; {
		if _, err := dial("greedy"); err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatal("the place is never free")
		}
	}
}
