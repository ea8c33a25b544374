//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyDemand sends on asked at each SIGUSR1, which asks for the stats.
func notifyDemand(asked chan<- os.Signal) { signal.Notify(asked, syscall.SIGUSR1) }
