package freeport

import (
	"net"
	"testing"
	"time"
)

func TestTake(t *testing.T) {
	taken := make(map[int]bool)
	for range 50 {
		ports, release, err := Take(3)
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		for _, p := range ports {
			if taken[p] || p < first || p >= 32768 {
				t.Errorf("port %d", p)
			}
			taken[p] = true
			l, err := net.Listen("tcp", address(p))
			if err != nil {
				t.Fatal(err)
			}
			l.Close()
		}
	}
}

func TestReleased(t *testing.T) {
	ports, release, err := Take(1)
	if err != nil {
		t.Fatal(err)
	}
	if l, err := net.Listen("tcp", address(ports[0]+1)); err == nil {
		l.Close()
		t.Error("not held")
	}
	release()
	for range 100 { // another process may hold this one for a while
		l, err := net.Listen("tcp", address(ports[0]+1))
		if err == nil {
			l.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Error("not released")
}
