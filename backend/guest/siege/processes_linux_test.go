package siege

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
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
	"sync"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/relay/freeport"
)

// patience is how long the tests wait for what must happen.
const patience = 30 * time.Second

// process is a program under attack.
type process struct {
	name  string
	cmd   *exec.Cmd
	ended chan struct{}
	mu    sync.Mutex // guards said
	said  bytes.Buffer
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.said.Len() < 1<<20 {
		p.said.Write(b)
	}
	return len(b), nil
}

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.String()
}

func (p *process) start(t *testing.T) {
	t.Helper()
	p.ended = make(chan struct{})
	p.cmd.Stderr = p
	must(t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait() // the test knows whether it should end
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it may have ended
		<-p.ended
		if t.Failed() {
			log := p.log()
			t.Logf("%s said last:\n%s", p.name, log[max(0, len(log)-4096):])
		}
	})
}

// resident returns the process's current and highest memory use, in MiB.
func (p *process) resident(t *testing.T) (now, most int) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	must(t, err)
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		n, _ := strconv.Atoi(fields[1])
		switch fields[0] {
		case "VmRSS:":
			now = n >> 10
		case "VmHWM:":
			most = n >> 10
		}
	}
	return now, most
}

func (p *process) alive(t *testing.T) {
	t.Helper()
	select {
	case <-p.ended:
		t.Fatalf("%s has ended", p.name)
	default:
	}
}

// town is a relay and a host that uses it.
type town struct {
	relay, host *process
	base        string // of the relay
	turn        string // address of its TURN
	tls         *tls.Config
	link        string // address at the relay
	names       io.Writer
}

// pages replaces the guest page, so that the test needs no build of it.
const pages = "../../cmd/porch-relay/relayd/testdata/pages"

// build compiles the two programs.
func build(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", dir, "./backend/cmd/porch-relay", "./backend/cmd/porch-headless")
	cmd.Dir = filepath.Join("..", "..", "..")
	begun := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the programs: %v\n%s", err, out)
	}
	t.Logf("built in %v", time.Since(begun).Round(time.Second))
	return dir
}

func open(t *testing.T) *town {
	t.Helper()
	programs, dir := build(t), t.TempDir()
	certificate, key, roots := identity(t, dir)
	ports, release, err := freeport.Take(3)
	must(t, err)
	local := func(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
	domain := net.JoinHostPort("localhost", strconv.Itoa(ports[0]))
	w := &town{base: "https://" + domain, turn: local(ports[2]), tls: &tls.Config{RootCAs: roots, ServerName: "localhost"}}

	w.relay = &process{name: "porch-relay", cmd: exec.Command(filepath.Join(programs, "porch-relay"),
		"-domain", domain, "-listen", "0.0.0.0:"+strconv.Itoa(ports[0]), "-listen-http", "", "-admin", local(ports[1]),
		"-turn-listen", w.turn, "-turn-addresses", "127.0.0.1", "-turn-allow", "127.0.0.0/8", "-data", filepath.Join(dir, "relay"),
		"-certificate", certificate, "-key", key, "-log-level", "warn", "-pages", pages)}
	w.relay.start(t)
	release()
	eventually(t, "the relay answers", func() bool {
		w.relay.alive(t)
		response, err := http.Get("http://" + local(ports[1]) + "/healthz")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})

	w.host = &process{name: "porch-headless", cmd: exec.Command(filepath.Join(programs, "porch-headless"),
		"-admit=ask", "-relay", w.base, "-pages", pages)}
	w.host.cmd.Env = append(os.Environ(), "PORCH_DATA_DIR="+filepath.Join(dir, "host"), "PORCH_LISTEN=127.0.0.1:0", "SSL_CERT_FILE="+certificate)
	w.names, err = w.host.cmd.StdinPipe()
	must(t, err)
	stdout, err := w.host.cmd.StdoutPipe()
	must(t, err)
	w.host.start(t)
	links := make(chan string, 1)
	connected := make(chan struct{}, 1)
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			var e struct {
				Event, State string
				Addresses    []struct{ URL, Reach string }
			}
			if json.Unmarshal(lines.Bytes(), &e) != nil {
				continue
			}
			for _, a := range e.Addresses {
				if e.Event == "link" && strings.HasPrefix(a.URL, w.base) {
					links <- a.URL
				}
			}
			if e.Event == "relay" && e.State == "connected" {
				select {
				case connected <- struct{}{}:
				default:
				}
			}
		}
	}()
	t.Cleanup(func() {
		_ = w.host.cmd.Process.Kill() // it may have ended
		<-read
	})
	for _, wait := range []func() bool{
		func() bool {
			select {
			case w.link = <-links:
				return true
			default:
				return false
			}
		},
		func() bool {
			select {
			case <-connected:
				return true
			default:
				return false
			}
		},
	} {
		eventually(t, "a link at the relay", wait)
	}
	return w
}

// letIn lets in one guest with this name, who waits or will knock.
func (w *town) letIn(t *testing.T, name string) {
	t.Helper()
	_, err := io.WriteString(w.names, name+"\n")
	must(t, err)
}

// client dials the relay from a given address of this computer.
func (w *town) client(from string) *http.Client {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: w.tls,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return d.DialContext(ctx, "tcp4", net.JoinHostPort("127.0.0.1", port))
		},
	}}
}

// identity writes a certificate for localhost.
func identity(t *testing.T, dir string) (certificate, key string, roots *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &private.PublicKey, private)
	must(t, err)
	parsed, err := x509.ParseCertificate(der)
	must(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	certificate, key = filepath.Join(dir, "certificate.pem"), filepath.Join(dir, "key.pem")
	must(t, os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	roots = x509.NewCertPool()
	roots.AddCert(parsed)
	return certificate, key, roots
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for late := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("not in time: %s", what)
		}
	}
}
