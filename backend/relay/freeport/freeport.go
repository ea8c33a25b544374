// Package freeport finds ports for programs that are told where to listen, in
// tests and measurements.
//
// A port that the system gives out for "0" and takes back may go to another
// program before this one has started. The ports of this package are not among
// those that systems give out. A process that asks here gets ports that no other
// process has taken here and not released.
package freeport

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
)

// The ports are even. Listening on the odd port above one reserves it. All are
// below those that systems give out by themselves (Linux: from 32768).
const (
	first = 20000
	pairs = 6000
)

// Take returns n ports of 127.0.0.1 that are free for TCP and UDP. Call release
// when they are not needed any more.
func Take(n int) (ports []int, release func(), err error) {
	var held []io.Closer
	release = func() {
		for _, h := range held {
			h.Close()
		}
	}
	at := rand.IntN(pairs)
	for range pairs {
		port := first + 2*at
		at = (at + 1) % pairs
		hold, err := net.Listen("tcp", address(port+1))
		if err != nil {
			continue // in use
		}
		if !free(port) {
			hold.Close()
			continue
		}
		held, ports = append(held, hold), append(ports, port)
		if len(ports) == n {
			return ports, release, nil
		}
	}
	release()
	return nil, nil, errors.New("freeport: there is none")
}

func free(port int) bool {
	l, err := net.Listen("tcp", address(port))
	if err != nil {
		return false
	}
	defer l.Close()
	c, err := net.ListenPacket("udp", address(port))
	if err != nil {
		return false
	}
	defer c.Close()
	return true
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
