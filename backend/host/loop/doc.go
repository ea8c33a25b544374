// Package loop has the goroutine that owns the host's state, and counts those
// that end before the host has closed.
package loop
