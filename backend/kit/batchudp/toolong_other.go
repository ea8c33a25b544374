//go:build !windows && (!linux || porch_udp_other)

package batchudp

// tooLong is false, because these systems cut what does not fit and say nothing.
func tooLong(error) bool { return false }
