//go:build !unix

package main

import "os"

// notifyDemand does nothing: there is no signal for it.
func notifyDemand(chan<- os.Signal) {}
