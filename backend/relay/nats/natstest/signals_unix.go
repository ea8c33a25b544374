//go:build unix

package natstest

import "syscall"

// The signals that stop a server and let it go on.
const (
	stopSignal = syscall.SIGSTOP
	goOnSignal = syscall.SIGCONT
)
