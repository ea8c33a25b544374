//go:build !windows && (!linux || !cgo)

package desktop

// demandAttention does nothing: on macOS the notification and the count in the window's title have to do.
func demandAttention(bool) {}
