package switchboard_test

import (
	"context"
	"fmt"

	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// A host attaches its link, a guest dials it, and frames pass both ways. The
// switchboard checks no proof: the code that attaches a host has made it answer a
// challenge before.
func ExampleMemory() {
	board := switchboard.NewMemory(96, switchboard.Share(96)) // guests at one link, and of them from one address

	keys, err := sealed.NewLinkKeys()
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	at, err := board.Attach(ctx, keys.ID(), keys.Public(), func(host switchboard.Frames) {
		go func() { // accept must return at once
			frame, err := host.Recv(ctx)
			if err != nil {
				return
			}
			_ = host.Send(append([]byte("heard "), frame...)) // a guest that has gone ends the next Recv
		}()
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	public, guest, err := board.Dial(ctx, keys.ID(), switchboard.RemoteInfo{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("the key of the link:", sealed.IDOf(public) == keys.ID())
	if err := guest.Send([]byte("a frame")); err != nil {
		fmt.Println(err)
	}
	frame, err := guest.Recv(ctx)
	fmt.Printf("%s %v\n", frame, err)
	guest.Close(signalling.CloseDone)

	at.Detach()
	_, _, err = board.Dial(ctx, keys.ID(), switchboard.RemoteInfo{})
	fmt.Println(err)
	// Output:
	// the key of the link: true
	// heard a frame <nil>
	// link-unavailable
}
