// Package switchboardtest is the conformance suite of [switchboard.Switchboard].
// It tests what sockets and hosts rely on, whichever way the two are connected.
package switchboardtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// PerLink is how many guests a switchboard under test connects to one link.
const PerLink = 8

// PerAddress is how many of the guests may come from one address.
const PerAddress = 3

// patience is the deadline of all that should happen at once.
const patience = 20 * time.Second

// Run tests switchboards that open makes. open returns two views of one
// switchboard: guests dial at the first, hosts attach at the second. They are the
// same for one in memory, and two nodes of one that is spread over machines. open
// ends by t.Cleanup what it started.
func Run(t *testing.T, open func(t *testing.T) (guests, hosts switchboard.Switchboard)) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, *board)
	}{
		{"frames pass both ways in order", passInOrder},
		{"nobody answers", nobodyAnswers},
		{"detach ends its channels and no others", detach},
		{"a second host takes over", takeOver},
		{"last words arrive", lastWords},
		{"the first close stands", firstClose},
		{"a guest that does not read", slowGuest},
		{"a host that does not read", slowHost},
		{"frames above the limit", tooLarge},
		{"the limit can be raised", raiseLimit},
		{"a limit is told without a frame", raiseLimitSilently},
		{"both ends close at once", closeTogether},
		{"too many guests", tooManyGuests},
		{"too many guests of one address", tooManyOfOneAddress},
		{"a slow accept keeps only its own guest", slowAccept},
		{"a host that ends a channel at once", endAtOnce},
		{"contexts end waiting", contexts},
		{"remote is passed on", remote},
		{"many at once", many},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &board{t: t}
			b.guests, b.hosts = open(t)
			c.run(t, b)
		})
	}
}

// board is one switchboard under test.
type board struct {
	t             *testing.T
	guests, hosts switchboard.Switchboard
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// link is an attached host.
type link struct {
	*board
	id       sealed.LinkID
	public   []byte
	accepted chan switchboard.Frames
	switchboard.Attachment
}

func (b *board) attach() *link {
	b.t.Helper()
	keys, err := sealed.NewLinkKeys()
	if err != nil {
		b.t.Fatal(err)
	}
	return b.attachAs(keys)
}

func (b *board) attachAs(keys sealed.LinkKeys) *link {
	b.t.Helper()
	l := &link{board: b, id: keys.ID(), public: keys.Public(), accepted: make(chan switchboard.Frames, 1000)}
	a, err := b.hosts.Attach(deadline(b.t), l.id, l.public, func(f switchboard.Frames) { l.accepted <- f })
	if err != nil {
		b.t.Fatal(err)
	}
	l.Attachment = a
	b.t.Cleanup(a.Detach)
	return l
}

// dial returns both ends of a new channel.
func (l *link) dial() (guest, host switchboard.Frames) {
	l.t.Helper()
	public, guest, err := l.guests.Dial(deadline(l.t), l.id, switchboard.RemoteInfo{})
	if err != nil {
		l.t.Fatal(err)
	}
	if !bytes.Equal(public, l.public) {
		l.t.Fatal("another public key")
	}
	l.t.Cleanup(func() { guest.Close(signalling.CloseDone) })
	select {
	case host = <-l.accepted:
		return guest, host
	case <-deadline(l.t).Done():
		l.t.Fatal("the host was not told")
		return nil, nil
	}
}

func send(t *testing.T, f switchboard.Frames, frame string) {
	t.Helper()
	if err := f.Send([]byte(frame)); err != nil {
		t.Fatalf("Send: %v", err)
	}
}

func expect(t *testing.T, f switchboard.Frames, frame string) {
	t.Helper()
	b, err := f.Recv(deadline(t))
	if err != nil || string(b) != frame {
		t.Fatalf("Recv = %q, %v; want %q", b, err, frame)
	}
}

// expectEnd reads up to the end and checks its code at both Recv and Send.
func expectEnd(t *testing.T, f switchboard.Frames, code signalling.CloseCode) {
	t.Helper()
	for {
		_, err := f.Recv(deadline(t))
		if err == nil {
			continue
		}
		var closed switchboard.Closed
		if !errors.As(err, &closed) || closed.Code != code {
			t.Errorf("Recv = %v, want the end with %d", err, code)
		}
		break
	}
	select {
	case <-f.Done():
	case <-deadline(t).Done():
		t.Error("Done is open")
	}
	var closed switchboard.Closed
	if err := f.Send([]byte("x")); !errors.As(err, &closed) || closed.Code != code {
		t.Errorf("Send = %v, want the end with %d", err, code)
	}
}

func passInOrder(t *testing.T, b *board) {
	guest, host := b.attach().dial()
	const n = 100
	for i := range n {
		send(t, guest, fmt.Sprint("from guest ", i))
		send(t, host, fmt.Sprint("from host ", i))
	}
	for i := range n {
		expect(t, host, fmt.Sprint("from guest ", i))
		expect(t, guest, fmt.Sprint("from host ", i))
	}
	send(t, guest, "")
	expect(t, host, "")
}

func nobodyAnswers(t *testing.T, b *board) {
	b.attach() // another link
	keys, err := sealed.NewLinkKeys()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.guests.Dial(deadline(t), keys.ID(), switchboard.RemoteInfo{}); fault.CodeOf(err) != fault.LinkUnavailable {
		t.Errorf("Dial = %v", err)
	}
}

func detach(t *testing.T, b *board) {
	gone, stays := b.attach(), b.attach()
	guest, host := gone.dial()
	other, otherHost := stays.dial()
	gone.Detach()
	gone.Detach()
	expectEnd(t, guest, signalling.CloseHostGone)
	expectEnd(t, host, signalling.CloseHostGone)
	select {
	case <-gone.Lost():
	default:
		t.Error("Lost is open")
	}
	if _, _, err := b.guests.Dial(deadline(t), gone.id, switchboard.RemoteInfo{}); fault.CodeOf(err) != fault.LinkUnavailable {
		t.Errorf("Dial = %v", err)
	}
	send(t, other, "still here")
	expect(t, otherHost, "still here")
}

func takeOver(t *testing.T, b *board) {
	keys, err := sealed.NewLinkKeys()
	if err != nil {
		t.Fatal(err)
	}
	before := b.attachAs(keys)
	guest, _ := before.dial()
	after := b.attachAs(keys)
	expectEnd(t, guest, signalling.CloseHostGone)
	select {
	case <-before.Lost():
	case <-deadline(t).Done():
		t.Error("the first host is not told")
	}
	before.Detach() // must not end the second
	guest, host := after.dial()
	send(t, guest, "hello")
	expect(t, host, "hello")
	select {
	case <-after.Lost():
		t.Error("the second host is lost")
	default:
	}
}

func lastWords(t *testing.T, b *board) {
	l := b.attach()
	guest, host := l.dial()
	send(t, host, "one")
	send(t, host, "two")
	host.Close(signalling.CloseDone)
	expect(t, guest, "one")
	expect(t, guest, "two")
	expectEnd(t, guest, signalling.CloseDone)
	if _, err := guest.Recv(deadline(t)); !errors.Is(err, io.EOF) {
		t.Errorf("Recv = %v, want EOF", err)
	}

	for _, code := range []signalling.CloseCode{signalling.CloseDone, signalling.CloseGone} {
		guest, host = l.dial()
		send(t, guest, "leave")
		guest.Close(code)
		expect(t, host, "leave")
		expectEnd(t, host, code)
		if _, err := host.Recv(deadline(t)); !errors.Is(err, io.EOF) {
			t.Errorf("Recv = %v, want EOF", err)
		}
	}

	guest, host = l.dial()
	send(t, host, "closing")
	l.Detach()
	expect(t, guest, "closing")
	expectEnd(t, guest, signalling.CloseHostGone)
}

func firstClose(t *testing.T, b *board) {
	guest, host := b.attach().dial()
	host.Close(signalling.CloseRefused)
	host.Close(signalling.CloseDone)
	expectEnd(t, guest, signalling.CloseRefused)
	guest.Close(signalling.CloseDone)
	expectEnd(t, guest, signalling.CloseRefused)
	expectEnd(t, host, signalling.CloseRefused)
}

// closeTogether checks that each end keeps its own code or has the other's, and
// that both have ended.
func closeTogether(t *testing.T, b *board) {
	l := b.attach()
	for range 20 {
		guest, host := l.dial()
		var ends sync.WaitGroup
		ends.Go(func() { guest.Close(signalling.CloseDone) })
		ends.Go(func() { host.Close(signalling.CloseRefused) })
		ends.Wait()
		for _, f := range []switchboard.Frames{guest, host} {
			var closed switchboard.Closed
			if _, err := f.Recv(deadline(t)); !errors.As(err, &closed) ||
				closed.Code != signalling.CloseDone && closed.Code != signalling.CloseRefused {
				t.Errorf("Recv = %v", err)
			}
		}
	}
}

func slowAccept(t *testing.T, b *board) {
	keys, err := sealed.NewLinkKeys()
	if err != nil {
		t.Fatal(err)
	}
	hold, first := make(chan struct{}), make(chan struct{})
	var once sync.Once
	a, err := b.hosts.Attach(deadline(t), keys.ID(), keys.Public(), func(switchboard.Frames) {
		mine := false
		once.Do(func() { mine = true })
		if mine {
			close(first)
			<-hold
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, f, err := b.guests.Dial(deadline(t), keys.ID(), switchboard.RemoteInfo{}); err == nil {
			f.Close(signalling.CloseDone)
		}
	})
	<-first
	_, f, err := b.guests.Dial(deadline(t), keys.ID(), switchboard.RemoteInfo{})
	if err != nil {
		t.Errorf("Dial = %v", err)
	} else {
		f.Close(signalling.CloseDone)
	}
	a.Detach() // does not wait for accept
	close(hold)
	wg.Wait()
}

// endAtOnce has a host that sends one frame to each guest and closes. Each guest
// gets the frame and the end, and no failure.
func endAtOnce(t *testing.T, b *board) {
	keys, err := sealed.NewLinkKeys()
	if err != nil {
		t.Fatal(err)
	}
	a, err := b.hosts.Attach(deadline(t), keys.ID(), keys.Public(), func(f switchboard.Frames) {
		_ = f.Send([]byte("not now")) // the guest may have gone
		f.Close(signalling.CloseRefused)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Detach()
	for range 200 {
		_, guest, err := b.guests.Dial(deadline(t), keys.ID(), switchboard.RemoteInfo{})
		if err != nil {
			t.Fatal(err)
		}
		expect(t, guest, "not now")
		expectEnd(t, guest, signalling.CloseRefused)
	}
}

func contexts(t *testing.T, b *board) {
	l := b.attach()
	guest, host := l.dial()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := guest.Recv(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Recv = %v", err)
	}
	if _, _, err := b.guests.Dial(ended, l.id, switchboard.RemoteInfo{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Dial = %v", err)
	}
	if _, err := b.hosts.Attach(ended, l.id, l.public, func(switchboard.Frames) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("Attach = %v", err)
	}
	send(t, host, "the channel lives")
	expect(t, guest, "the channel lives")
}

func remote(t *testing.T, b *board) {
	l := b.attach()
	want := switchboard.RemoteInfo{Loopback: true, Key: "some-address"}
	_, guest, err := b.guests.Dial(deadline(t), l.id, want)
	if err != nil {
		t.Fatal(err)
	}
	defer guest.Close(signalling.CloseDone)
	if got := (<-l.accepted).Remote(); got != want {
		t.Errorf("Remote = %+v", got)
	}
}

// many has hosts that come and go while guests talk. Every channel passes its
// frames or ends.
func many(t *testing.T, b *board) {
	echo := func(f switchboard.Frames) {
		for {
			frame, err := f.Recv(context.Background())
			if err != nil {
				return
			}
			if f.Send(frame) != nil {
				return
			}
		}
	}
	var hosts, guests sync.WaitGroup
	for range 4 {
		keys, err := sealed.NewLinkKeys()
		if err != nil {
			t.Fatal(err)
		}
		attach := func() switchboard.Attachment {
			a, err := b.hosts.Attach(deadline(t), keys.ID(), keys.Public(), func(f switchboard.Frames) {
				hosts.Go(func() { echo(f) })
			})
			if err != nil {
				t.Error(err)
				return nil
			}
			return a
		}
		a := attach()
		for g := range PerLink / 2 {
			guests.Go(func() {
				for i := range 20 {
					_, f, err := b.guests.Dial(deadline(t), keys.ID(), switchboard.RemoteInfo{})
					if err != nil {
						if code := fault.CodeOf(err); code != fault.LinkUnavailable && code != fault.TooFast {
							t.Errorf("Dial = %v", err)
						}
						continue
					}
					word := fmt.Sprint(g, " ", i)
					if f.Send([]byte(word)) == nil {
						if frame, err := f.Recv(deadline(t)); err == nil && string(frame) != word {
							t.Errorf("%q came back as %q", word, frame)
						} else if errors.Is(err, context.DeadlineExceeded) {
							t.Error("neither an answer nor an end")
						}
					}
					f.Close(signalling.CloseDone)
				}
			})
		}
		guests.Go(func() {
			for range 10 {
				next := attach()
				a.Detach()
				a = next
			}
			a.Detach()
		})
	}
	guests.Wait()
	hosts.Wait()
}
