CREATE TABLE links (
	id         TEXT    NOT NULL PRIMARY KEY,
	name       TEXT    NOT NULL,
	state      TEXT    NOT NULL,
	keys       BLOB,             -- NULL once the link has ended
	secret     BLOB    NOT NULL,
	created_at INTEGER NOT NULL,
	used_at    INTEGER,
	ended_at   INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
	key   TEXT NOT NULL PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE visitors (
	link_id    TEXT    NOT NULL REFERENCES links (id) ON DELETE CASCADE,
	device     TEXT    NOT NULL,
	name       TEXT    NOT NULL,
	times      INTEGER NOT NULL,
	first_seen INTEGER NOT NULL,
	last_seen  INTEGER NOT NULL,
	PRIMARY KEY (link_id, device)
) STRICT, WITHOUT ROWID;
CREATE TABLE blocks (
	link_id TEXT    NOT NULL REFERENCES links (id) ON DELETE CASCADE,
	device  TEXT    NOT NULL,
	at      INTEGER NOT NULL,
	PRIMARY KEY (link_id, device)
) STRICT, WITHOUT ROWID;
CREATE TABLE relays (
	url      TEXT    NOT NULL PRIMARY KEY, -- the base of addresses
	token    TEXT    NOT NULL,             -- an invitation; '' for none
	key      BLOB    NOT NULL,
	added_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
ALTER TABLE links ADD COLUMN relay TEXT NOT NULL DEFAULT '';
ALTER TABLE links ADD COLUMN door BLOB;
ALTER TABLE links ADD COLUMN door_at TEXT NOT NULL DEFAULT '';
-- Further addresses of a link: copies for somebody, and the link's own addresses of before it got a new one.
CREATE TABLE copies (
	link_id    TEXT    NOT NULL REFERENCES links (id) ON DELETE CASCADE,
	id         TEXT    NOT NULL,
	name       TEXT    NOT NULL,
	secret     BLOB    NOT NULL,
	once       INTEGER NOT NULL, -- 1: for one person only
	created_at INTEGER NOT NULL,
	ended_at   INTEGER,          -- NULL while it opens the link
	end        TEXT    NOT NULL, -- '' while it opens the link
	used_by    TEXT    NOT NULL, -- a device, as in visitors; '' for none
	PRIMARY KEY (link_id, id)
) STRICT, WITHOUT ROWID;

-- Which browsers have come by a copy. A device is a digest.
CREATE TABLE browsers (
	link_id TEXT    NOT NULL,
	copy_id TEXT    NOT NULL,
	device  TEXT    NOT NULL,
	at      INTEGER NOT NULL,
	PRIMARY KEY (link_id, copy_id, device),
	FOREIGN KEY (link_id, copy_id) REFERENCES copies (link_id, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- Browsers that were let in, by a digest of the key that they keep for this host and have proved.
CREATE TABLE acquaintances (
	browser    TEXT    NOT NULL PRIMARY KEY,
	name       TEXT    NOT NULL,
	times      INTEGER NOT NULL,
	first_seen INTEGER NOT NULL,
	last_seen  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Browsers that are always let in: through one link, or through all where link_id is ''.
CREATE TABLE standings (
	browser TEXT    NOT NULL REFERENCES acquaintances (browser) ON DELETE CASCADE,
	link_id TEXT    NOT NULL,
	at      INTEGER NOT NULL,
	PRIMARY KEY (browser, link_id)
) STRICT, WITHOUT ROWID;

-- What the host has decided at a link's door: that it is locked (guest ''), and how often a device was declined.
CREATE TABLE refusals (
	link_id TEXT    NOT NULL REFERENCES links (id) ON DELETE CASCADE,
	guest   TEXT    NOT NULL,
	times   INTEGER NOT NULL,
	at      INTEGER NOT NULL,
	PRIMARY KEY (link_id, guest)
) STRICT, WITHOUT ROWID;
-- When a link ends: '' when everyone has left, 'at' a time, or 'keep'; when it opens, NULL for at once; and when its host
-- last said to keep it although it is not used.
ALTER TABLE links ADD COLUMN ends TEXT NOT NULL DEFAULT '';
ALTER TABLE links ADD COLUMN ends_at INTEGER;
ALTER TABLE links ADD COLUMN opens_at INTEGER;
ALTER TABLE links ADD COLUMN kept_at INTEGER;

-- The calls of a link in which guests were, with bytes of media.
CREATE TABLE calls (
	link_id  TEXT    NOT NULL REFERENCES links (id) ON DELETE CASCADE,
	began    INTEGER NOT NULL,
	ended    INTEGER,          -- NULL while it goes on, and if the app died in it
	sent     INTEGER NOT NULL,
	received INTEGER NOT NULL,
	PRIMARY KEY (link_id, began)
) STRICT, WITHOUT ROWID;

-- Who was in a call, and how long.
CREATE TABLE visits (
	link_id TEXT    NOT NULL,
	began   INTEGER NOT NULL, -- of the call
	number  INTEGER NOT NULL, -- in the call
	name    TEXT    NOT NULL,
	came    INTEGER NOT NULL,
	gone    INTEGER,          -- NULL as for calls
	PRIMARY KEY (link_id, began, number),
	FOREIGN KEY (link_id, began) REFERENCES calls (link_id, began) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

INSERT INTO links VALUES ('one', 'Grandma 🎂', 'open', x'010002', x'0304', 1000, NULL, NULL, 'https://porch.example', NULL, '', 'at', 5000, 4000, 3000);
INSERT INTO links VALUES ('two', '', 'live', x'05', x'06', 2001, 3002, NULL, '', x'0809', '192.0.2.1:5000', '', NULL, NULL, NULL);
INSERT INTO links VALUES ('six', '', 'spent', NULL, x'07', 2001, 4, 1800000000123, '', NULL, '', '', NULL, NULL, NULL);
INSERT INTO settings VALUES ('name', '"Zoë"');
INSERT INTO visitors VALUES ('two', 'b', 'Bob', 1, 10, 10);
INSERT INTO visitors VALUES ('two', 'a', '''; DROP TABLE links; --', 3, 10, 20);
INSERT INTO visitors VALUES ('one', 'a', 'Ann', 1, 30, 30);
INSERT INTO blocks VALUES ('two', 'c', 40);
INSERT INTO blocks VALUES ('one', 'c', 50);
INSERT INTO relays VALUES ('https://porch.example', '', x'09', 60);
INSERT INTO relays VALUES ('https://relay.example:8443', 'invited', x'0a0b', 70);
INSERT INTO copies VALUES ('one', 'k', 'the choir', x'0c', 0, 80, NULL, '', '');
INSERT INTO copies VALUES ('one', 'l', 'Ada', x'0d', 1, 90, 100, 'used', 'a');
INSERT INTO copies VALUES ('two', 'k', '', x'0e', 0, 110, 120, 'moved', '');
INSERT INTO browsers VALUES ('one', 'k', 'b', 91);
INSERT INTO browsers VALUES ('one', 'k', 'a', 92);
INSERT INTO acquaintances VALUES ('b1', 'Ann', 2, 10, 20);
INSERT INTO standings VALUES ('b1', '', 30);
INSERT INTO standings VALUES ('b1', 'one', 40);
INSERT INTO refusals VALUES ('one', '', 1, 50);
INSERT INTO refusals VALUES ('one', 'g', 2, 60);
INSERT INTO calls VALUES ('two', 200, 210, 1099511627776, 3);
INSERT INTO calls VALUES ('two', 220, NULL, 0, 0);
INSERT INTO visits VALUES ('two', 200, 0, 'Bob', 201, 209);
INSERT INTO visits VALUES ('two', 200, 1, '''; DROP TABLE links; --', 202, NULL);
INSERT INTO visits VALUES ('two', 220, 0, 'Bob', 221, NULL);
PRAGMA user_version = 8;
