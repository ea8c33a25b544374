-- Public relays that this host uses. The key is the host's own at that relay:
-- a different one at each, so that they can't tell that it is the same host.
CREATE TABLE relays (
	url      TEXT    NOT NULL PRIMARY KEY, -- the base of addresses
	token    TEXT    NOT NULL,             -- an invitation; '' for none
	key      BLOB    NOT NULL,
	added_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The public relay on which a link was made; '' for none.
ALTER TABLE links ADD COLUMN relay TEXT NOT NULL DEFAULT '';
