package relay

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

func TestTooManyGuestsOfOneLink(t *testing.T) {
	few := defaultLimits
	few.perLink = 2
	s := openRelay(t, func(o *Options) { o.limits = &few })
	keys, guests, _ := host(t, s)
	first, _ := connectOver(t, mustDialApart(t, s), keys, guests)
	connectOver(t, mustDialApart(t, s), keys, guests)
	third := mustDialApart(t, s)
	ask(t, third, keys.ID())
	if code, reason := closedWith(t, third); code != signalling.CloseTooFast || reason != string(fault.TooFast) {
		t.Errorf("closed with %d %q", code, reason)
	}
	other, otherGuests, _ := host(t, s)
	connect(t, s, other, otherGuests)
	_ = first.Close(websocket.StatusNormalClosure, "")
	// The place is free once the relay has seen the guest leave.
	for ctx := contextFor(t); ; {
		ws := mustDial(t, s)
		ask(t, ws, keys.ID())
		_, b, err := ws.Read(ctx)
		if err == nil && strings.Contains(string(b), "opened") {
			break
		}
		if ctx.Err() != nil {
			t.Fatal("the place is never free")
		}
	}
}

func TestTooManySocketsOfOneAddress(t *testing.T) {
	few := defaultLimits
	few.socketsPerAddress = 2
	s := openRelay(t, func(o *Options) { o.limits = &few })
	mustDial(t, s)
	mustDial(t, s)
	if _, got, _ := dial(t, s, nil); got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" {
		t.Errorf("got %+v", got)
	}
}

func TestFloodOfRequests(t *testing.T) {
	few := defaultLimits
	few.requests, few.requestBurst = 0.001, 20
	few.opens, few.openBurst = 0.001, 3
	s := openRelay(t, func(o *Options) { o.limits = &few })
	for range 3 {
		mustDial(t, s)
	}
	if _, got, _ := dial(t, s, nil); got.status != http.StatusTooManyRequests {
		t.Errorf("fourth socket: %d", got.status)
	}
	c := client(t, s)
	for range 16 {
		if got := get(t, c, "http://"+s.hostPort()+"/", nil); got.status != http.StatusOK {
			t.Fatal(got.status)
		}
	}
	if got := get(t, c, "http://"+s.hostPort()+"/", nil); got.status != http.StatusTooManyRequests {
		t.Error(got.status)
	}
}

func TestFloodOfConnections(t *testing.T) {
	few := defaultLimits
	few.connectionsPerAddress = 3
	s := openRelay(t, func(o *Options) { o.limits = &few })
	for range 3 {
		c, err := net.Dial("tcp", s.hostPort())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		// Half a request from each, so that the relay has all of them before the
		// next half.
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	c, err := net.Dial("tcp", s.hostPort())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the fourth connection stays")
	}
}

func TestManyUnknownIDs(t *testing.T) {
	s := openRelay(t, nil)
	keys, guests, _ := host(t, s)
	good, goodEnd := connect(t, s, keys, guests)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			ws, _, err := dial(t, s, nil)
			if err != nil {
				return // refused for being too many, as expected
			}
			other, err := sealed.NewLinkKeys()
			if err != nil {
				t.Error(err)
				return
			}
			ask(t, ws, other.ID())
			if _, ok := answer(t, ws).(signalling.Unavailable); !ok {
				t.Error("an unknown link answers")
			}
		})
	}
	wg.Wait()
	write(t, good, websocket.MessageBinary, []byte("fine"))
	if b := recv(t, goodEnd); string(b) != "fine" {
		t.Errorf("%q", b)
	}
}

func TestPingsInAFloodAreNotAnswered(t *testing.T) {
	s := openRelay(t, nil)
	keys, guests, _ := host(t, s)
	w := rawSocket(t, s)
	w.open(t, keys.ID())
	f := <-guests
	const pings = 500
	for range pings {
		if _, err := w.c.Write([]byte{0x89, 0x80, 0, 0, 0, 0}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.c.Write([]byte{0x82, 0x81, 0, 0, 0, 0, 'x'}); err != nil {
		t.Fatal(err)
	}
	if b := recv(t, f); string(b) != "x" {
		t.Fatalf("%q", b)
	}
	f.Close(signalling.CloseDone)
	pongs := 0
	for {
		head := make([]byte, 2)
		if _, err := io.ReadFull(w.r, head); err != nil || head[0] != 0x8a {
			break
		}
		pongs++
	}
	if pongs == 0 || pongs > pings/2 {
		t.Errorf("%d pongs", pongs)
	}
}
