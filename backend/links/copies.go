package links

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// How many copies a link may have, how many ended ones it remembers so that their holders can be told, and how many
// browsers are counted at each.
const (
	MaxCopies         = 50
	MaxEndedCopies    = 200
	MaxBrowsersOfCopy = 100
)

// CopyEnd is how an address of a link came to open it no longer.
type CopyEnd string

// The ends of copies.
const (
	CopyRemoved CopyEnd = "removed" // the host removed this copy
	CopyUsed    CopyEnd = "used"    // it was for one person, who has been let in
	CopyMoved   CopyEnd = "moved"   // it was the link's own address, before the link got a new one
)

// Copy is a further address of a link: another secret under the same keys.
type Copy struct {
	ID        string // names it in the host's window, and means nothing elsewhere
	Name      string // whom it is for
	Secret    sealed.Secret
	Once      bool      // for one person only
	CreatedAt time.Time // of an address that the link had before: when it got a new one
	EndedAt   time.Time // zero while it opens the link
	End       CopyEnd   // "" while it opens the link
	UsedBy    string    // digest of the browser that a copy for one person has let in
}

// Format implements [fmt.Formatter] and hides the copy's content.
func (Copy) Format(f fmt.State, _ rune) { fmt.Fprint(f, "copy") }

// Opens reports whether the copy opens the link to a browser. One for one person stays open to that person's browser.
func (c Copy) Opens(device string) bool {
	return c.End == "" || c.End == CopyUsed && c.UsedBy == digest(device)
}

// Through returns by which address of the link a guest comes who shows a secret. It returns the zero Copy for the link's
// own address, and false for a secret that never was one of this link, or was forgotten. It compares in constant time.
func (l Link) Through(secret sealed.Secret) (through Copy, known bool) {
	known = secret.Equal(l.Secret)
	for _, c := range l.Copies {
		if secret.Equal(c.Secret) {
			through, known = c, true
		}
	}
	return through, known
}

// Secrets returns all secrets of the link, also those that no longer open it.
func (l Link) Secrets() []sealed.Secret {
	secrets := []sealed.Secret{l.Secret}
	for _, c := range l.Copies {
		secrets = append(secrets, c.Secret)
	}
	return secrets
}

// Copy returns a copy of the link. ok is false if there is none with this id.
func (l Link) Copy(id string) (c Copy, ok bool) {
	i := slices.IndexFunc(l.Copies, func(c Copy) bool { return c.ID == id })
	if i < 0 {
		return Copy{}, false
	}
	return l.Copies[i], true
}

// NewCopy gives a link a further address. Faults: LinkSpent, LinkRemoved, CopiesFull, and LinkNameInvalid for a name that
// is empty or too long.
func (b *Book) NewCopy(id sealed.LinkID, name string, once bool) (c Copy, err error) {
	name = signalling.CleanName(name)
	if name == "" || len(name) > signalling.MaxNameBytes || signalling.Characters(name) > signalling.MaxName {
		return Copy{}, fault.New(fault.LinkNameInvalid, nil)
	}
	c = Copy{ID: newCopyID(), Name: name, Secret: sealed.NewSecret(), Once: once, CreatedAt: b.time()}
	_, err = b.change(id, func(l *Link) error {
		if err := l.ended(); err != nil {
			return err
		}
		open := 0
		for _, other := range l.Copies {
			if other.End == "" {
				open++
			}
		}
		if open >= MaxCopies {
			return fault.New(fault.CopiesFull, nil)
		}
		l.Copies = append(slices.Clone(l.Copies), c)
		return nil
	})
	return c, err
}

// RemoveCopy takes a copy away: it no longer opens the link. Removing it again changes nothing. Fault: LinkNotFound, also
// for an unknown copy.
func (b *Book) RemoveCopy(id sealed.LinkID, copyID string) error {
	return b.changeCopy(id, copyID, func(c *Copy) error {
		if c.End != CopyMoved {
			c.end(CopyRemoved, b.time())
		}
		return nil
	})
}

// UseCopy says that a browser is let in by a copy for one person, which then opens the link to no other. Fault: LinkSpent,
// if another browser has been let in by it, or the copy is removed.
func (b *Book) UseCopy(id sealed.LinkID, copyID, device string) error {
	return b.changeCopy(id, copyID, func(c *Copy) error {
		switch {
		case !c.Opens(device):
			return fault.New(fault.LinkSpent, nil)
		case c.Once && c.End == "":
			c.end(CopyUsed, b.time())
			c.UsedBy = digest(device)
		}
		return nil
	})
}

// end ends a copy. The time of the first end stays.
func (c *Copy) end(how CopyEnd, at time.Time) {
	if c.End == "" {
		c.EndedAt = at
	}
	c.End = how
}

// changeCopy lets do change one copy of a link.
func (b *Book) changeCopy(id sealed.LinkID, copyID string, do func(*Copy) error) error {
	_, err := b.change(id, func(l *Link) error {
		i := slices.IndexFunc(l.Copies, func(c Copy) bool { return c.ID == copyID })
		if i < 0 {
			return fault.New(fault.LinkNotFound, nil)
		}
		l.Copies = slices.Clone(l.Copies)
		return do(&l.Copies[i])
	})
	return err
}

// NewAddress gives a link another secret of its own. The one of before no longer opens it, and is remembered so that
// whoever comes with it can be told. Copies stay. Faults: LinkSpent, LinkRemoved.
func (b *Book) NewAddress(id sealed.LinkID) (Link, error) {
	return b.change(id, func(l *Link) error {
		if err := l.ended(); err != nil {
			return err
		}
		now := b.time()
		l.Copies = append(slices.Clone(l.Copies), Copy{
			ID: newCopyID(), Secret: l.Secret, CreatedAt: now, EndedAt: now, End: CopyMoved,
		})
		l.Secret = sealed.NewSecret()
		return nil
	})
}

// ended returns the fault of a link that has ended, nil for one that can be opened.
func (l Link) ended() error {
	switch l.State {
	case StateSpent:
		return fault.New(fault.LinkSpent, nil)
	case StateRemoved:
		return fault.New(fault.LinkRemoved, nil)
	default:
		return nil
	}
}

// surplusCopies returns the ended copies of a link that are forgotten: those that ended first, beyond MaxEndedCopies.
func (l Link) surplusCopies() []Copy {
	ended := slices.DeleteFunc(slices.Clone(l.Copies), func(c Copy) bool { return c.End == "" })
	if len(ended) <= MaxEndedCopies {
		return nil
	}
	slices.SortFunc(ended, func(x, y Copy) int {
		return cmp.Or(x.EndedAt.Compare(y.EndedAt), cmp.Compare(x.ID, y.ID))
	})
	return ended[:len(ended)-MaxEndedCopies]
}

// Browser returns which of the browsers that came by a copy this one is: 1 for the first, at most MaxBrowsersOfCopy. A
// browser that has not come yet is the next one.
func (b *Book) Browser(id sealed.LinkID, copyID, device string) int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	of := b.browsers[copyKey{string(id), copyID}]
	if i := slices.Index(of, digest(device)); i >= 0 {
		return i + 1
	}
	return min(len(of)+1, MaxBrowsersOfCopy)
}

// Browsers returns how many browsers have come by a copy, at most MaxBrowsersOfCopy.
func (b *Book) Browsers(id sealed.LinkID, copyID string) int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.browsers[copyKey{string(id), copyID}])
}

// RecordBrowser remembers that a browser has come by a copy. changed is false if that was known, or is no longer counted.
func (b *Book) RecordBrowser(id sealed.LinkID, copyID, device string) (changed bool, err error) {
	b.writing.Lock()
	defer b.writing.Unlock()
	l, err := b.Get(id)
	if err != nil {
		return false, err
	}
	if _, ok := l.Copy(copyID); !ok {
		return false, fault.New(fault.LinkNotFound, nil)
	}
	key, device := copyKey{string(id), copyID}, digest(device)
	b.mu.RLock()
	of := b.browsers[key]
	b.mu.RUnlock()
	if len(of) >= MaxBrowsersOfCopy || slices.Contains(of, device) {
		return false, nil
	}
	r := BrowserRecord{LinkID: key.link, CopyID: key.copy, Device: device, At: b.time()}
	if err := b.repo.PutBrowser(r); err != nil {
		return false, unavailable(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.browsers[key] = append(of, device)
	return true, nil
}

// copyKey is a copy of a link, by their ids.
type copyKey struct{ link, copy string }

func newCopyID() string {
	b := make([]byte, 9)
	rand.Read(b) // never fails
	return b64.EncodeToString(b)
}
