//go:build !linux

package netaddr

// isTap returns false, because names and flags tell taps here.
func isTap(string) bool { return false }

// defaultRoutes returns none here. If the way to the internet is a tunnel,
// private addresses come first instead.
func defaultRoutes() []string { return nil }
