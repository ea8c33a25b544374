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
