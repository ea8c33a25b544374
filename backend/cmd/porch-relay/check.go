package main

import (
	"errors"
	"io"
)

// errCheck says that something is wrong, which has been said already.
var errCheck = errors.New("check: something is wrong")

func runCheck(args []string, environment map[string]string, stdout, stderr io.Writer) error {
	return nil
}
