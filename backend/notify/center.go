package notify

import (
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Request is a waiting join request, on any link.
type Request struct {
	ID       string
	Name     string // the guest's name, as the window shows it
	LinkName string
	// What the window's card says about the name: a participant has it, another browser was let in under it, or it
	// resembles another name.
	NameInCall bool
	NameKnown  bool
	LooksLike  string
	Quiet      bool // silenced or asked to wait, and so not announced
	Rings      int  // how often the bell has rung
	Seen       bool // the host has looked since it rang last
}

// Decision is what the host chose by pressing a notification.
type Decision struct {
	Request string // "" for the summary, and with ActionOpen if the request is gone
	Action  string // ActionLetIn, ActionDecline, ActionOpen or ActionDismiss
}

// Options configure a Center.
type Options struct {
	Notifier Notifier
	// OnDecision is called with each press, on the notifier's goroutine. It gets ActionLetIn or ActionDecline at most
	// once for each request. It must not call Close.
	OnDecision func(Decision)
	// OnFailing is called when notifications can't be shown, and not again until one was shown. It must not block;
	// nil is allowed.
	OnFailing func()
	// Texts returns the words for notes from now on. nil means English.
	Texts  func() Texts
	Logger *slog.Logger // nil logs nothing
}

// closePatience is how long Close waits for a system that does not answer.
const closePatience = 2 * time.Second

// Center keeps notifications in step with the waiting requests. Its methods are safe for concurrent use. Except for
// Close, they never wait for the system.
type Center struct {
	notifier   Notifier
	onDecision func(Decision)
	onFailing  func()
	texts      func() Texts
	log        *slog.Logger
	wake       chan struct{} // buffered 1; full means already woken
	stop       chan struct{} // closed by Close
	done       chan struct{} // closed when run has returned
	closing    sync.Once

	mu      sync.Mutex
	waiting []Request
	decided map[string]bool // requests that were pressed and still wait
	expired []string        // notes that the system removed; run clears it
	closed  bool
}

// NewCenter starts a center. Close ends it.
func NewCenter(o Options) *Center {
	c := &Center{
		notifier:   o.Notifier,
		onDecision: o.OnDecision,
		onFailing:  o.OnFailing,
		texts:      o.Texts,
		log:        o.Logger,
		wake:       make(chan struct{}, 1),
		stop:       make(chan struct{}),
		done:       make(chan struct{}),
		decided:    make(map[string]bool),
	}
	if c.texts == nil {
		c.texts = func() Texts { return Texts{} }
	}
	if c.onFailing == nil {
		c.onFailing = func() {}
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.notifier.OnAction(c.pressed)
	go c.run()
	return c
}

// Update sets the requests that wait now: all of them, on all links, oldest first.
func (c *Center) Update(requests []Request) {
	c.mu.Lock()
	c.waiting = slices.Clone(requests)
	for id := range c.decided {
		if !c.waits(id) {
			delete(c.decided, id)
		}
	}
	c.mu.Unlock()
	c.changed()
}

// Close withdraws all notes and ends the center. It waits at most two seconds for a system that does not answer. A
// second call does nothing.
func (c *Center) Close() {
	c.closing.Do(func() {
		c.mu.Lock()
		c.closed = true
		c.mu.Unlock()
		close(c.stop)
	})
	patience := time.NewTimer(closePatience)
	defer patience.Stop()
	select {
	case <-c.done:
	case <-patience.C:
	}
}

// run asks the notifier for one thing at a time. After a slow answer of the system it goes by what is wanted then.
func (c *Center) run() {
	defer close(c.done)
	var b board
	failing := false
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-c.stop:
			c.clear(&b)
			return
		default:
		}
		for _, id := range c.takeExpired() {
			b.expired(id)
		}
		switch s := b.next(c.announced(), c.texts().withDefaults(), time.Now()); {
		case s.show != nil:
			// A note that failed is not tried again for the same request, because its card is in the window anyway.
			err := c.notifier.Show(*s.show)
			if err != nil && !failing {
				c.log.Warn("notifications don't work", "error", err)
				c.onFailing()
			}
			failing = err != nil
		case s.withdraw != "":
			c.withdraw(s.withdraw)
		default:
			if s.wait > 0 {
				timer.Reset(s.wait)
			} else {
				timer.Stop()
			}
			select {
			case <-c.wake:
			case <-timer.C:
			case <-c.stop:
			}
		}
	}
}

// clear withdraws all shown notes.
func (c *Center) clear(b *board) {
	for {
		s := b.next(nil, c.texts().withDefaults(), time.Now())
		if s.withdraw == "" {
			return
		}
		c.withdraw(s.withdraw)
	}
}

// withdraw ignores errors, because Windows can't withdraw notes, and pressing an old note decides nothing.
func (c *Center) withdraw(id string) {
	if err := c.notifier.Withdraw(id); err != nil {
		c.log.Debug("notification not withdrawn", "error", err)
	}
}

// takeExpired returns the notes that the system removed since the last call.
func (c *Center) takeExpired() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := c.expired
	c.expired = nil
	return ids
}

// announced returns the requests that should be on the board.
func (c *Center) announced() []Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.waiting), func(r Request) bool { return r.Quiet || c.decided[r.ID] })
}

// pressed handles a press. The notifier calls it.
func (c *Center) pressed(noteID, action string) {
	d := Decision{Action: action}
	c.mu.Lock()
	waits := c.waits(noteID)
	switch {
	case c.closed:
		c.mu.Unlock()
		return
	case action == ActionExpired || action == ActionDismiss:
		c.expired = append(c.expired, noteID)
		c.mu.Unlock()
		c.changed()
		if action == ActionDismiss && waits {
			d.Request = noteID
			c.onDecision(d)
		}
		return
	case noteID == SummaryID:
		d.Action = ActionOpen
	case action == ActionOpen:
		if waits {
			d.Request = noteID
		}
	case (action == ActionLetIn || action == ActionDecline) && waits && !c.decided[noteID]:
		c.decided[noteID] = true
		d.Request = noteID
	default:
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	c.changed()
	c.onDecision(d)
}

// waits reports whether a request still waits. The caller holds c.mu.
func (c *Center) waits(id string) bool {
	return slices.ContainsFunc(c.waiting, func(r Request) bool { return r.ID == id })
}

func (c *Center) changed() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}
