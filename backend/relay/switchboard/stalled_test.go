package switchboard

import (
	"errors"
	"fmt"
	"testing"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

// TestStalledGuestsGiveWay: when a link is full, the guest to whom the host has said nothing for longest gives way to a
// newer one. Those who were welcomed stay.
func TestStalledGuestsGiveWay(t *testing.T) {
	m := NewMemory(3, 3)
	m.stall = 0
	var hosts []Frames
	a, err := m.Attach(t.Context(), "link", []byte("key"), func(f Frames) { hosts = append(hosts, f) })
	if err != nil {
		t.Fatal(err)
	}
	defer a.Detach()
	dial := func() (Frames, error) {
		_, f, err := m.Dial(t.Context(), "link", RemoteInfo{Key: fmt.Sprint(len(hosts))})
		return f, err
	}
	var guests []Frames
	for range 3 {
		f, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		guests = append(guests, f)
	}
	welcome := func(i int) {
		if err := hosts[i].Send(make([]byte, 64)); err != nil {
			t.Fatal(err)
		}
	}
	welcome(0)
	if _, err := dial(); err != nil {
		t.Fatal(err)
	}
	if _, err := guests[1].Recv(t.Context()); !errors.Is(err, Closed{Code: signalling.CloseTooSlow}) {
		t.Fatalf("the guest who said nothing for longest: %v", err)
	}
	welcome(2)
	welcome(3)
	if _, err := dial(); fault.CodeOf(err) != fault.TooFast {
		t.Fatalf("all were welcomed: %v", err)
	}
}
