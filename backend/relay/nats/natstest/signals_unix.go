//go:build unix

package natstest

import "syscall"

// How a server is held and let go on.
const (
	stopSignal = syscall.SIGSTOP
	goOnSignal = syscall.SIGCONT
)
