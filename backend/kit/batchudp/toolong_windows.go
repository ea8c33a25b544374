package batchudp

import (
	"errors"

	"golang.org/x/sys/windows"
)

// tooLong reports whether a read failed because the datagram did not fit. Windows says so with an error, and drops the
// rest (WSAEMSGSIZE of recvfrom).
func tooLong(err error) bool { return errors.Is(err, windows.WSAEMSGSIZE) }
