package backend

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/porch-call/porch/backend/acquaintances"
	"github.com/porch-call/porch/backend/awake"
	"github.com/porch-call/porch/backend/call"
	"github.com/porch-call/porch/backend/door"
	"github.com/porch-call/porch/backend/doormessages"
	"github.com/porch-call/porch/backend/host"
	"github.com/porch-call/porch/backend/host/ways"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/kit/portmap"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/media/capture"
	"github.com/porch-call/porch/backend/media/path"
	"github.com/porch-call/porch/backend/notify"
	"github.com/porch-call/porch/backend/recording"
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
	// Page is the address of the static page to which direct links lead; see
	// ways.ParsePage. "" means [DefaultPage].
	Page string
	// Outer are addresses, with ports, that lead to this computer's media port from
	// outside, for whoever has told the router by hand. Comma-separated.
	Outer string
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
	// Downloads is the folder in which the host saves files that participants send. "" means the system's.
	Downloads string
	// Speech returns the words in the host's language. nil means English.
	Speech func() hoststate.Speech
	// RelayTLS is for public relays whose certificate no authority has signed.
	// nil means the system's authorities.
	RelayTLS *tls.Config
	Timing   host.Timing
	Logger   *slog.Logger // nil means slog.Default
}

// DefaultPage is the address of the project's own static page, set by the release's
// build: -ldflags "-X github.com/porch-call/porch/backend.DefaultPage=https://…". ""
// means that there is none, and that direct links are not offered.
var DefaultPage string

// FromEnvironment fills in what the environment says: PORCH_LISTEN (see
// relay.Options), PORCH_PAGE, PORCH_OUTER and PORCH_CAPTURE=synthetic. [store.Dir] reads PORCH_DATA_DIR, and with
// it saved files go to its folder "downloads".
func (o Options) FromEnvironment() Options {
	if o.Listen == "" {
		o.Listen = os.Getenv("PORCH_LISTEN")
	}
	if o.Page == "" {
		o.Page = os.Getenv("PORCH_PAGE")
	}
	if o.Outer == "" {
		o.Outer = os.Getenv("PORCH_OUTER")
	}
	if dir := os.Getenv("PORCH_DATA_DIR"); o.Downloads == "" && dir != "" {
		o.Downloads = filepath.Join(dir, "downloads")
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

	known, err := acquaintances.Open(kept, time.Now)
	if err != nil {
		return fmt.Errorf("open the book of acquaintances: %w", err)
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
	port, err := mediaPort(kept)
	if err != nil {
		return err
	}
	calls, err := call.NewEngine(call.Options{
		TLS: o.RelayTLS, Router: router, Port: port, Spool: filepath.Join(dir, "files"), Logger: log,
	})
	if err != nil {
		return fmt.Errorf("open the call engine: %w", err)
	}
	b.onClose(calls.Close)
	b.onClose(func() error { router.Close(); return nil }) // before the sockets that it leads to
	page, outer, err := o.direct()
	if err != nil {
		return err
	}
	doors := door.New(door.Options{
		Mux: calls.Mux(),
		Outer: func() []door.Entry {
			all := slices.Clone(outer)
			for _, r := range calls.Mapped() {
				tcp := r.Base.Port() == path.StreamPort
				all = append(all, door.Entry{At: r.Mapped, UDP: !tcp, TCP: tcp})
			}
			return all
		},
		Changed: func() {
			if h := owner.Load(); h != nil {
				h.Ways().DoorsChanged()
			}
		},
		Logger: log,
	})
	b.onClose(doors.Close)

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

	messages, err := doormessages.Open(filepath.Join(dir, "doormessages"), time.Now, log)
	if err != nil {
		log.Error("door messages", "error", err) // guests can't leave any; calls go on
	}
	b.host, err = host.Open(ctx, host.Options{
		Messages:      messages,
		Book:          book,
		Acquaintances: known,
		Settings:      kept,
		Relay:         guests,
		Router:        router,
		TLS:           o.RelayTLS,
		Doors:         doors,
		Page:          page,
		Remotes:       ways.PublicRelays{TLS: o.RelayTLS, Logger: log},
		Calls:         calls,
		Capture:       devices,
		Windows:       windows,
		Notifier:      o.Notifier,
		Attention:     o.Attention,
		Clipboard:     o.Clipboard,
		Awake:         computer,
		Downloads:     o.Downloads,
		Recordings:    recording.Folder(),
		Synthetic:     o.Synthetic,
		Speech:        o.Speech,
		Timing:        o.Timing,
		Logger:        log,
	})
	if err != nil {
		return err
	}
	b.onClose(func() error { b.host.Close(); return nil })
	owner.Store(b.host)
	return nil
}

// keyMediaPort is the key of the media port in the store's settings.
const keyMediaPort = "media-port"

// Ports of which one is chosen for good, on the first start: above those that
// servers use, and below those that systems give out by themselves.
const lowPort, highPort = 20_000, 32_000

// mediaPort returns the port that this installation uses for media.
func mediaPort(kept *store.Store) (port uint16, err error) {
	if found, err := kept.Setting(keyMediaPort, &port); err == nil && found && port >= lowPort {
		return port, nil
	}
	port = lowPort + rand.N[uint16](highPort-lowPort)
	return port, kept.PutSetting(keyMediaPort, port)
}

// direct reads what the options say of direct links.
func (o Options) direct() (page string, outer []door.Entry, err error) {
	if page = cmp.Or(o.Page, DefaultPage); page != "" {
		var ok bool
		if page, ok = ways.ParsePage(page); !ok {
			return "", nil, errors.New("PORCH_PAGE is no address of a page: https://…")
		}
	}
	for _, text := range strings.FieldsFunc(o.Outer, func(r rune) bool { return r == ',' || r == ' ' }) {
		at, err := netip.ParseAddrPort(text)
		if err != nil {
			return "", nil, fmt.Errorf("PORCH_OUTER: %q is no address with a port", text)
		}
		outer = append(outer, door.Entry{At: at, UDP: true, TCP: true})
	}
	return page, outer, nil
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
