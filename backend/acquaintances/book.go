package acquaintances

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

// How much is remembered. Beyond that, the browser seen least recently that is not always let in, and the oldest
// refusal of a device, are forgotten.
const (
	MaxBrowsers = 2000
	MaxRefusals = 2000
)

// Facts is what the book knows about a browser that gives a name.
type Facts struct {
	Times     int    // how often this browser was let in
	Name      string // the name under which it was let in last; "" if it never was
	Always    bool   // the host has decided to let it in always, under this name and through this link
	NameKnown bool   // another browser was let in under this name
	LooksLike string // a name under which another browser was let in, and which this one resembles
}

// View is a standing decision as the host sees it.
type View struct {
	Browser string
	Name    string
	LinkID  string // "" for all links
	At      time.Time
}

// Book holds what is known. Its methods are safe for concurrent use, and those of a nil book know nothing and record
// nothing.
type Book struct {
	repo Repository
	now  func() time.Time

	writing sync.Mutex // held while a record is written; acquired before mu

	mu        sync.RWMutex // guards what follows
	browsers  map[string]Record
	shapes    map[string]signalling.Shape // of the browsers' names
	standings map[place]time.Time
	refusals  map[place]Refusal
}

// place is a browser or a device at a link.
type place struct{ who, link string }

// Open reads the book.
func Open(repo Repository, now func() time.Time) (*Book, error) {
	b := &Book{
		repo: repo, now: now,
		browsers: make(map[string]Record), shapes: make(map[string]signalling.Shape),
		standings: make(map[place]time.Time), refusals: make(map[place]Refusal),
	}
	records, err := repo.Acquaintances()
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		b.browsers[r.Browser], b.shapes[r.Browser] = r, signalling.ShapeOf(r.Name)
	}
	standings, err := repo.Standings()
	if err != nil {
		return nil, err
	}
	for _, s := range standings {
		b.standings[place{s.Browser, s.LinkID}] = s.At
	}
	refusals, err := repo.Refusals()
	for _, r := range refusals {
		b.refusals[place{r.Guest, r.LinkID}] = r
	}
	return b, err
}

// Browser returns how a browser is known, by its public key. A reader of the disk can't use it to come as the browser.
func Browser(key []byte) string {
	sum := sha256.Sum256(append([]byte("porch acquaintance v1 "), key...))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// guestOf returns the form in which a device is stored.
func guestOf(device string) string {
	sum := sha256.Sum256([]byte("porch refused device v1 " + device))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// Facts returns what is known of a browser ("" for one that proves no key) that gives a name at a link.
func (b *Book) Facts(browser, name, linkID string) Facts {
	if b == nil {
		return Facts{}
	}
	shape := signalling.ShapeOf(name)
	b.mu.RLock()
	defer b.mu.RUnlock()
	var f Facts
	if r, ok := b.browsers[browser]; ok {
		f.Times, f.Name = r.Times, r.Name
		_, all := b.standings[place{browser, ""}]
		_, here := b.standings[place{browser, linkID}]
		f.Always = (all || here) && b.shapes[browser].Same(shape)
	}
	for other, r := range b.browsers {
		switch s := b.shapes[other]; {
		case other == browser:
		case s.Same(shape):
			f.NameKnown = true
		case s.Alike(shape) && (f.LooksLike == "" || r.Name < f.LooksLike): // always the same one
			f.LooksLike = r.Name
		}
	}
	return f
}

// Met records that a browser was let in under a name.
func (b *Book) Met(browser, name string) error {
	if b == nil || browser == "" {
		return nil
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	b.mu.RLock()
	r, again := b.browsers[browser]
	b.mu.RUnlock()
	now := b.now()
	if !again {
		r = Record{Browser: browser, FirstSeen: now}
	}
	r.Name, r.LastSeen = name, now
	r.Times++
	if err := b.repo.PutAcquaintance(r); err != nil {
		return fault.New(fault.StoreUnavailable, err)
	}
	b.mu.Lock()
	b.browsers[browser], b.shapes[browser] = r, signalling.ShapeOf(name)
	surplus := b.surplus(browser)
	b.mu.Unlock()
	if surplus == "" {
		return nil
	}
	if err := b.repo.DeleteAcquaintance(surplus); err != nil {
		return fault.New(fault.StoreUnavailable, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.browsers, surplus)
	delete(b.shapes, surplus)
	return nil
}

// surplus returns the browser to forget after one was added, "" for none. The caller holds mu.
func (b *Book) surplus(added string) string {
	if len(b.browsers) <= MaxBrowsers {
		return ""
	}
	standing := make(map[string]bool, len(b.standings))
	for p := range b.standings {
		standing[p.who] = true
	}
	oldest := ""
	for id, r := range b.browsers {
		if id != added && !standing[id] && (oldest == "" || r.LastSeen.Before(b.browsers[oldest].LastSeen)) {
			oldest = id
		}
	}
	return oldest
}

// Always records that the host lets a browser in from now on without being asked: through one link, or through all with
// "". Fault: RequestGone, if the browser was never let in.
func (b *Book) Always(browser, linkID string) error {
	if b == nil {
		return fault.New(fault.RequestGone, nil)
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	b.mu.RLock()
	_, known := b.browsers[browser]
	b.mu.RUnlock()
	if !known {
		return fault.New(fault.RequestGone, nil)
	}
	s := Standing{Browser: browser, LinkID: linkID, At: b.now()}
	if err := b.repo.PutStanding(s); err != nil {
		return fault.New(fault.StoreUnavailable, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.standings[place{browser, linkID}] = s.At
	return nil
}

// Stop takes a standing decision back. It is not an error if there is none.
func (b *Book) Stop(browser, linkID string) error {
	if b == nil {
		return nil
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	b.mu.Lock() // first in memory: it must not hold if the disk is full
	delete(b.standings, place{browser, linkID})
	b.mu.Unlock()
	if err := b.repo.DeleteStanding(browser, linkID); err != nil {
		return fault.New(fault.StoreUnavailable, err)
	}
	return nil
}

// KeepLinks forgets what was decided at links for which keep is false: they have ended. What is decided for all links
// stays.
func (b *Book) KeepLinks(keep func(linkID string) bool) error {
	if b == nil {
		return nil
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	over := func(p place) bool { return p.link != "" && !keep(p.link) }
	b.mu.Lock()
	var standings, refusals []place
	for p := range b.standings {
		if over(p) {
			standings = append(standings, p)
			delete(b.standings, p)
		}
	}
	for p := range b.refusals {
		if over(p) {
			refusals = append(refusals, p)
			delete(b.refusals, p)
		}
	}
	b.mu.Unlock()
	var failed error
	for _, p := range standings {
		failed = cmp.Or(failed, b.repo.DeleteStanding(p.who, p.link))
	}
	for _, p := range refusals {
		failed = cmp.Or(failed, b.repo.DeleteRefusal(p.link, p.who))
	}
	if failed != nil { // the next start tries again
		return fault.New(fault.StoreUnavailable, failed)
	}
	return nil
}

// Standings returns the standing decisions, by name.
func (b *Book) Standings() []View {
	views := []View{}
	if b == nil {
		return views
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	for p, at := range b.standings {
		views = append(views, View{Browser: p.who, Name: b.browsers[p.who].Name, LinkID: p.link, At: at})
	}
	slices.SortFunc(views, func(x, y View) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.Browser, y.Browser), cmp.Compare(x.LinkID, y.LinkID))
	})
	return views
}

// Locked reports whether the host has locked a link's door.
func (b *Book) Locked(linkID string) bool {
	if b == nil {
		return false
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.refusals[place{"", linkID}].Times > 0
}

// SetLocked records that the host has locked a link's door, or unlocked it.
func (b *Book) SetLocked(linkID string, on bool) error {
	return b.refuse("", linkID, func(int) int {
		if on {
			return 1
		}
		return 0
	})
}

// Declined returns how often a device was declined at a link, since it was let in last.
func (b *Book) Declined(linkID, device string) int {
	if b == nil {
		return 0
	}
	guest := guestOf(device)
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.refusals[place{guest, linkID}].Times
}

// Decline records that a device was declined at a link once more.
func (b *Book) Decline(linkID, device string) error {
	return b.refuse(guestOf(device), linkID, func(was int) int { return was + 1 })
}

// Forgive forgets that a device was declined at a link, because it was let in.
func (b *Book) Forgive(linkID, device string) error {
	return b.refuse(guestOf(device), linkID, none)
}

// PutOut records that the host has put a guest out of a link's call, whom each of these ids names. See [Book.IsOut].
func (b *Book) PutOut(linkID string, ids ...string) error {
	return b.setOut(linkID, ids, func(int) int { return 1 })
}

// TakeBack forgets that, because the host has let the guest in.
func (b *Book) TakeBack(linkID string, ids ...string) error { return b.setOut(linkID, ids, none) }

// IsOut reports whether the host has put a guest with one of these ids out of a link's call, and has not let it in
// since. No standing decision lets it in there.
func (b *Book) IsOut(linkID string, ids ...string) bool {
	if b == nil {
		return false
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	return slices.ContainsFunc(ids, func(id string) bool { return b.refusals[place{outside(id), linkID}].Times > 0 })
}

func (b *Book) setOut(linkID string, ids []string, next func(was int) int) (err error) {
	for _, id := range ids {
		err = cmp.Or(err, b.refuse(outside(id), linkID, next))
	}
	return err
}

// outside returns the form in which it is stored that an id was put out. No device is called so.
func outside(id string) string { return guestOf("outside " + id) }

func none(int) int { return 0 }

func (b *Book) refuse(guest, linkID string, next func(was int) int) error {
	if b == nil {
		return nil
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	at := place{guest, linkID}
	b.mu.RLock()
	was := b.refusals[at].Times
	b.mu.RUnlock()
	times := next(was)
	var err error
	switch {
	case was == times:
		return nil
	case times == 0:
		err = b.repo.DeleteRefusal(linkID, guest)
	default:
		err = b.repo.PutRefusal(Refusal{LinkID: linkID, Guest: guest, Times: times, At: b.now()})
	}
	if err != nil {
		return fault.New(fault.StoreUnavailable, err)
	}
	b.mu.Lock()
	if times == 0 {
		delete(b.refusals, at)
	} else {
		b.refusals[at] = Refusal{LinkID: linkID, Guest: guest, Times: times, At: b.now()}
	}
	oldest, surplus := b.forgetRefusal(at)
	b.mu.Unlock()
	if !surplus {
		return nil
	}
	if err := b.repo.DeleteRefusal(oldest.link, oldest.who); err != nil { // it is forgotten until the next start
		return fault.New(fault.StoreUnavailable, err)
	}
	return nil
}

// forgetRefusal forgets the oldest refusal of a guest but the newest, if there are too many. The caller holds mu, and
// deletes what is forgotten from the repository without it, because guests who knock read the book.
func (b *Book) forgetRefusal(newest place) (oldest place, surplus bool) {
	if len(b.refusals) <= MaxRefusals {
		return place{}, false
	}
	guests := slices.DeleteFunc(slices.Collect(maps.Keys(b.refusals)), func(p place) bool { return p.who == "" || p == newest })
	if len(guests) == 0 {
		return place{}, false
	}
	oldest = slices.MinFunc(guests, func(x, y place) int { return b.refusals[x].At.Compare(b.refusals[y].At) })
	delete(b.refusals, oldest)
	return oldest, true
}
