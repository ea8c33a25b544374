package host

import (
	"context"
	"crypto/tls"
	"log/slog"
	"time"

	"github.com/porch-call/porch/backend/acquaintances"
	"github.com/porch-call/porch/backend/call"
	"github.com/porch-call/porch/backend/call/totals"
	"github.com/porch-call/porch/backend/doormessages"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/host/loop"
	"github.com/porch-call/porch/backend/host/recordings"
	"github.com/porch-call/porch/backend/host/sharing"
	"github.com/porch-call/porch/backend/host/ways"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/media/capture"
	"github.com/porch-call/porch/backend/notify"
	"github.com/porch-call/porch/backend/relay"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
	"github.com/porch-call/porch/backend/windowsocket"
)

// Windows gives out tickets for the window socket: [windowsocket.Server].
type Windows interface {
	Grant(claims any) windowsocket.Ticket
}

// Awake keeps this computer from going to sleep by itself: [awake.Keeper]. Keep
// does not wait for the system.
type Awake interface {
	Keep(needed bool)
}

// Timing says how long the host waits. A zero field takes its default.
type Timing struct {
	Hello       time.Duration // for a guest's first message; default 10 s
	SeatHold    time.Duration // for a guest whose path is lost; default 2 minutes
	Reload      time.Duration // for a guest whose page went away and may be a reload; default 10 s
	Window      time.Duration // for the host's own window to return; default 15 s
	Credentials time.Duration // for TURN credentials that are late when a guest is let in; default 500 ms
	Letter      time.Duration // until a guest who waits may leave a message; default 1 minute
	Probe       time.Duration // for a relay under test; default 10 s
	Undo        time.Duration // before the removal of a link takes hold; default 10 s, negative for none
}

// Options are the parts and settings of a host. The host closes none of the
// parts.
type Options struct {
	Book *links.Book
	// Acquaintances are the browsers that the host knows. nil knows none, and
	// keeps no decision about guests beyond this run.
	Acquaintances *acquaintances.Book
	Settings      ways.Keeper
	Relay         ways.Inside
	Router        ways.Router  // nil means that the router can't be asked to let calls in
	TLS           *tls.Config  // of the address from outside; nil means the system's authorities
	Remotes       ways.Remotes // nil means that no public relay can be used
	Doors         ways.Doors   // nil means that no link can have a direct door
	Page          string       // as in ways.Options
	Calls         *call.Engine
	Capture       *capture.Engine
	Messages      *doormessages.Box // nil means that guests can not leave any
	Windows       Windows
	Notifier      notify.Notifier // nil means that the system is not asked to notify
	// Attention brings the window to the front, because the host pressed a
	// notification. It may block, and may be nil.
	Attention func()
	// Clipboard is a second way to the clipboard, for systems that lack the
	// programs for it. It may be nil.
	Clipboard func(text string) error
	Awake     Awake // told whether a guest is in a call; may be nil
	// Downloads is the folder in which the host saves files; "" means the system's.
	Downloads  string
	Recordings string // the folder in which calls are recorded
	// Synthetic means that Capture and the page use a drawn picture and a tone.
	Synthetic bool
	// Speech returns the words in the host's language. nil means English.
	Speech func() hoststate.Speech
	Timing Timing
	Logger *slog.Logger     // nil means slog.Default
	Now    func() time.Time // nil means time.Now
}

// Host is the owner. Its methods may be called from any goroutine. Each waits
// until it has the answer, ctx ends or Close is called. Errors have a fault code.
type Host struct {
	book          *links.Book
	acquaintances *acquaintances.Book // may be nil
	keeper        ways.Keeper
	relay         ways.Inside
	engine        *call.Engine
	capture       *capture.Engine
	downloads     string // a folder; "" for the system's
	messages      *doormessages.Box
	windows       Windows
	center        *notify.Center // nil if there is no notifier
	attention     func()
	sharing       *sharing.Sharing
	awake         Awake // nil if the computer may sleep
	synthetic     bool
	speech        func() hoststate.Speech
	timing        Timing
	log           *slog.Logger
	now           func() time.Time

	ctx        context.Context // ends when Close has told all guests
	cancel     context.CancelFunc
	background loop.Background
	still      chan struct{} // buffered 1; held while a picture is decoded
	totals     *totals.Totals
	publisher  *hoststate.Publisher
	loop       *loop.Loop
	ways       *ways.Ways
	recordings *recordings.Recordings

	// Owned by the loop.
	openLinks map[sealed.LinkID]*openLink // those that can be opened
	me        hoststate.Me
	shape     signalling.Shape // of the host's name
	identity  string           // base64url; how guests' browsers tell this host from others; never changes
	arrival   *hoststate.ArrivalView
	settings  hoststate.Settings
	enter     *hoststate.EnterView
	notice    *hoststate.Notice
	notices   uint64
	deeds     []hoststate.DeedView // what others did in the host's name, the newest last
	deedCount uint64
	client    string // the window that called Attend last
	changed   bool   // the state has to be published
	parts     map[sealed.LinkID]parts
	partsAt   []relay.Address // the addresses of which parts were made
	alarm     *time.Timer     // for what is due next; nil for nothing
	over      bool
}

// Open starts a host and announces every link that can be opened. It is the same
// after a crash: guests who were in a call knock again, because only the host
// lets guests in.
func Open(ctx context.Context, o Options) (*Host, error) {
	h := &Host{
		book:          o.Book,
		acquaintances: o.Acquaintances,
		keeper:        o.Settings,
		relay:         o.Relay,
		engine:        o.Calls,
		capture:       o.Capture,
		downloads:     o.Downloads,
		windows:       o.Windows,
		messages:      o.Messages,
		attention:     o.Attention,
		awake:         o.Awake,
		synthetic:     o.Synthetic,
		speech:        o.Speech,
		timing:        o.Timing,
		log:           o.Logger,
		now:           o.Now,
		still:         make(chan struct{}, 1),
		openLinks:     make(map[sealed.LinkID]*openLink),
		parts:         make(map[sealed.LinkID]parts),
		publisher:     hoststate.NewPublisher(),
		totals:        totals.New(),
	}
	setDefault(&h.timing.Hello, 10*time.Second)
	setDefault(&h.timing.SeatHold, 2*time.Minute)
	setDefault(&h.timing.Reload, 10*time.Second)
	setDefault(&h.timing.Window, 15*time.Second)
	setDefault(&h.timing.Credentials, 500*time.Millisecond)
	setDefault(&h.timing.Letter, time.Minute)
	setDefault(&h.timing.Probe, 10*time.Second)
	setDefault(&h.timing.Undo, 10*time.Second)
	if h.attention == nil {
		h.attention = func() {}
	}
	if h.speech == nil {
		h.speech = func() hoststate.Speech { return hoststate.Speech{} }
	}
	if h.log == nil {
		h.log = slog.Default()
	}
	if h.now == nil {
		h.now = time.Now
	}
	if err := h.loadSettings(); err != nil {
		return nil, err
	}
	h.ctx, h.cancel = context.WithCancel(context.WithoutCancel(ctx))
	h.loop = loop.New(h.publish)
	h.ways = ways.New(ways.Options{
		Keeper: h.keeper, Inside: h.relay, Remotes: o.Remotes, Router: o.Router, TLS: o.TLS,
		Book: h.book, Doors: o.Doors, Page: o.Page,
		Context: h.ctx, Loop: h.loop, Background: &h.background, Do: h.do, Touch: h.touch, Forget: h.forgetParts,
		Copy:        func(ctx context.Context, text string) error { return h.sharing.CopyText(ctx, text) },
		Credentials: h.timing.Credentials, Probe: h.timing.Probe, Logger: h.log, Now: h.now,
	})
	h.sharing = sharing.New(sharing.Parts{
		Snapshot: h.Snapshot, HandedOut: h.ways.HandedOut, Shown: h.ways.Shown, Speech: h.speech, Clipboard: o.Clipboard, Now: h.now,
	})
	h.recordings = recordings.New(recordings.Parts{
		Folder: o.Recordings, Do: h.do, Loop: h.loop,
		Touch: h.touch, Say: h.say, Speech: h.speech, Now: h.now, Logger: h.log,
	})
	if o.Notifier != nil {
		h.center = notify.NewCenter(notify.Options{
			Notifier:   o.Notifier,
			OnDecision: h.pressed,
			OnFailing: func() {
				h.loop.Post("notifications", func() { h.say(hoststate.NoticeNotifications) })
			},
			Texts:  func() notify.Texts { return h.speech().Notes },
			Logger: h.log,
		})
	}

	var err error
	if gone := h.loop.Do(ctx, func() {
		h.touch()
		if h.book.Damaged() > 0 {
			h.say(hoststate.NoticeDamaged)
		}
		if h.relay.PortChanged() {
			h.say(hoststate.NoticePort)
		}
		if err = h.ways.Load(); err != nil {
			return
		}
		for _, l := range h.book.List() {
			if l.State.Ended() {
				continue
			}
			if err = h.addLink(l).ways.Announce(); err != nil {
				return
			}
		}
	}); gone != nil {
		err = gone
	}
	if err != nil {
		h.Close()
		return nil, err
	}
	h.forgetDecisions() // of links that ended when it could not be written
	if h.messages != nil {
		h.background.Go(func() { h.expireMessages(h.ctx) })
	}
	return h, nil
}

func setDefault(d *time.Duration, v time.Duration) {
	if *d == 0 {
		*d = v
	}
}

// Close tells all guests that the app is closing, and waits until all goroutines
// have ended. Links stay as they are. A second call waits as well.
func (h *Host) Close() {
	_ = h.loop.Do(context.Background(), func() {
		h.over = true
		for _, o := range h.openLinks {
			if !o.removeAt.IsZero() && o.remove() == nil {
				continue
			}
			o.close(signalling.EndShutdown)
		}
		h.schedule()
	})
	h.cancel()
	h.background.Wait()
	h.recordings.Close()
	h.ways.Close() // after the last messages to guests have been sent
	h.loop.Close()
	if h.center != nil {
		h.center.Close()
	}
	h.publisher.Close()
}

// Snapshot returns the whole state. It never waits.
func (h *Host) Snapshot() hoststate.State { return h.publisher.Snapshot() }

// Watch returns a watcher of all changes from now on. Call it before Snapshot, so
// that no change is missed. The caller closes it.
func (h *Host) Watch() *hoststate.Watcher { return h.publisher.Watch() }

// WatchPaced is Watch for a window. However much strangers do at the door, it
// delivers at most ten times a second, and the first change at once.
func (h *Host) WatchPaced() *hoststate.Watcher { return h.publisher.WatchPaced() }

// Ways returns how the host's links are reached, with the commands for it.
func (h *Host) Ways() *ways.Ways { return h.ways }

// Recordings returns the commands about recordings that have ended.
func (h *Host) Recordings() *recordings.Recordings { return h.recordings }

// Record records a link's call, in which the host is, and asks all who are in it. Faults: NotInCall, RecordingRuns,
// DiskFull, RecordingFailed.
func (h *Host) Record(ctx context.Context, linkID string) error {
	c, err := h.ownCall(ctx, linkID)
	if err != nil {
		return err
	}
	return h.recordings.Begin(ctx, linkID, c)
}

// StopRecording ends the recording of a link's call, if there is one. Fault: NotInCall.
func (h *Host) StopRecording(ctx context.Context, linkID string) error {
	c, err := h.ownCall(ctx, linkID)
	if err != nil {
		return err
	}
	c.StopRecording()
	return nil
}

// ownCall returns a link's call, in which the host is.
func (h *Host) ownCall(ctx context.Context, linkID string) (c *call.Call, err error) {
	err = h.doLink(ctx, linkID, func(o *openLink) error {
		if o.hostSeat == nil || o.call == nil {
			return fault.New(fault.NotInCall, nil)
		}
		c = o.call
		return nil
	})
	return c, err
}

// Sharing returns the commands that pass addresses of links on.
func (h *Host) Sharing() *sharing.Sharing { return h.sharing }

// Stats returns the sum of what all calls have counted since the start.
func (h *Host) Stats() call.Stats { return h.totals.Sum() }

// Attend says that the host is looking at client's window. It is the one that
// enters a call when the host lets a guest in by a notification.
func (h *Host) Attend(client string) {
	h.loop.Post("attend", func() { h.client = client })
}

// do runs fn on the loop, in a host that is not closing.
func (h *Host) do(ctx context.Context, fn func() error) error {
	err := error(fault.New(fault.ShuttingDown, nil))
	if gone := h.loop.Do(ctx, func() {
		if !h.over {
			err = fn()
		}
	}); gone != nil {
		return gone
	}
	return err
}

// doLink runs fn on the loop with a link that can be opened.
func (h *Host) doLink(ctx context.Context, linkID string, fn func(*openLink) error) error {
	return h.do(ctx, func() error {
		o := h.openLinks[sealed.LinkID(linkID)]
		if o != nil {
			return fn(o)
		}
		l, err := h.book.Get(sealed.LinkID(linkID))
		switch {
		case err != nil:
			return err
		case l.State == links.StateRemoved:
			return fault.New(fault.LinkRemoved, nil)
		default:
			return fault.New(fault.LinkSpent, nil)
		}
	})
}
