package files

import (
	"time"

	"golang.org/x/time/rate"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

// How many files may be offered.
const (
	offersEvery = 10 * time.Second // by one participant
	offersBurst = 6
	openOfOne   = 16 // not over yet, of one participant
	openOfAll   = 128
)

// Book says which files are offered, and by whom. It is not safe for concurrent use. The zero value is empty.
type Book struct {
	open map[uint64]string // participants, by the chat line that offers the file
}

// Pace bounds how often one participant offers a file.
func Pace() *rate.Limiter { return rate.NewLimiter(rate.Every(offersEvery), offersBurst) }

// Offer returns the file that a participant may offer now, with its clean name and its kind. The faults are TooFast and
// FilesFull.
func (b *Book) Offer(owner string, pace *rate.Limiter, a signalling.Attach, now time.Time) (*signalling.OfferedFile, error) {
	if !pace.AllowN(now, 1) {
		return nil, fault.New(fault.TooFast, nil)
	}
	own := 0
	for _, o := range b.open {
		if o == owner {
			own++
		}
	}
	if own >= openOfOne || len(b.open) >= openOfAll {
		return nil, fault.New(fault.FilesFull, nil)
	}
	name := Clean(a.Name)
	return &signalling.OfferedFile{Name: name, Size: a.Size, Kind: KindOf(name)}, nil
}

// Add notes that a chat line offers a file.
func (b *Book) Add(line uint64, owner string) {
	if b.open == nil {
		b.open = make(map[uint64]string)
	}
	b.open[line] = owner
}

// Owner returns who offers the file of a chat line, if it is not over.
func (b *Book) Owner(line uint64) (owner string, ok bool) {
	owner, ok = b.open[line]
	return owner, ok
}

// Over notes that an offer is over. It reports whether it was not before.
func (b *Book) Over(line uint64) bool {
	_, ok := b.open[line]
	delete(b.open, line)
	return ok
}

// Of returns the chat lines of all that a participant offers.
func (b *Book) Of(owner string) (lines []uint64) {
	for line, o := range b.open {
		if o == owner {
			lines = append(lines, line)
		}
	}
	return lines
}
