//go:build !unix

package natstest

import "syscall"

// There is no holding a process on this system: sending these fails, and says so.
const (
	stopSignal = syscall.Signal(0x13)
	goOnSignal = syscall.Signal(0x12)
)
