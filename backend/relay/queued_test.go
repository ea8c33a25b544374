package relay

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/signalling"
)

// TestQueuesOfOneHost has a host that makes its guests send large frames, and
// reads none of them. It holds only a part of what may wait, and another host's
// guests go on.
func TestQueuesOfOneHost(t *testing.T) {
	queued := switchboard.NewBudget(64 << 20)
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
	// From here on nothing is read from the host's connection.
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
				time.Sleep(20 * time.Millisecond) // stays within the bytes that a guest may send
			}
		}()
	}
	most := queued.Most() / 16
	slow := 0
	for slow < len(guests)/2 {
		if held := queued.Held(); held > most {
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
		runtime.GC() // what a closed channel left unread is given back only by a collection
		return queued.Held() <= int64(len("hello")+switchboard.Overhead)
	})
}
