//go:build !linux

// Porch-lab is the laboratory of media. It needs Linux.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "porch-lab: the laboratory needs Linux")
	os.Exit(1)
}
