//go:build !linux

package netaddr

// isTap is told by names and flags elsewhere.
func isTap(string) bool { return false }

// defaultRoutes is not asked for elsewhere: where the way to the internet is a
// tunnel, private addresses come first.
func defaultRoutes() []string { return nil }
