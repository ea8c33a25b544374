package store

import "github.com/porch-call/porch/backend/acquaintances"

// Package acquaintances stores its book here.
var _ acquaintances.Repository = (*Store)(nil)

// Acquaintances returns all known browsers, the one seen least recently first.
func (s *Store) Acquaintances() ([]acquaintances.Record, error) {
	var all []acquaintances.Record
	err := s.query("read acquaintances",
		"SELECT browser, name, times, first_seen, last_seen FROM acquaintances ORDER BY last_seen, browser",
		func(scan func(...any) error) error {
			var r acquaintances.Record
			err := scan(&r.Browser, &r.Name, &r.Times, moment{&r.FirstSeen}, moment{&r.LastSeen})
			all = append(all, r)
			return err
		})
	return all, err
}

// PutAcquaintance adds a browser or replaces the one with the same digest.
func (s *Store) PutAcquaintance(r acquaintances.Record) error {
	return s.exec("put an acquaintance", `
		INSERT INTO acquaintances (browser, name, times, first_seen, last_seen) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (browser) DO UPDATE SET name = excluded.name, times = excluded.times,
			first_seen = excluded.first_seen, last_seen = excluded.last_seen`,
		r.Browser, r.Name, r.Times, millis(r.FirstSeen), millis(r.LastSeen))
}

// DeleteAcquaintance deletes a browser and its standings.
func (s *Store) DeleteAcquaintance(browser string) error {
	return s.exec("delete an acquaintance", "DELETE FROM acquaintances WHERE browser = ?", browser)
}

// Standings returns who is always let in.
func (s *Store) Standings() ([]acquaintances.Standing, error) {
	var all []acquaintances.Standing
	err := s.query("read standings", "SELECT browser, link_id, at FROM standings ORDER BY at, browser, link_id",
		func(scan func(...any) error) error {
			var r acquaintances.Standing
			err := scan(&r.Browser, &r.LinkID, moment{&r.At})
			all = append(all, r)
			return err
		})
	return all, err
}

// PutStanding adds a standing or replaces the one of the same browser and link.
func (s *Store) PutStanding(r acquaintances.Standing) error {
	return s.exec("put a standing", `
		INSERT INTO standings (browser, link_id, at) VALUES (?, ?, ?)
		ON CONFLICT (browser, link_id) DO UPDATE SET at = excluded.at`, r.Browser, r.LinkID, millis(r.At))
}

// DeleteStanding deletes a standing.
func (s *Store) DeleteStanding(browser, linkID string) error {
	return s.exec("delete a standing", "DELETE FROM standings WHERE browser = ? AND link_id = ?", browser, linkID)
}

// Refusals returns what was decided at the doors of links.
func (s *Store) Refusals() ([]acquaintances.Refusal, error) {
	var all []acquaintances.Refusal
	err := s.query("read refusals", "SELECT link_id, guest, times, at FROM refusals ORDER BY at, link_id, guest",
		func(scan func(...any) error) error {
			var r acquaintances.Refusal
			err := scan(&r.LinkID, &r.Guest, &r.Times, moment{&r.At})
			all = append(all, r)
			return err
		})
	return all, err
}

// PutRefusal adds a refusal or replaces the one of the same link and guest.
func (s *Store) PutRefusal(r acquaintances.Refusal) error {
	return s.exec("put a refusal", `
		INSERT INTO refusals (link_id, guest, times, at) VALUES (?, ?, ?, ?)
		ON CONFLICT (link_id, guest) DO UPDATE SET times = excluded.times, at = excluded.at`,
		r.LinkID, r.Guest, r.Times, millis(r.At))
}

// DeleteRefusal deletes a refusal.
func (s *Store) DeleteRefusal(linkID, guest string) error {
	return s.exec("delete a refusal", "DELETE FROM refusals WHERE link_id = ? AND guest = ?", linkID, guest)
}
