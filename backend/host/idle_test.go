package host

import (
	"fmt"
	"testing"

	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/signalling"
)

// TestIdleGuestsGiveWay: guests who come and never knock do not fill a link. The page of the first one comes again by
// itself; who waits or is in stays.
func TestIdleGuestsGiveWay(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	in := f.enter(l, "Ada")
	waits := f.knock(l, "Boris")
	var idle []*visitor
	for i := range maxIdle + 2 {
		f.remote = switchboard.RemoteInfo{Key: fmt.Sprint("home", i)}
		idle = append(idle, f.greet(l, nil))
	}
	for _, v := range idle[:2] {
		v.closed(signalling.CloseHostGone)
	}
	idle[2].send(signalling.Knock{Name: "Carla"})
	expect[signalling.Waiting](idle[2])
	f.admit("Boris")
	waits.seated()
	in.send(signalling.Leave{})
	in.closed(signalling.CloseDone)
}
