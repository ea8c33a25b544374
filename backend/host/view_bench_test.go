package host

import (
	"fmt"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/host/ways"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/lobby"
	"github.com/porch-call/porch/backend/notify"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// history is a repository with many links, each with many visitors.
type history struct {
	links    []links.LinkRecord
	visitors []links.VisitorRecord
}

func newHistory(b *testing.B, count, visitors int) history {
	var h history
	now := time.Now().UTC().Truncate(time.Millisecond)
	for i := range count {
		keys, err := sealed.NewLinkKeys()
		if err != nil {
			b.Fatal(err)
		}
		secret := sealed.NewSecret()
		h.links = append(h.links, links.LinkRecord{
			ID: string(keys.ID()), State: string(links.StateLive), Keys: keys.Bytes(), Secret: secret[:],
			CreatedAt: now.Add(time.Duration(i) * time.Second), UsedAt: now,
		})
		for j := range visitors {
			h.visitors = append(h.visitors, links.VisitorRecord{
				LinkID: string(keys.ID()), Device: fmt.Sprint(j), Name: fmt.Sprint("Guest ", j),
				Times: 1, FirstSeen: now, LastSeen: now.Add(time.Duration(j) * time.Second),
			})
		}
	}
	return h
}

func (h history) Links() ([]links.LinkRecord, error)                 { return h.links, nil }
func (h history) Visitors() ([]links.VisitorRecord, error)           { return h.visitors, nil }
func (history) Blocks() ([]links.BlockRecord, error)                 { return nil, nil }
func (history) PutLink(links.LinkRecord, ...links.CopyRecord) error  { return nil }
func (history) Copies() ([]links.CopyRecord, error)                  { return nil, nil }
func (history) DeleteCopy(string, string) error                      { return nil }
func (history) Browsers() ([]links.BrowserRecord, error)             { return nil, nil }
func (history) Calls() ([]links.CallRecord, error)                   { return nil, nil }
func (history) Visits() ([]links.VisitRecord, error)                 { return nil, nil }
func (history) PutCall(links.CallRecord, ...links.VisitRecord) error { return nil }
func (history) DeleteCall(string, time.Time) error                   { return nil }
func (history) EraseHistory(links.LinkRecord) error                  { return nil }
func (history) PutBrowser(links.BrowserRecord) error                 { return nil }
func (history) PutVisitor(links.VisitorRecord) error                 { return nil }
func (history) PutBlock(links.BlockRecord) error                     { return nil }
func (history) DeleteLink(string) error                              { return nil }
func (history) DeleteVisitor(string, string) error                   { return nil }
func (history) DeleteBlock(string, string) error                     { return nil }

// BenchmarkPublish measures the task that a knock causes on the loop, in a host
// with 200 links that each had 50 visitors.
func BenchmarkPublish(b *testing.B) {
	book, err := links.Open(newHistory(b, 200, 50), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	h := &Host{
		book:      book,
		relay:     board{Memory: switchboard.NewMemory(1, 1)},
		openLinks: make(map[sealed.LinkID]*openLink),
		parts:     make(map[sealed.LinkID]parts),
		settings:  hoststate.DefaultSettings(),
		ways:      ways.New(ways.Options{}),
		publisher: hoststate.NewPublisher(),
		center:    notify.NewCenter(notify.Options{Notifier: newRecorder()}),
	}
	defer h.center.Close()
	for _, l := range book.List() {
		h.openLinks[l.ID] = &openLink{host: h, id: l.ID, ways: h.ways.Link(l, nil)}
	}
	o := h.openLinks[book.List()[0].ID]
	knock := lobby.Snapshot{Requests: []lobby.Request{{ID: "request", Name: "Ada", Bell: signalling.BellSilenced, Since: time.Now()}}}
	for on := true; b.Loop(); on = !on {
		snapshot := lobby.Snapshot{}
		if on {
			snapshot = knock
		}
		o.lobbyChanged(snapshot)
		h.publish()
	}
}
