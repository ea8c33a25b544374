-- The host's links. Times are Unix milliseconds, NULL for never.
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

-- What the host has chosen, as JSON.
CREATE TABLE settings (
	key   TEXT NOT NULL PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
