//go:build !unix

package natstest

import "syscall"

// This system can't stop a process and let it go on, so sending these fails with
// an error.
const (
	stopSignal = syscall.Signal(0x13)
	goOnSignal = syscall.Signal(0x12)
)
