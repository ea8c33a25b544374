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
