//go:build !unix

package main

import "os"

// notifyDemand does nothing, because this system has no such signal.
func notifyDemand(chan<- os.Signal) {}
