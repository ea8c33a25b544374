package host

import (
	"testing"

	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/signalling"
)

// TestWithheldHello: a relay that keeps back a guest's way into their seat, and
// delivers it when the guest has long come back by another, moves nobody.
func TestWithheldHello(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	v := f.enter(l, "Ada")
	f.untilLink(l.ID, "Ada in", func(l hoststate.LinkView) bool { return l.InCall == 1 })
	v.vanish()
	held := f.dial(l) // the first try: the relay takes it, and passes nothing on
	held.frames.Close(signalling.CloseDone)
	hello := f.hello(l, v)
	hello.Seat = v.seat.Seat
	opening, frame := held.opening, held.raw(encode(t, hello))
	back := f.greet(l, v.back) // the second gets through
	back.seated()
	back.send(signalling.Say{Text: "I am back"})
	expect[signalling.Chat](back)

	late := f.dial(l)
	f.must(late.frames.Send(opening))
	f.must(late.frames.Send(frame))
	late.channel = held.channel
	expect[signalling.Welcome](late)
	late.ended(signalling.EndSeatGone)
	back.send(signalling.Say{Text: "I am still here"})
	expect[signalling.Chat](back)
}

// TestWithheldSeated: a relay that also keeps back that the guest has the new
// token only makes the guest come once more.
func TestWithheldSeated(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	v := f.enter(l, "Ada")
	f.untilLink(l.ID, "Ada in", func(l hoststate.LinkView) bool { return l.InCall == 1 })
	v.vanish()
	held := f.dial(l)
	held.frames.Close(signalling.CloseDone)
	hello := f.hello(l, v)
	hello.Seat = v.seat.Seat
	opening, frame := held.opening, held.raw(encode(t, hello))
	back := f.greet(l, v.back)
	back.seat = expect[signalling.Admitted](back) // and nothing of hers arrives

	late := f.dial(l)
	f.must(late.frames.Send(opening))
	f.must(late.frames.Send(frame))
	late.channel = held.channel
	expect[signalling.Admitted](late)
	for {
		if m, err := back.next(); err != nil {
			break
		} else if m.Type() == "ended" {
			t.Fatal("told that it is over, not to try again")
		}
	}
	again := f.greet(l, back.back)
	again.seated()
	late.closed(signalling.CloseHostGone)
}
