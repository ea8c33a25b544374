//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyDemand sends on asked when somebody wants the stats.
func notifyDemand(asked chan<- os.Signal) { signal.Notify(asked, syscall.SIGUSR1) }
