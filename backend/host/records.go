package host

import (
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/store"
)

// Records lets the book of links keep itself in the store. Both declare the
// same rows, since neither may import the other.
func Records(s *store.Store) links.Repository { return records{s} }

type records struct{ store *store.Store }

func (r records) Links() ([]links.LinkRecord, error) {
	rows, err := r.store.Links()
	return convert(rows, func(l store.Link) links.LinkRecord { return links.LinkRecord(l) }), err
}

func (r records) PutLink(l links.LinkRecord) error { return r.store.PutLink(store.Link(l)) }

func (r records) DeleteLink(id string) error { return r.store.DeleteLink(id) }

func (r records) Visitors() ([]links.VisitorRecord, error) {
	rows, err := r.store.Visitors()
	return convert(rows, func(v store.Visitor) links.VisitorRecord { return links.VisitorRecord(v) }), err
}

func (r records) PutVisitor(v links.VisitorRecord) error { return r.store.PutVisitor(store.Visitor(v)) }

func (r records) DeleteVisitor(linkID, device string) error {
	return r.store.DeleteVisitor(linkID, device)
}

func (r records) Blocks() ([]links.BlockRecord, error) {
	rows, err := r.store.Blocks()
	return convert(rows, func(b store.Block) links.BlockRecord { return links.BlockRecord(b) }), err
}

func (r records) PutBlock(b links.BlockRecord) error { return r.store.PutBlock(store.Block(b)) }

func (r records) DeleteBlock(linkID, device string) error { return r.store.DeleteBlock(linkID, device) }

func convert[A, B any](rows []A, one func(A) B) []B {
	out := make([]B, len(rows))
	for i, row := range rows {
		out[i] = one(row)
	}
	return out
}
