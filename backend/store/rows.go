package store

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"

	"github.com/porch-call/porch/backend/links"
)

// Package links stores its book here.
var _ links.Repository = (*Store)(nil)

// Relay is a row of relays: a public relay that the host uses. It holds the key and the invitation in the clear.
type Relay struct {
	URL     string // the base of addresses
	Token   string // an invitation; "" for none
	Key     []byte // the host's key, at this relay only
	AddedAt time.Time
}

// Format implements [fmt.Formatter] and hides the row's content.
func (Relay) Format(f fmt.State, _ rune) { fmt.Fprint(f, "row of relays") }

// LogValue implements [slog.LogValuer] and hides the row's content.
func (Relay) LogValue() slog.Value { return slog.StringValue("row of relays") }

// Links returns all links, oldest first.
func (s *Store) Links() ([]links.LinkRecord, error) {
	var all []links.LinkRecord
	err := s.query("read links",
		"SELECT id, name, state, keys, secret, created_at, used_at, ended_at, relay, door, door_at, ends, ends_at, opens_at, kept_at FROM links ORDER BY created_at, id",
		func(scan func(...any) error) error {
			var l links.LinkRecord
			err := scan(&l.ID, &l.Name, &l.State, &l.Keys, &l.Secret, moment{&l.CreatedAt}, moment{&l.UsedAt}, moment{&l.EndedAt}, &l.Relay, &l.Door, &l.DoorAt,
				&l.Ends, moment{&l.EndsAt}, moment{&l.OpensAt}, moment{&l.KeptAt})
			all = append(all, l)
			return err
		})
	return all, err
}

// PutLink adds a link with copies of it, or replaces those with the same ids. If it removes the keys, they are erased from the disk
// too, including the write-ahead log, as far as the file system allows.
func (s *Store) PutLink(l links.LinkRecord, copies ...links.CopyRecord) error {
	err := inTransaction(context.Background(), s.db, func(tx *sql.Tx) error {
		if err := putLink(tx, l); err != nil {
			return err
		}
		return putCopies(tx, copies)
	})
	if err != nil {
		return unavailable("put a link", err)
	}
	if len(l.Keys) == 0 {
		return s.destroyed(nil)
	}
	return nil
}

func putLink(tx *sql.Tx, l links.LinkRecord) error {
	var keys any // nil, because an empty []byte would be stored as an empty BLOB
	if len(l.Keys) > 0 {
		keys = l.Keys
	}
	var door any
	if len(l.Door) > 0 {
		door = l.Door
	}
	_, err := tx.Exec(`
		INSERT INTO links (id, name, state, keys, secret, created_at, used_at, ended_at, relay, door, door_at, ends, ends_at, opens_at, kept_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, state = excluded.state, keys = excluded.keys,
			secret = excluded.secret, created_at = excluded.created_at, used_at = excluded.used_at, ended_at = excluded.ended_at,
			relay = excluded.relay, door = excluded.door, door_at = excluded.door_at,
			ends = excluded.ends, ends_at = excluded.ends_at, opens_at = excluded.opens_at, kept_at = excluded.kept_at`,
		l.ID, l.Name, l.State, keys, l.Secret, millis(l.CreatedAt), millis(l.UsedAt), millis(l.EndedAt), l.Relay, door, l.DoorAt,
		l.Ends, millis(l.EndsAt), millis(l.OpensAt), millis(l.KeptAt))
	return err
}

func putCopies(tx *sql.Tx, copies []links.CopyRecord) error {
	for _, c := range copies {
		if _, err := tx.Exec(`
		INSERT INTO copies (link_id, id, name, secret, once, created_at, ended_at, end, used_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (link_id, id) DO UPDATE SET name = excluded.name, ended_at = excluded.ended_at, end = excluded.end, used_by = excluded.used_by`,
			c.LinkID, c.ID, c.Name, c.Secret, c.Once, millis(c.CreatedAt), millis(c.EndedAt), c.End, c.UsedBy); err != nil {
			return err
		}
	}
	return nil
}

// Copies returns the copies of all links, the oldest first.
func (s *Store) Copies() ([]links.CopyRecord, error) {
	var copies []links.CopyRecord
	err := s.query("read copies",
		"SELECT link_id, id, name, secret, once, created_at, ended_at, end, used_by FROM copies ORDER BY created_at, link_id, id",
		func(scan func(...any) error) error {
			var c links.CopyRecord
			err := scan(&c.LinkID, &c.ID, &c.Name, &c.Secret, &c.Once, moment{&c.CreatedAt}, moment{&c.EndedAt}, &c.End, &c.UsedBy)
			copies = append(copies, c)
			return err
		})
	return copies, err
}

// DeleteCopy deletes one copy with its secret and its browsers.
func (s *Store) DeleteCopy(linkID, id string) error {
	return s.destroyed(s.exec("delete a copy", "DELETE FROM copies WHERE link_id = ? AND id = ?", linkID, id))
}

// Browsers returns the browsers that have come by copies, the earliest first.
func (s *Store) Browsers() ([]links.BrowserRecord, error) {
	var browsers []links.BrowserRecord
	err := s.query("read browsers",
		"SELECT link_id, copy_id, device, at FROM browsers ORDER BY at, link_id, copy_id, device",
		func(scan func(...any) error) error {
			var b links.BrowserRecord
			err := scan(&b.LinkID, &b.CopyID, &b.Device, moment{&b.At})
			browsers = append(browsers, b)
			return err
		})
	return browsers, err
}

// PutBrowser adds a browser that has come by a copy. One that is there stays as it is.
func (s *Store) PutBrowser(b links.BrowserRecord) error {
	return s.exec("put a browser", "INSERT INTO browsers (link_id, copy_id, device, at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
		b.LinkID, b.CopyID, b.Device, millis(b.At))
}

// destroyed follows a write that removed a secret and ended with err. It empties the write-ahead log, which still
// contains the secret. The write is kept if this fails, and the next checkpoint empties the log.
func (s *Store) destroyed(err error) error {
	if err == nil {
		_ = s.exec("empty the log", "PRAGMA wal_checkpoint(TRUNCATE)")
	}
	return err
}

// DeleteLink deletes a link with its secret, any keys, and all that belongs to it.
func (s *Store) DeleteLink(id string) error {
	return s.destroyed(s.exec("delete a link", "DELETE FROM links WHERE id = ?", id))
}

// Calls returns the calls of all links, the earliest first.
func (s *Store) Calls() ([]links.CallRecord, error) {
	var calls []links.CallRecord
	err := s.query("read calls",
		"SELECT link_id, began, ended, sent, received FROM calls ORDER BY began, link_id",
		func(scan func(...any) error) error {
			var c links.CallRecord
			err := scan(&c.LinkID, moment{&c.Began}, moment{&c.Ended}, &c.Sent, &c.Received)
			calls = append(calls, c)
			return err
		})
	return calls, err
}

// Visits returns the visits of all calls.
func (s *Store) Visits() ([]links.VisitRecord, error) {
	var visits []links.VisitRecord
	err := s.query("read visits",
		"SELECT link_id, began, number, name, came, gone FROM visits ORDER BY link_id, began, number",
		func(scan func(...any) error) error {
			var v links.VisitRecord
			err := scan(&v.LinkID, moment{&v.Began}, &v.Number, &v.Name, moment{&v.Came}, moment{&v.Gone})
			visits = append(visits, v)
			return err
		})
	return visits, err
}

// PutCall adds a call with visits, or replaces those with the same numbers.
func (s *Store) PutCall(c links.CallRecord, visits ...links.VisitRecord) error {
	err := inTransaction(context.Background(), s.db, func(tx *sql.Tx) error {
		if _, err := tx.Exec(`
		INSERT INTO calls (link_id, began, ended, sent, received) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (link_id, began) DO UPDATE SET ended = excluded.ended, sent = excluded.sent, received = excluded.received`,
			c.LinkID, millis(c.Began), millis(c.Ended), c.Sent, c.Received); err != nil {
			return err
		}
		for _, v := range visits {
			if _, err := tx.Exec(`
		INSERT INTO visits (link_id, began, number, name, came, gone) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (link_id, began, number) DO UPDATE SET name = excluded.name, came = excluded.came, gone = excluded.gone`,
				v.LinkID, millis(v.Began), v.Number, v.Name, millis(v.Came), millis(v.Gone)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return unavailable("put a call", err)
	}
	return nil
}

// DeleteCall deletes one call with its visits.
func (s *Store) DeleteCall(linkID string, began time.Time) error {
	return s.exec("delete a call", "DELETE FROM calls WHERE link_id = ? AND began = ?", linkID, millis(began))
}

// EraseHistory deletes the calls of a link, its visitors, and the browsers that came by its copies, and puts the link.
func (s *Store) EraseHistory(l links.LinkRecord) error {
	err := inTransaction(context.Background(), s.db, func(tx *sql.Tx) error {
		for _, table := range []string{"calls", "visitors", "browsers"} {
			if _, err := tx.Exec("DELETE FROM "+table+" WHERE link_id = ?", l.ID); err != nil {
				return err
			}
		}
		return putLink(tx, l)
	})
	if err != nil {
		return unavailable("erase a history", err)
	}
	return s.destroyed(nil)
}

// Visitors returns all visitors, the one seen least recently first.
func (s *Store) Visitors() ([]links.VisitorRecord, error) {
	var visitors []links.VisitorRecord
	err := s.query("read visitors",
		"SELECT link_id, device, name, times, first_seen, last_seen FROM visitors ORDER BY last_seen, link_id, device",
		func(scan func(...any) error) error {
			var v links.VisitorRecord
			err := scan(&v.LinkID, &v.Device, &v.Name, &v.Times, moment{&v.FirstSeen}, moment{&v.LastSeen})
			visitors = append(visitors, v)
			return err
		})
	return visitors, err
}

// PutVisitor adds a visitor or replaces the one with the same link and device.
func (s *Store) PutVisitor(v links.VisitorRecord) error {
	return s.exec("put a visitor", `
		INSERT INTO visitors (link_id, device, name, times, first_seen, last_seen) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (link_id, device) DO UPDATE SET name = excluded.name, times = excluded.times,
			first_seen = excluded.first_seen, last_seen = excluded.last_seen`,
		v.LinkID, v.Device, v.Name, v.Times, millis(v.FirstSeen), millis(v.LastSeen))
}

// DeleteVisitor deletes one visitor.
func (s *Store) DeleteVisitor(linkID, device string) error {
	return s.exec("delete a visitor", "DELETE FROM visitors WHERE link_id = ? AND device = ?", linkID, device)
}

// Blocks returns all blocks, oldest first.
func (s *Store) Blocks() ([]links.BlockRecord, error) {
	var blocks []links.BlockRecord
	err := s.query("read blocks",
		"SELECT link_id, device, at FROM blocks ORDER BY at, link_id, device",
		func(scan func(...any) error) error {
			var b links.BlockRecord
			err := scan(&b.LinkID, &b.Device, moment{&b.At})
			blocks = append(blocks, b)
			return err
		})
	return blocks, err
}

// PutBlock adds a block or replaces the one with the same link and device.
func (s *Store) PutBlock(b links.BlockRecord) error {
	return s.exec("put a block", `
		INSERT INTO blocks (link_id, device, at) VALUES (?, ?, ?)
		ON CONFLICT (link_id, device) DO UPDATE SET at = excluded.at`,
		b.LinkID, b.Device, millis(b.At))
}

// DeleteBlock deletes one block.
func (s *Store) DeleteBlock(linkID, device string) error {
	return s.exec("delete a block", "DELETE FROM blocks WHERE link_id = ? AND device = ?", linkID, device)
}

// Relays returns all relays, in the order in which they were added.
func (s *Store) Relays() ([]Relay, error) {
	var relays []Relay
	err := s.query("read relays",
		"SELECT url, token, key, added_at FROM relays ORDER BY added_at, url",
		func(scan func(...any) error) error {
			var r Relay
			err := scan(&r.URL, &r.Token, &r.Key, moment{&r.AddedAt})
			relays = append(relays, r)
			return err
		})
	return relays, err
}

// PutRelay adds a relay or replaces the one with the same address. The replaced invitation and key are erased from
// the disk, as the keys of a link are.
func (s *Store) PutRelay(r Relay) error {
	return s.destroyed(s.exec("put a relay", `
		INSERT INTO relays (url, token, key, added_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (url) DO UPDATE SET token = excluded.token, key = excluded.key, added_at = excluded.added_at`,
		r.URL, r.Token, r.Key, millis(r.AddedAt)))
}

// DeleteRelay deletes a relay with its key and invitation. Links that were made on it stay.
func (s *Store) DeleteRelay(url string) error {
	return s.destroyed(s.exec("delete a relay", "DELETE FROM relays WHERE url = ?", url))
}
