package relay

import (
	"bytes"
	"context"
	"errors"
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/signalling"
)

// TestQueuesOfOneHost: a host that has its guests send large frames, and reads
// none of them, holds a part of what may wait, and another host's guests go on.
func TestQueuesOfOneHost(t *testing.T) {
	queued := NewBudget(64 << 20)
	s := openToHosts(t, func(o *Options) { o.Queued = queued })
	h := openHost(t, s)
	h.registered(hostKey(t))
	keys := newLinkKeys(t)
	h.announces(keys)
	var guests []*websocket.Conn
	for range 40 {
		ws, channel := mustOpen(t, s, h, keys.ID())
		h.say(signalling.Limit{Channel: channel, Bytes: signalling.MaxFrame})
		guests = append(guests, ws)
	}
	// From here on nothing is read from the host's line.
	frame := make([]byte, 250<<10)
	ended := make(chan error, len(guests))
	for _, ws := range guests {
		go func() {
			for {
				if err := ws.Write(context.Background(), websocket.MessageBinary, frame); err != nil {
					_, _, err = ws.Read(context.Background())
					ended <- err
					return
				}
				time.Sleep(20 * time.Millisecond) // within the bytes that a guest may send
			}
		}()
	}
	most := lineQueued(queued.most)
	slow := 0
	for slow < len(guests)/2 {
		if held := queued.held.Load(); held > most {
			t.Fatalf("%d bytes wait for one host, of %d", held, most)
		}
		select {
		case err := <-ended:
			var closed websocket.CloseError
			if errors.As(err, &closed) && closed.Code == websocket.StatusCode(signalling.CloseTooSlow) {
				slow++
			}
		case <-time.After(5 * time.Millisecond):
		case <-contextFor(t).Done():
			t.Fatalf("%d guests were ended", slow)
		}
	}

	other := openHost(t, s)
	other.registered(hostKey(t))
	its := newLinkKeys(t)
	other.announces(its)
	ws, _ := mustOpen(t, s, other, its.ID())
	write(t, ws, websocket.MessageBinary, []byte("hello"))
	if m, b := other.next(); m != nil || !bytes.HasSuffix(b, []byte("hello")) {
		t.Errorf("%v, %q", m, b)
	}
	for _, ws := range guests {
		_ = ws.CloseNow()
	}
	_ = h.ws.CloseNow()
	eventually(t, func() bool {
		runtime.GC() // what a closed channel has not been read gives back only then
		return queued.held.Load() <= int64(len("hello")+overhead)
	})
}

// TestBudgetHoldsWhatIsBeingRead: a frame counts until its reader asks for the
// next one, and what is given back leaves nothing.
func TestBudgetHoldsWhatIsBeingRead(t *testing.T) {
	all := NewBudget(1000)
	part := all.part(600)
	host, guest := Pipe(RemoteInfo{}, nil)
	if err := guest.Send(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	charge(host, part)
	holds := func(what string, want int64) {
		t.Helper()
		if part.held.Load() != want || all.held.Load() != want {
			t.Errorf("%s: %d and %d are held, want %d", what, part.held.Load(), all.held.Load(), want)
		}
	}
	const one = 100 + overhead
	holds("waiting before it was counted", one)
	if err := guest.Send(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	holds("two are waiting", 2*one)
	if _, err := host.Recv(t.Context()); err != nil {
		t.Fatal(err)
	}
	holds("one is being read", 2*one)
	if _, err := host.Recv(t.Context()); err != nil {
		t.Fatal(err)
	}
	holds("the other is being read", one)
	host.Close(signalling.CloseDone)
	holds("the reader has closed", 0)
	host, guest = Pipe(RemoteInfo{}, part)
	if err := guest.Send(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	guest.Close(signalling.CloseDone)
	holds("closed, and not read yet", one)
	runtime.KeepAlive(host)
	eventually(t, func() bool {
		runtime.GC()
		return part.held.Load() == 0 && all.held.Load() == 0
	})
	if part.take(601) || all.held.Load() != 0 {
		t.Error("a part has more than its own")
	}
	if !all.take(500) || part.take(501) || part.held.Load() != 0 {
		t.Error("a part has more than there is")
	}
}

func TestDefaultQueued(t *testing.T) {
	before := debug.SetMemoryLimit(math.MaxInt64)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	if n := DefaultQueued(); n != 128<<20 {
		t.Errorf("%d without a limit", n)
	}
	debug.SetMemoryLimit(400 << 20)
	if n := DefaultQueued(); n != 100<<20 {
		t.Errorf("%d of 400 MiB", n)
	}
}
