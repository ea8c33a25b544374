package door

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/kit/contain"
	"github.com/porch-call/porch/backend/kit/household"
	"github.com/porch-call/porch/backend/kit/icecheck"
	"github.com/porch-call/porch/backend/kit/limit"
	"github.com/porch-call/porch/backend/kit/recent"
	"github.com/porch-call/porch/backend/media/path"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
)

// Limits.
const (
	guestsPerLink   = 192              // as at a relay
	unopenedPerLink = 10               // connections whose guest has not said a word yet
	unopenedPerHome = 3                // of one address (IPv6: one /64)
	unopened        = 20               // of all links
	newPerHome      = 6                // connections of one address in newWithin
	newWithin       = 10 * time.Second //
	homes           = 4096             // whose new connections are counted one by one
	proofs          = 20_000           // integrity checks in a second, for all addresses that are not proved yet
	spentUfrags     = 4096             // that a link remembers
	handshakeWithin = 10 * time.Second // from the first check to the channel
	sayWithin       = 10 * time.Second // from there to the guest's first word, and again to its first frame
	farewellWithin  = time.Second      // for the last message to be taken
	takeWithin      = 30 * time.Second // for a guest to take what waits for it
	socketsEvery    = time.Second      // between looks at the machine's addresses, and at the router's
)

// Options are the parts of Doors.
type Options struct {
	Mux *path.Mux
	// Outer returns addresses that lead to the mux' sockets from outside, as a router has told or the host. nil means
	// that none are known. It must return at once.
	Outer func() []Entry
	// Changed is called when Entries may have changed, on a goroutine of Doors. It must return at once, and may be nil.
	Changed func()
	Logger  *slog.Logger // nil means slog.Default
}

// Counts say what came to the doors since they were opened.
type Counts struct {
	Unknown uint64 // checks that name no link
	Forged  uint64 // checks that name a link, and are not signed
	Refused uint64 // checks with a right signature, for which there was no room
	Copied  uint64 // checks that came a second time from another address
	Opened  uint64 // connections whose channel has opened
}

// Doors are the doors of all links, on the sockets of one mux. It is safe for concurrent use.
type Doors struct {
	mux    *path.Mux
	outer  func() []Entry
	change func()
	log    *slog.Logger
	board  *switchboard.Memory
	key    []byte // of the hash that stands for an address
	proofs *rate.Limiter
	fresh  *limit.Buckets[netip.Prefix]
	panics contain.Panics
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	unknown, forged, refused, copied, opened atomic.Uint64

	listening sync.Mutex // held while streams are begun or ended; acquired before mu

	mu       sync.Mutex // guards what follows, and the fields of doors that name it
	closed   bool
	keeping  bool // keepSockets runs
	tags     map[string]entrance
	conns    map[string]*conn // by ufrag
	unopened int
	waiting  *household.Tally[netip.Prefix] // unopened, by address
}

// entrance is a secret that leads to a door.
type entrance struct {
	door *door
	keys keys
}

// door is the door of one link.
type door struct {
	id       sealed.LinkID
	identity Identity
	spent    *recent.Map[string, struct{}] // ufrags; guarded by Doors.mu
	unopened int                           // guarded by Doors.mu
}

// New opens no door yet.
func New(o Options) *Doors {
	d := &Doors{
		mux: o.Mux, outer: o.Outer, change: o.Changed, log: o.Logger, key: make([]byte, 32),
		board:   switchboard.NewMemory(guestsPerLink, switchboard.Share(guestsPerLink)),
		proofs:  rate.NewLimiter(proofs, proofs/10),
		fresh:   limit.NewBuckets(limit.Rate{Burst: newPerHome, Every: newWithin / newPerHome}, homes, household.Wide),
		tags:    make(map[string]entrance),
		conns:   make(map[string]*conn),
		waiting: household.ByPrefix(),
	}
	if d.log == nil {
		d.log = slog.Default()
	}
	if d.outer == nil {
		d.outer = func() []Entry { return nil }
	}
	if d.change == nil {
		d.change = func() {}
	}
	d.panics.Log, d.panics.Part = d.log, "door"
	_, _ = rand.Read(d.key) // never fails
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.mux.SetStrangers(d.stranger)
	return d
}

// Open opens the door of a link to guests who have one of its secrets. accept is called once for each guest who comes
// through it; see [switchboard.Switchboard] for its duties. shut closes the door and the channels of its guests, and from
// then on the port answers no check for the link. It may be called twice.
func (d *Doors) Open(ctx context.Context, link sealed.LinkKeys, secrets []sealed.Secret, i Identity, accept func(switchboard.Frames)) (shut func(), err error) {
	one := &door{id: link.ID(), identity: i, spent: recent.New[string, struct{}](spentUfrags)}
	tags, err := one.entrances(secrets)
	if err != nil {
		return nil, err
	}
	attached, err := d.board.Attach(ctx, one.id, link.Public(), accept)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	switch {
	case d.closed:
		d.mu.Unlock()
		attached.Detach()
		return nil, fault.New(fault.ShuttingDown, nil)
	case !d.keeping:
		d.keeping = true
		d.work.Go(d.keepSockets)
	}
	maps.Copy(d.tags, tags)
	d.mu.Unlock()
	d.mux.OpenSockets()
	d.listen()
	return func() {
		d.mu.Lock()
		d.forget(one)
		d.mu.Unlock()
		attached.Detach()
		d.listen()
	}, nil
}

// listen takes streams as long as there is a door.
func (d *Doors) listen() {
	d.listening.Lock()
	defer d.listening.Unlock()
	d.mu.Lock()
	wanted := len(d.tags) > 0
	d.mu.Unlock()
	d.mux.ListenStreams(wanted)
}

// Admit says which secrets lead to a link's door from now on. Guests who are connected stay. It does nothing for a link
// whose door is not open.
func (d *Doors) Admit(link sealed.LinkID, secrets []sealed.Secret) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.tags {
		if e.door.id != link {
			continue
		}
		tags, err := e.door.entrances(secrets)
		if err != nil {
			return err
		}
		d.forget(e.door)
		maps.Copy(d.tags, tags)
		return nil
	}
	return nil
}

// forget lets no check lead to a door. The caller holds the lock.
func (d *Doors) forget(one *door) {
	maps.DeleteFunc(d.tags, func(_ string, e entrance) bool { return e.door == one })
}

// entrances returns the door's entrances by their tags.
func (one *door) entrances(secrets []sealed.Secret) (map[string]entrance, error) {
	tags := make(map[string]entrance, len(secrets))
	for _, secret := range secrets {
		k, err := keysOf(secret)
		if err != nil {
			return nil, fmt.Errorf("door: %w", err)
		}
		tag, err := k.tag()
		if err != nil {
			return nil, fmt.Errorf("door: %w", err)
		}
		tags[tag] = entrance{one, k}
	}
	return tags, nil
}

// keepSockets opens sockets when the machine has changed networks, as long as a link has a door.
func (d *Doors) keepSockets() {
	tick := time.NewTicker(socketsEvery)
	defer tick.Stop()
	before := d.Entries()
	for {
		d.mu.Lock()
		d.keeping = len(d.tags) > 0 && !d.closed
		goOn := d.keeping
		d.mu.Unlock()
		if !goOn {
			return
		}
		if now := d.Entries(); !slices.Equal(now, before) {
			before = now
			d.change()
		}
		select {
		case <-tick.C:
		case <-d.ctx.Done():
			return
		}
	}
}

// Entries returns the ways to the doors from the internet, as far as they are known: at most MaxEntries. It opens the
// sockets to which they lead. That a packet from outside gets through can't be known from here.
func (d *Doors) Entries() (entries []Entry) {
	all := slices.Clone(d.outer())
	for _, at := range d.mux.OpenSockets() {
		all = append(all, Entry{At: at, UDP: true, TCP: d.mux.StreamsAt(at.Addr()) == at.Port()})
	}
	for _, e := range all {
		if !Public(e.At) {
			continue
		}
		same := slices.IndexFunc(entries, func(o Entry) bool { return o.At == e.At })
		switch {
		case same >= 0: // a router has mapped one port for both
			entries[same].UDP = entries[same].UDP || e.UDP
			entries[same].TCP = entries[same].TCP || e.TCP
		case len(entries) < MaxEntries:
			entries = append(entries, e)
		}
	}
	return entries
}

// Close closes all doors and waits until all goroutines have ended. It may be called twice.
func (d *Doors) Close() error {
	d.mu.Lock()
	d.closed = true
	clear(d.tags)
	d.mu.Unlock()
	d.listen()
	d.mux.SetStrangers(nil)
	d.cancel()
	d.work.Wait()
	return nil
}

// Counts returns what has come so far.
func (d *Doors) Counts() Counts {
	return Counts{d.unknown.Load(), d.forged.Load(), d.refused.Load(), d.copied.Load(), d.opened.Load()}
}

// stranger judges a check that names no connection, on the goroutine that reads the socket. Whoever does not hold the
// link gets no answer, and costs no memory.
func (d *Doors) stranger(s path.Stranger) (taken bool) {
	if len(s.Local) != ufragSize {
		return false
	}
	d.mu.Lock()
	by := d.tags[string(s.Local[:tagSize])]
	one := by.door
	known := one != nil && d.isKnown(one, s.Local)
	d.mu.Unlock()
	if one == nil {
		d.unknown.Add(1)
		return false
	}
	if known || !icecheck.Valid(s.Local) || !icecheck.Valid(s.Remote) || !d.proofs.Allow() {
		return true
	}
	ufrag := string(s.Local)
	password, err := by.keys.password(ufrag)
	if err != nil || !s.Signed([]byte(password)) {
		d.forged.Add(1)
		return true
	}
	c := &conn{
		doors: d, door: one, ufrag: ufrag, password: []byte(password), remote: string(s.Remote), from: s.From,
		home: household.Of(s.From.Addr()), seen: make(map[icecheck.Transaction]uint8),
	}
	c.remember(s.Transaction(), c.indexOf(s.From))
	if !d.enter(c) {
		d.refused.Add(1)
		return true
	}
	held := s.Hold()
	go func() {
		defer d.work.Done()
		defer d.leave(c)
		d.panics.Run(func() { c.run(held) })
	}()
	return true
}

// isKnown reports whether a ufrag has had its connection. The caller holds the lock.
func (d *Doors) isKnown(one *door, ufrag []byte) bool {
	if d.conns[string(ufrag)] != nil {
		return true
	}
	_, spent := one.spent.Get(string(ufrag))
	return spent
}

// enter counts a connection, if there is room for it.
func (d *Doors) enter(c *conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch one := c.door; {
	case d.closed, d.isKnown(one, []byte(c.ufrag)), d.unopened >= unopened, one.unopened >= unopenedPerLink,
		!d.waiting.Room(c.home, unopenedPerHome), !d.fresh.Allow(c.home, time.Now()):
		return false
	default:
		d.unopened++
		one.unopened++
		one.spent.Put(c.ufrag, struct{}{})
	}
	d.waiting.Add(c.home)
	d.conns[c.ufrag] = c
	d.work.Add(1)
	return true
}

// welcome stops counting a connection as unopened, because its guest has spoken.
func (d *Doors) welcome(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !c.welcomed {
		c.welcomed = true
		d.unopened--
		c.door.unopened--
		d.waiting.Drop(c.home)
	}
}

func (d *Doors) leave(c *conn) {
	d.welcome(c)
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.conns, c.ufrag)
}

// remoteOf returns what the switchboard may know of a guest.
func (d *Doors) remoteOf(c *conn) switchboard.RemoteInfo {
	return switchboard.RemoteInfo{
		Loopback: c.from.Addr().IsLoopback(), Direct: true,
		Key: household.Key(c.home, func(text string) string {
			mac := hmac.New(sha256.New, d.key)
			mac.Write([]byte(text))
			return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:12])
		}),
	}
}
