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
