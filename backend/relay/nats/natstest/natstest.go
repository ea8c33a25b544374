// Package natstest runs a real nats-server for tests, and a connection to it that
// can be cut.
package natstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/relay/freeport"
)

const patience = 20 * time.Second

// binary builds the server of go.mod; the build cache keeps it.
var binary = sync.OnceValues(func() (string, error) {
	cmd := exec.Command("go", "tool", "-n", "nats-server") // a test runs in its package's folder, so in the module
	// Without the flags of the tests' own build.
	cmd.Env = append(os.Environ(), "GOFLAGS=", "CGO_ENABLED=0")
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("natstest: build nats-server: %w: %s", err, problems.String())
	}
	return strings.TrimSpace(out.String()), nil
})

// Server is a nats-server process on 127.0.0.1.
type Server struct {
	t    testing.TB
	at   string
	args []string
	cmd  *exec.Cmd
}

// Start runs a server until the end of the test, with more arguments if any.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s := &Server{t: t, at: FreeAddresses(t, 1)[0], args: args}
	s.Run()
	t.Cleanup(s.Kill)
	return s
}

// FreeAddresses returns n addresses on loopback for servers of this test.
func FreeAddresses(t testing.TB, n int) []string {
	t.Helper()
	ports, release, err := freeport.Take(n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	out := make([]string, n)
	for i, port := range ports {
		out[i] = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	}
	return out
}

// Run starts the server at its port, for the first time or after Kill.
func (s *Server) Run() {
	s.t.Helper()
	path, err := binary()
	if err != nil {
		s.t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(s.at)
	if err != nil {
		s.t.Fatal(err)
	}
	s.cmd = exec.Command(path, append([]string{"-a", "127.0.0.1", "-p", port}, s.args...)...)
	var out bytes.Buffer
	s.cmd.Stdout, s.cmd.Stderr = &out, &out
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for end := time.Now().Add(patience); ; {
		c, err := net.Dial("tcp", s.Address())
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(end) {
			s.Kill()
			s.t.Fatalf("natstest: the server does not answer: %s", out.String())
		}
		time.Sleep(5 * time.Millisecond) // between tries
	}
}

// Address returns host:port.
func (s *Server) Address() string { return s.at }

// URL returns nats://host:port.
func (s *Server) URL() string { return "nats://" + s.Address() }

// Kill ends the server's process.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill() // it may have ended
	_ = s.cmd.Wait()
	s.cmd = nil
}

// Freeze stops the process without ending it; Thaw lets it go on.
func (s *Server) Freeze() { s.signal(stopSignal) }

// Thaw undoes Freeze.
func (s *Server) Thaw() { s.signal(goOnSignal) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Error(err)
	}
}

// Wire is a TCP proxy to a server that can be cut.
type Wire struct {
	to       string
	listener net.Listener
	wg       sync.WaitGroup

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]struct{}
}

// NewWire returns a wire to an address. The test's end closes it.
func NewWire(t testing.TB, to string) *Wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &Wire{to: to, listener: l, conns: make(map[net.Conn]struct{})}
	w.wg.Go(w.accept)
	t.Cleanup(func() {
		l.Close()
		w.Cut()
		w.wg.Wait()
	})
	return w
}

// Address returns where the wire begins: host:port.
func (w *Wire) Address() string { return w.listener.Addr().String() }

// URL returns nats://host:port.
func (w *Wire) URL() string { return "nats://" + w.Address() }

func (w *Wire) accept() {
	for {
		c, err := w.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		w.wg.Go(func() { w.carry(c) })
	}
}

// carry copies both ways until either end closes.
func (w *Wire) carry(c net.Conn) {
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var d net.Dialer
	up, err := d.DialContext(ctx, "tcp", w.to)
	if err != nil {
		return
	}
	defer up.Close()
	w.mu.Lock()
	if w.cut {
		w.mu.Unlock()
		return
	}
	w.conns[c], w.conns[up] = struct{}{}, struct{}{}
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		delete(w.conns, c)
		delete(w.conns, up)
		w.mu.Unlock()
	}()
	var ways sync.WaitGroup
	ways.Go(func() { pass(c, up) })
	pass(up, c)
	ways.Wait()
}

// pass copies one way, and closes both ends when that has ended.
func pass(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if n > 0 {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// Cut ends all connections over the wire and refuses new ones.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	for c := range w.conns {
		c.Close()
	}
}

// Heal undoes Cut.
func (w *Wire) Heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = false
}
