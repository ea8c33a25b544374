// Package store is what Porch keeps on disk: links, who has been in, blocks and
// settings, in one SQLite database in the user's config folder.
//
// A Put has returned only after its commit has reached the disk: whatever is
// shown after it survives kill -9 and a power cut. Only one process at a time
// opens a store. Files can be read by their owner alone (0600 in a folder of
// 0700; on Windows the profile's own permissions do that). Newer schemas are
// refused, older ones migrated.
//
// Rows are plain values: their meaning belongs to whoever keeps them. Keys and
// secrets are in them; no error and no log line of this package repeats a value.
package store
