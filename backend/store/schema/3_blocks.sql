-- Devices that may not knock on a link again.
CREATE TABLE blocks (
	link_id TEXT    NOT NULL REFERENCES links (id) ON DELETE CASCADE,
	device  TEXT    NOT NULL,
	at      INTEGER NOT NULL,
	PRIMARY KEY (link_id, device)
) STRICT, WITHOUT ROWID;
