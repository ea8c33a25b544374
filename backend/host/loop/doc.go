// Package loop provides the goroutine that owns the host's state, and counts
// the goroutines that must end before the host has closed.
package loop
