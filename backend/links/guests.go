package links

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"slices"
	"time"

	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// How many visitors and blocks are remembered. Beyond that, the visitor who was seen least recently and the oldest
// block are forgotten.
const (
	MaxVisitorsOfLink = 200
	MaxVisitors       = 5000
	MaxBlocksOfLink   = 500
)

// Visitor is a guest who was let in on a link.
type Visitor struct {
	Name      string // the last name that this device gave
	Times     int
	FirstSeen time.Time
	LastSeen  time.Time
}

// Known is what the book knows about a device, from all links.
type Known struct {
	TimesLetIn int
	NameKnown  bool   // another device was let in under this name before
	LooksLike  string // a name under which another device was let in before, and which this one resembles; "" for none
	Copy       string // name of the copy by which the device came; "" for the link's own address
	Browser    int    // which of the browsers that came by this copy; 0 for the link's own address
}

// RecordVisitor remembers that a device was let in under a name.
func (b *Book) RecordVisitor(id sealed.LinkID, device, name string) error {
	b.writing.Lock()
	defer b.writing.Unlock()
	if _, err := b.Get(id); err != nil {
		return err
	}
	key := guestKey{string(id), digest(device)}
	b.mu.RLock()
	v, again := b.guests.visitors[key.link][key.device]
	b.mu.RUnlock()
	now := b.time()
	if !again {
		v = VisitorRecord{LinkID: key.link, Device: key.device, FirstSeen: now}
	}
	v.Name, v.LastSeen = name, now
	v.Times++
	if err := b.repo.PutVisitor(v); err != nil {
		return unavailable(err)
	}
	b.mu.Lock()
	b.guests.putVisitor(v)
	surplus := b.guests.surplusVisitors(key)
	b.mu.Unlock()
	for _, old := range surplus {
		if err := b.repo.DeleteVisitor(old.link, old.device); err != nil {
			return unavailable(err)
		}
		b.mu.Lock()
		b.guests.deleteVisitor(old)
		b.mu.Unlock()
	}
	return nil
}

// Visitors returns the guests who were let in on a link, the one seen last first.
func (b *Book) Visitors(id sealed.LinkID) []Visitor {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var of []Visitor
	for _, v := range b.guests.ofLink(string(id)) {
		of = append(of, Visitor{Name: v.Name, Times: v.Times, FirstSeen: v.FirstSeen, LastSeen: v.LastSeen})
	}
	return of
}

// Known returns what is known about a device that gives this name.
func (b *Book) Known(device, name string) Known {
	device = digest(device)
	shape := signalling.ShapeOf(name)
	b.mu.RLock()
	defer b.mu.RUnlock()
	var known Known
	for link, of := range b.guests.visitors {
		for d, v := range of {
			switch other := b.guests.shapes[guestKey{link, d}]; {
			case d == device:
				known.TimesLetIn += v.Times
			case other.Same(shape):
				known.NameKnown = true
			case other.Alike(shape) && (known.LooksLike == "" || v.Name < known.LooksLike): // always the same one
				known.LooksLike = v.Name
			}
		}
	}
	return known
}

// Block keeps a device from knocking on a link again.
func (b *Book) Block(id sealed.LinkID, device string) error {
	b.writing.Lock()
	defer b.writing.Unlock()
	if _, err := b.Get(id); err != nil {
		return err
	}
	if b.Blocked(id, device) {
		return nil
	}
	key := guestKey{string(id), digest(device)}
	block := BlockRecord{LinkID: key.link, Device: key.device, At: b.time()}
	if err := b.repo.PutBlock(block); err != nil {
		return unavailable(err)
	}
	b.mu.Lock()
	b.guests.putBlock(block)
	surplus, found := b.guests.surplusBlock(key.link)
	b.mu.Unlock()
	if !found {
		return nil
	}
	if err := b.repo.DeleteBlock(surplus.link, surplus.device); err != nil {
		return unavailable(err)
	}
	b.mu.Lock()
	delete(b.guests.blocks, surplus)
	b.mu.Unlock()
	return nil
}

// Blocked reports whether a device was blocked on a link.
func (b *Book) Blocked(id sealed.LinkID, device string) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	_, blocked := b.guests.blocks[guestKey{string(id), digest(device)}]
	return blocked
}

// guests holds what is remembered of guests. It is guarded by [Book.mu].
type guests struct {
	visitors map[string]map[string]VisitorRecord // by link and device; links without visitors are left out
	shapes   map[guestKey]signalling.Shape       // of the visitors' names
	blocks   map[guestKey]time.Time
}

// guestKey is a device at a link, by the device's digest.
type guestKey struct{ link, device string }

func newGuests() guests {
	return guests{
		visitors: make(map[string]map[string]VisitorRecord),
		shapes:   make(map[guestKey]signalling.Shape),
		blocks:   make(map[guestKey]time.Time),
	}
}

func (g guests) putVisitor(v VisitorRecord) {
	of := g.visitors[v.LinkID]
	if of == nil {
		of = make(map[string]VisitorRecord)
		g.visitors[v.LinkID] = of
	}
	of[v.Device] = v
	g.shapes[guestKey{v.LinkID, v.Device}] = signalling.ShapeOf(v.Name)
}

func (g guests) deleteVisitor(k guestKey) {
	of := g.visitors[k.link]
	delete(of, k.device)
	delete(g.shapes, k)
	if len(of) == 0 {
		delete(g.visitors, k.link)
	}
}

// countVisitors returns the number of visitors on all links.
func (g guests) countVisitors() int {
	n := 0
	for _, of := range g.visitors {
		n += len(of)
	}
	return n
}

func (g guests) putBlock(b BlockRecord) { g.blocks[guestKey{b.LinkID, b.Device}] = b.At }

// ofLink returns the visitors of a link, the one seen last first.
func (g guests) ofLink(link string) []VisitorRecord {
	return slices.SortedFunc(maps.Values(g.visitors[link]), lastSeenFirst)
}

// surplusVisitors returns the visitors to forget after one was added.
func (g guests) surplusVisitors(added guestKey) []guestKey {
	var surplus []guestKey
	of := g.ofLink(added.link)
	switch {
	case len(of) > MaxVisitorsOfLink:
		of = of[MaxVisitorsOfLink:]
	case g.countVisitors() > MaxVisitors:
		of = nil
		for _, visitors := range g.visitors {
			of = slices.AppendSeq(of, maps.Values(visitors))
		}
		slices.SortFunc(of, lastSeenFirst)
		of = of[MaxVisitors:]
	default:
		return nil
	}
	for _, v := range of {
		surplus = append(surplus, guestKey{v.LinkID, v.Device})
	}
	return surplus
}

// surplusBlock returns the block of a link to forget. found is false if there is room.
func (g guests) surplusBlock(link string) (oldest guestKey, found bool) {
	count := 0
	var at time.Time
	for key, t := range g.blocks {
		if key.link != link {
			continue
		}
		if count++; count == 1 || t.Before(at) {
			oldest, at = key, t
		}
	}
	return oldest, count > MaxBlocksOfLink
}

func (g guests) deleteLink(link string) {
	for device := range g.visitors[link] {
		delete(g.shapes, guestKey{link, device})
	}
	delete(g.visitors, link)
	maps.DeleteFunc(g.blocks, func(k guestKey, _ time.Time) bool { return k.link == link })
}

func lastSeenFirst(x, y VisitorRecord) int {
	return cmp.Or(y.LastSeen.Compare(x.LastSeen), cmp.Compare(x.LinkID, y.LinkID), cmp.Compare(x.Device, y.Device))
}

// digest returns the form in which a device is stored. A reader of the disk can't use it to come in as the device. It
// needs no salt, because devices are 16 random bytes that can't be guessed.
func digest(device string) string {
	sum := sha256.Sum256([]byte("porch device v1 " + device))
	return b64.EncodeToString(sum[:16])
}

var b64 = base64.RawURLEncoding
