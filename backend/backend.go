package backend

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/porch-call/porch/backend/awake"
	"github.com/porch-call/porch/backend/call"
	"github.com/porch-call/porch/backend/host"
	"github.com/porch-call/porch/backend/host/ways"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/kit/portmap"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/media/capture"
	"github.com/porch-call/porch/backend/notify"
	"github.com/porch-call/porch/backend/relay"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/store"
	"github.com/porch-call/porch/backend/windowsocket"
)

// Options are what differs between the app, porch-headless and tests.
type Options struct {
	// Dir is the folder for all data. "" means the folder of [store.Dir].
	Dir string
	// Listen is the address at which the relay listens; see relay.Options.
	Listen string
	// Synthetic uses a drawn picture and a tone instead of camera and
	// microphone.
	Synthetic bool
	// Pages are the files of the built guest page.
	Pages fs.FS
	// Origins reports whether a page of this origin is the host's window. nil
	// means that there is no window.
	Origins func(origin string) bool
	// Notifier shows the operating system's notifications. nil shows none.
	Notifier notify.Notifier
	// Attention brings the window to the front. It may be nil.
	Attention func()
	// Clipboard puts text on the clipboard with the window's toolkit. It is nil
	// if there is no window.
	Clipboard func(text string) error
	// Speech returns the words in the host's language. nil means English.
	Speech func() hoststate.Speech
	// RelayTLS is for public relays whose certificate no authority has signed.
	// nil means the system's authorities.
	RelayTLS *tls.Config
	Timing   host.Timing
	Logger   *slog.Logger // nil means slog.Default
}

// FromEnvironment fills in what the environment says: PORCH_LISTEN (see
// relay.Options) and PORCH_CAPTURE=synthetic. [store.Dir] reads PORCH_DATA_DIR.
func (o Options) FromEnvironment() Options {
	if o.Listen == "" {
		o.Listen = os.Getenv("PORCH_LISTEN")
	}
	o.Synthetic = o.Synthetic || os.Getenv("PORCH_CAPTURE") == "synthetic"
	return o
}

// Backend is the app without its window.
type Backend struct {
	host    *host.Host
	closers []func() error // in the order of opening
}

// Open opens the parts in order. If one fails, it closes those that were
// opened.
func Open(ctx context.Context, o Options) (*Backend, error) {
	b := &Backend{}
	if err := b.open(ctx, o); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func (b *Backend) open(ctx context.Context, o Options) (err error) {
	log := o.Logger
	if log == nil {
		log = slog.Default()
	}
	dir := o.Dir
	if dir == "" {
		if dir, err = store.Dir(); err != nil {
			return err
		}
	}

	kept, err := store.Open(dir)
	if err != nil {
		return err
	}
	b.onClose(kept.Close)
	book, err := links.Open(kept, time.Now)
	if err != nil {
		return fmt.Errorf("open the book of links: %w", err)
	}

	var owner atomic.Pointer[host.Host] // for the parts that report to the host, once there is one
	guests, err := relay.Open(ctx, relay.Options{
		Dir:    filepath.Join(dir, "relay"),
		Listen: o.Listen,
		Pages:  o.Pages,
		Notes: func(id sealed.LinkID) ([sealed.NoteSize]byte, bool) {
			return host.Note(book, id)
		},
		OnAddresses: func([]relay.Address) {
			if h := owner.Load(); h != nil {
				h.Ways().AddressesChanged()
			}
		},
		Logger: log,
	})
	if err != nil {
		return fmt.Errorf("open the relay: %w", err)
	}
	b.onClose(guests.Close)

	router := portmap.New(portmap.Options{
		OnChange: func() {
			if h := owner.Load(); h != nil {
				h.Ways().RouterChanged()
			}
		},
		Logger: log,
	})
	calls, err := call.NewEngine(call.Options{TLS: o.RelayTLS, Router: router, Logger: log})
	if err != nil {
		return fmt.Errorf("open the call engine: %w", err)
	}
	b.onClose(calls.Close)
	b.onClose(func() error { router.Close(); return nil }) // before the sockets that it leads to

	devices, err := capture.Open(capture.Options{Synthetic: o.Synthetic, Logger: log})
	if err != nil {
		return fmt.Errorf("open the native media engine: %w", err)
	}
	b.onClose(devices.Close)

	origins := o.Origins
	if origins == nil {
		origins = func(string) bool { return false }
	}
	windows, err := windowsocket.Listen(ctx, windowsocket.Options{
		Origins: origins,
		Handler: func(c *windowsocket.Conn) {
			if h := owner.Load(); h != nil {
				h.ServeWindow(c)
			}
		},
		Logger: log,
	})
	if err != nil {
		return fmt.Errorf("open the window's socket: %w", err)
	}
	b.onClose(windows.Close)

	computer := awake.Open(log)
	b.onClose(computer.Close)

	b.host, err = host.Open(ctx, host.Options{
		Book:      book,
		Settings:  kept,
		Relay:     guests,
		Router:    router,
		TLS:       o.RelayTLS,
		Remotes:   ways.PublicRelays{TLS: o.RelayTLS, Logger: log},
		Calls:     calls,
		Capture:   devices,
		Windows:   windows,
		Notifier:  o.Notifier,
		Attention: o.Attention,
		Clipboard: o.Clipboard,
		Awake:     computer,
		Synthetic: o.Synthetic,
		Speech:    o.Speech,
		Timing:    o.Timing,
		Logger:    log,
	})
	if err != nil {
		return err
	}
	b.onClose(func() error { b.host.Close(); return nil })
	owner.Store(b.host)
	return nil
}

// Host returns the owner of all that happens.
func (b *Backend) Host() *host.Host { return b.host }

func (b *Backend) onClose(f func() error) { b.closers = append(b.closers, f) }

// Close closes the parts in reverse order and waits for each. Guests are told
// that the app is closing. A second call has no effect.
func (b *Backend) Close() error {
	var err error
	for len(b.closers) > 0 {
		last := len(b.closers) - 1
		err = errors.Join(err, b.closers[last]())
		b.closers = b.closers[:last]
	}
	return err
}
