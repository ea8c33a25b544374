package links

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// MaxEnded is how many spent and removed links are kept. Each further one makes the book forget the link that ended
// first, with its visitors and blocks.
const MaxEnded = 500

// Link is a copy of a link as it is now. Changing it does not change the book.
type Link struct {
	ID        sealed.LinkID
	Name      string // "" for none
	State     State
	Keys      sealed.LinkKeys // the zero value once the link has ended
	Secret    sealed.Secret
	CreatedAt time.Time
	UsedAt    time.Time // when a guest last entered; zero for never
	EndedAt   time.Time // when it was spent or removed; zero before
	KeptAt    time.Time // when the host last said that it is kept although it is not used; zero for never
	Times
	Relay string // base of the public relay on which it was made; "" for none

	// Door is the identity of the link's direct door with its private key, which a caller must not change; nil for a link
	// without one, and once the link has ended. DoorAt says to which addresses the address led that was handed out last.
	Door   []byte
	DoorAt string
	Copies []Copy // further addresses, and those that open it no longer, the oldest first; never changed in place
}

// Book is the host's links. Its methods are safe for concurrent use. Those that only read never wait for the disk.
// Unknown ids return the fault LinkNotFound. If the disk fails, they return StoreUnavailable and nothing has changed.
type Book struct {
	repo Repository
	now  func() time.Time

	writing sync.Mutex   // held over a whole change, so that changes happen one at a time, in order; acquired before mu
	mu      sync.RWMutex // guards what follows; never held during disk access
	links   map[sealed.LinkID]Link
	guests  guests
	// browsers are the digests of those that have come by a copy, in that order. A slice is only ever appended to.
	browsers map[copyKey][]string
	calls    map[callKey]Call            // in which guests were; slices are never changed in place
	erased   map[sealed.LinkID]time.Time // since when nothing of calls that began before is recorded; owned by writing
	damaged  int
}

// Open loads the book. A link that was live when the app died is still live: it answers, and the call is empty. A
// record that can't be read is left on disk and counted by [Book.Damaged]. now is time.Now outside tests.
func Open(repo Repository, now func() time.Time) (*Book, error) {
	b := &Book{
		repo: repo, now: now, links: make(map[sealed.LinkID]Link), guests: newGuests(),
		browsers: make(map[copyKey][]string), calls: make(map[callKey]Call), erased: make(map[sealed.LinkID]time.Time),
	}
	records, err := repo.Links()
	if err != nil {
		return nil, unavailable(err)
	}
	for _, r := range records {
		l, err := r.link()
		if err != nil {
			b.damaged++
			continue
		}
		b.links[l.ID] = l
	}
	if err := b.loadCopies(); err != nil {
		return nil, err
	}
	if err := b.loadHistory(); err != nil {
		return nil, err
	}
	visitors, err := repo.Visitors()
	if err != nil {
		return nil, unavailable(err)
	}
	for _, v := range visitors {
		b.guests.putVisitor(v)
	}
	blocks, err := repo.Blocks()
	if err != nil {
		return nil, unavailable(err)
	}
	for _, block := range blocks {
		b.guests.putBlock(block)
	}
	return b, b.forget()
}

// loadCopies loads the copies of the links that were loaded.
func (b *Book) loadCopies() error {
	copies, err := b.repo.Copies()
	if err != nil {
		return unavailable(err)
	}
	for _, r := range copies {
		l, known := b.links[sealed.LinkID(r.LinkID)]
		c, err := r.copy()
		switch {
		case err != nil:
			b.damaged++
		case known:
			l.Copies = append(l.Copies, c)
			b.links[l.ID] = l
		}
	}
	for _, l := range b.links {
		slices.SortStableFunc(l.Copies, func(x, y Copy) int { return x.CreatedAt.Compare(y.CreatedAt) })
	}
	browsers, err := b.repo.Browsers()
	if err != nil {
		return unavailable(err)
	}
	for _, r := range browsers {
		key := copyKey{r.LinkID, r.CopyID}
		b.browsers[key] = append(b.browsers[key], r.Device)
	}
	return nil
}

// Damaged returns how many records of links and their copies could not be read.
func (b *Book) Damaged() int { return b.damaged }

// Create makes a link with new keys and a new secret. relay is the base of the public relay that the link uses from
// then on, "" for none.
func (b *Book) Create(relay string) (Link, error) {
	keys, err := sealed.NewLinkKeys()
	if err != nil {
		return Link{}, fmt.Errorf("links: %w", err)
	}
	b.writing.Lock()
	defer b.writing.Unlock()
	return b.put(Link{ID: keys.ID(), State: StateOpen, Keys: keys, Secret: sealed.NewSecret(), CreatedAt: b.time(), Relay: relay})
}

// List returns all links, newest first.
func (b *Book) List() []Link {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return slices.SortedFunc(maps.Values(b.links), func(x, y Link) int {
		return cmp.Or(y.CreatedAt.Compare(x.CreatedAt), cmp.Compare(x.ID, y.ID))
	})
}

// Get returns one link.
func (b *Book) Get(id sealed.LinkID) (Link, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	l, ok := b.links[id]
	if !ok {
		return Link{}, fault.New(fault.LinkNotFound, nil)
	}
	return l, nil
}

// Rename names a link. It cleans the name to what guests will see, and "" removes it. Fault: LinkNameInvalid for a
// name that is too long.
func (b *Book) Rename(id sealed.LinkID, name string) (Link, error) {
	name = signalling.CleanName(name)
	if len(name) > signalling.MaxNameBytes || signalling.Characters(name) > signalling.MaxName {
		return Link{}, fault.New(fault.LinkNameInvalid, nil)
	}
	return b.change(id, func(l *Link) error {
		l.Name = name
		return nil
	})
}

// SetDoor gives a link a direct door by its identity; nil takes it away. Faults: LinkSpent, LinkRemoved.
func (b *Book) SetDoor(id sealed.LinkID, identity []byte) (Link, error) {
	return b.change(id, func(l *Link) error {
		if err := l.ended(); err != nil {
			return err
		}
		l.Door, l.DoorAt = identity, ""
		return nil
	})
}

// HandOutDoor says that the address of a link's direct door has been handed out, and where it leads.
func (b *Book) HandOutDoor(id sealed.LinkID, at string) (Link, error) {
	return b.change(id, func(l *Link) error {
		if l.Door != nil {
			l.DoorAt = at
		}
		return nil
	})
}

// Enter says that a participant has entered the call, which makes the link live. Faults: LinkSpent, LinkRemoved.
func (b *Book) Enter(id sealed.LinkID) (Link, error) {
	return b.happen(id, EventEntered)
}

// Spend says that the last participant has left for good. A link that no participant entered stays open, as does one
// that stays after a call, and an ended one does not change.
func (b *Book) Spend(id sealed.LinkID) (Link, error) {
	l, err := b.Get(id)
	if err == nil && l.Stays(b.now()) {
		return b.happen(id, EventRested)
	}
	return b.happen(id, EventEmptied)
}

// End says that the time is past until which a link takes guests, and that nobody is in its call. It is spent.
func (b *Book) End(id sealed.LinkID) (Link, error) {
	return b.happen(id, EventOver)
}

// Remove removes a link in any state. Removing it again changes nothing.
func (b *Book) Remove(id sealed.LinkID) (Link, error) {
	return b.happen(id, EventRemoved)
}

// happen applies an event to a link.
func (b *Book) happen(id sealed.LinkID, e Event) (Link, error) {
	l, err := b.change(id, func(l *Link) error {
		next, err := Next(l.State, e)
		if err != nil {
			return err
		}
		if e == EventEntered {
			l.UsedAt = b.time()
		}
		if next.Ended() && !l.State.Ended() {
			l.EndedAt = b.time()
			l.Keys, l.Door, l.DoorAt = sealed.LinkKeys{}, nil, ""
		}
		l.State = next
		return nil
	})
	if err == nil && l.State.Ended() {
		// Old history that can't be deleted now is deleted later.
		b.writing.Lock()
		defer b.writing.Unlock()
		_ = b.forget()
	}
	return l, err
}

// change lets do change a link, writes the result to disk and then shows it. Without a difference it writes nothing.
func (b *Book) change(id sealed.LinkID, do func(*Link) error) (Link, error) {
	b.writing.Lock()
	defer b.writing.Unlock()
	old, err := b.Get(id)
	if err != nil {
		return Link{}, err
	}
	l := old
	if err := do(&l); err != nil {
		return Link{}, err
	}
	var changed []CopyRecord
	for i, c := range l.Copies {
		if i >= len(old.Copies) || c != old.Copies[i] {
			changed = append(changed, c.record(id))
		}
	}
	if len(changed) == 0 && reflect.DeepEqual(l.record(), old.record()) {
		return old, nil
	}
	l, err = b.put(l, changed...)
	if err != nil {
		return Link{}, err
	}
	// Copies that can't be forgotten now are forgotten later.
	for _, c := range l.surplusCopies() {
		if b.repo.DeleteCopy(string(id), c.ID) != nil {
			break
		}
		l.Copies = slices.DeleteFunc(slices.Clone(l.Copies), func(other Copy) bool { return other.ID == c.ID })
		b.mu.Lock()
		b.links[id] = l
		delete(b.browsers, copyKey{string(id), c.ID})
		b.mu.Unlock()
	}
	return l, nil
}

// put writes a link and those of its copies that have changed to disk, and then shows it. The caller holds b.writing.
func (b *Book) put(l Link, changed ...CopyRecord) (Link, error) {
	if err := b.repo.PutLink(l.record(), changed...); err != nil {
		return Link{}, unavailable(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.links[l.ID] = l
	return l, nil
}

// forget drops the links that ended first, beyond MaxEnded. The caller holds b.writing, or is the only user of the
// book.
func (b *Book) forget() error {
	ended := slices.DeleteFunc(b.List(), func(l Link) bool { return !l.State.Ended() })
	if len(ended) <= MaxEnded {
		return nil
	}
	slices.SortFunc(ended, func(x, y Link) int {
		return cmp.Or(y.EndedAt.Compare(x.EndedAt), cmp.Compare(x.ID, y.ID))
	})
	for _, l := range ended[MaxEnded:] {
		if err := b.drop(l.ID); err != nil {
			return err
		}
	}
	return nil
}

// time returns the current time with the precision of the repository.
func (b *Book) time() time.Time { return b.now().UTC().Truncate(time.Millisecond) }

// unavailable makes err the fault StoreUnavailable, unless it is a fault already.
func unavailable(err error) error {
	if fault.CodeOf(err) != fault.Internal {
		return err
	}
	return fault.New(fault.StoreUnavailable, fmt.Errorf("links: %w", err))
}

var errRecord = errors.New("links: record can't be read")
