package guest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/porch-call/porch/backend"
	"github.com/porch-call/porch/backend/guest"
	"github.com/porch-call/porch/backend/signalling"
)

// A guest knocks, is let in, says something and leaves. It sends no media, because Options.Tracks is empty.
// Options.OnTrack would receive the media of the others.
func ExampleJoin() {
	link, stop, err := openDoor()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()

	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second) // how long to wait to be let in
	defer cancel()
	heard := make(chan string, 1)
	g, err := guest.Join(ctx, link, guest.Options{
		Name:      "Robot",
		OnWelcome: func(m signalling.Welcome) { fmt.Println("at the door of", m.HostName) },
		OnMessage: func(m signalling.Message) {
			if chat, ok := m.(signalling.Chat); ok {
				heard <- chat.Line.Name + ": " + chat.Line.Text
			}
		},
	})
	if err != nil {
		fmt.Println(err) // a fault: declined, spent, unreachable, …
		return
	}
	if err := g.Say("Hello"); err != nil {
		fmt.Println(err)
	}
	fmt.Println(<-heard)
	if err := g.Leave(); err != nil {
		fmt.Println(err)
	}
	fmt.Println("left")
	// Output:
	// at the door of Ada
	// Robot: Hello
	// left
}

// openDoor starts a host that lets all guests in, and returns one of its links.
func openDoor() (link string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "porch-example")
	if err != nil {
		return "", nil, err
	}
	app, err := backend.Open(context.Background(), backend.Options{
		Dir: dir, Listen: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	h := app.Host()
	w := h.Watch()
	var keeper sync.WaitGroup
	keeper.Go(func() {
		for {
			for _, r := range h.Snapshot().Requests {
				_ = h.Admit(context.Background(), r.ID) // it may be decided already
			}
			if _, err := w.Next(context.Background()); err != nil {
				return
			}
		}
	})
	stop = func() {
		w.Close()
		keeper.Wait()
		if err := errors.Join(app.Close(), os.RemoveAll(dir)); err != nil {
			fmt.Println(err)
		}
	}
	if err := h.SetName(context.Background(), "Ada"); err != nil {
		stop()
		return "", nil, err
	}
	l, err := h.CreateLink(context.Background())
	if err != nil {
		stop()
		return "", nil, err
	}
	for _, a := range l.Addresses {
		if a.Reach == "computer" {
			return a.URL, stop, nil
		}
	}
	stop()
	return "", nil, errors.New("no address on this computer")
}
