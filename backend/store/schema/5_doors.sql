-- The direct door of a link: its DTLS certificate with the key, NULL if the link has none or has ended. door_at says to
-- which addresses the address led that was handed out last; '' for none.
ALTER TABLE links ADD COLUMN door BLOB;
ALTER TABLE links ADD COLUMN door_at TEXT NOT NULL DEFAULT '';
