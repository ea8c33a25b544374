-- Who was let in on a link. A device is a digest.
CREATE TABLE visitors (
	link_id    TEXT    NOT NULL REFERENCES links (id) ON DELETE CASCADE,
	device     TEXT    NOT NULL,
	name       TEXT    NOT NULL,
	times      INTEGER NOT NULL,
	first_seen INTEGER NOT NULL,
	last_seen  INTEGER NOT NULL,
	PRIMARY KEY (link_id, device)
) STRICT, WITHOUT ROWID;
