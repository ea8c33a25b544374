//go:build !windows

package recording

import "syscall"

// diskFull are the errors of a disk without room, and of a file that may not grow.
var diskFull = []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG}
