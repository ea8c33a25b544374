// Package freeport finds ports for programs that are told where to listen, as
// tests and measurements tell them.
//
// A port that the system gives out for "0" and takes back may be given to
// somebody else before the program has started. These are not among those that
// it gives out, and who asks here, in any process, gets others until they are
// released.
package freeport

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
)

// The ports are even: who holds the one above it has it. All are below those
// that systems give out by themselves (Linux: from 32768).
const (
	first = 20000
	pairs = 6000
)

// Take returns n ports at which nobody listens on 127.0.0.1, neither for TCP nor
// for UDP. release may be called once they are not needed any more.
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
			continue // somebody's
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
