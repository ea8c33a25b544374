package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/porch-call/porch/backend/relay/freeport"
)

// relayProcess is a porch-relay that this program has started, with default settings except for a certificate and
// ports.
type relayProcess struct {
	cmd   *exec.Cmd
	dir   string
	base  string // of links
	at    string // the address where it listens
	admin string
	roots *x509.CertPool
	ended chan struct{}
	err   error // set before ended is closed
}

// startRelay starts a relay and returns when it answers. more are further arguments.
func startRelay(ctx context.Context, program string, more ...string) (*relayProcess, error) {
	dir, err := os.MkdirTemp("", "porch-load")
	if err != nil {
		return nil, err
	}
	p := &relayProcess{dir: dir, ended: make(chan struct{})}
	if err := p.start(ctx, program, more); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

func (p *relayProcess) start(ctx context.Context, program string, more []string) error {
	roots, err := writeCertificate(p.dir)
	if err != nil {
		close(p.ended)
		return err
	}
	ports, release, err := freeport.Take(3)
	if err != nil {
		close(p.ended)
		return err
	}
	defer release() // the relay has its port by then
	local := func(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
	p.roots, p.at, p.admin = roots, local(ports[0]), "http://"+local(ports[1])
	domain := net.JoinHostPort("localhost", strconv.Itoa(ports[0]))
	p.base = "https://" + domain
	p.cmd = exec.Command(program, append([]string{
		"-domain", domain, "-listen", p.at, "-listen-http", "", "-admin", local(ports[1]), "-pprof",
		"-turn-listen", local(ports[2]), "-turn-addresses", "127.0.0.1", "-data", filepath.Join(p.dir, "data"),
		"-certificate", filepath.Join(p.dir, "certificate.pem"), "-key", filepath.Join(p.dir, "key.pem"), "-log-level", "warn",
	}, more...)...)
	p.cmd.Stdout, p.cmd.Stderr = os.Stderr, os.Stderr
	if err := p.cmd.Start(); err != nil {
		close(p.ended)
		return err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	err = untilItAnswers(ctx, p.ended, func() error {
		_, err := p.get(ctx, "/healthz")
		return err
	})
	if errors.Is(err, errEnded) {
		return fmt.Errorf("the relay: %w: %w", err, p.err)
	}
	if err != nil {
		return fmt.Errorf("the relay: %w", err)
	}
	return nil
}

var errEnded = errors.New("it has ended")

// untilItAnswers calls ask repeatedly until it succeeds or the program has ended.
func untilItAnswers(ctx context.Context, ended <-chan struct{}, ask func() error) error {
	for late := time.Now().Add(openPatience); ; {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			return errEnded
		default:
		}
		if time.Now().After(late) {
			return fmt.Errorf("no answer: %w", err)
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// stop ends the relay and waits until it has ended.
func (p *relayProcess) stop() {
	if p.cmd != nil && p.cmd.Process != nil {
		_ = p.cmd.Process.Signal(syscall.SIGKILL) // it may have ended
	}
	<-p.ended
	_ = os.RemoveAll(p.dir) // it lies in the system's folder for temporary files
}

func (p *relayProcess) pid() int { return p.cmd.Process.Pid }

// get sends a request to the admin address.
func (p *relayProcess) get(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.admin+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return b, err
}

// metrics returns the relay's metrics by name with labels.
func (p *relayProcess) metrics(ctx context.Context) (map[string]float64, error) {
	b, err := p.get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	all := make(map[string]float64)
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		name, value, ok := strings.Cut(s.Text(), " ")
		if n, err := strconv.ParseFloat(value, 64); ok && err == nil && name != "#" {
			all[name] = n
		}
	}
	return all, nil
}

// held is the memory that a relay uses at one time, in bytes.
type held struct {
	Resident float64 `json:"resident"`  // of the process
	Live     float64 `json:"live"`      // heap and stacks in use after a collection
	Slab     float64 `json:"slab"`      // of the machine's kernel; includes sockets
	Before   float64 `json:"cpuBefore"` // seconds of CPU that the relay has used before the measurement
	CPU      float64 `json:"cpu"`       // the same after the measurement, which uses some
}

// held measures the relay's memory after it has settled.
func (p *relayProcess) held(ctx context.Context) (h held, err error) {
	u, err := usageOf(p.pid())
	if err != nil {
		return h, err
	}
	h.Before = u.cpu.Seconds()
	if err := sleep(ctx, settling); err != nil {
		return h, err
	}
	if u, err = usageOf(p.pid()); err != nil {
		return h, err
	}
	h.Resident = u.memoryMB * (1 << 20)
	if h.Slab, err = slab(); err != nil {
		return h, err
	}
	// This heap profile makes the relay collect garbage first. It is done twice, for memory that the first collection
	// frees late.
	for range 2 {
		if _, err := p.get(ctx, "/debug/pprof/heap?gc=1"); err != nil {
			return h, err
		}
	}
	m, err := p.metrics(ctx)
	if err != nil {
		return h, err
	}
	h.Live = m["go_memstats_heap_inuse_bytes"] + m["go_memstats_stack_inuse_bytes"]
	u, err = usageOf(p.pid())
	h.CPU = u.cpu.Seconds()
	return h, err
}

// writeCertificate makes a self-signed certificate for localhost, in certificate.pem and key.pem.
func writeCertificate(dir string) (*x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	for name, block := range map[string]*pem.Block{
		"certificate.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			return nil, err
		}
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return roots, nil
}

// slab returns the kernel's slab memory (man 5 proc, /proc/meminfo).
func slab() (float64, error) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "Slab:" {
			n, err := strconv.ParseFloat(fields[1], 64)
			return n * 1024, err
		}
	}
	return 0, errors.New("/proc/meminfo has no Slab")
}

// loadAverage returns the machine's load average over a minute, 0 if it is not known.
func loadAverage() float64 {
	b, _ := os.ReadFile("/proc/loadavg")
	text, _, _ := strings.Cut(string(b), " ")
	n, _ := strconv.ParseFloat(text, 64)
	return n
}
