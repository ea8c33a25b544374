// Package store keeps what Porch stores on disk: links, visitors, blocks, relays and settings. It is one SQLite
// database in the user's config folder.
//
// A Put returns only after its commit has reached the disk, so whatever is shown after it survives kill -9 and a
// power cut. Only one process at a time can open a store. Only their owner can read the files (0600 in a folder of
// 0700; on Windows the profile's permissions do that). Newer schemas are refused, and older ones are migrated.
//
// Rows are plain values. Their meaning belongs to the packages that store them. They contain keys and secrets, so no
// error and no log line of this package repeats a value.
package store
