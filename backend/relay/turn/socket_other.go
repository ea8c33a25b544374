//go:build !linux

package turn

import (
	"syscall"
)

const canShare = false

func prepare(syscall.RawConn, bool) error { return nil }
