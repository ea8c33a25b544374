package relayd

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/relay/client"
)

// asProgram makes the test's binary run as the command.
const asProgram = "PORCH_TEST_AS_RELAY"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		environment := map[string]string{}
		for _, e := range os.Environ() {
			name, value, _ := strings.Cut(e, "=")
			environment[name] = value
		}
		os.Exit(Run(os.Args[1:], environment, os.Stdout, os.Stderr))
	}
	// Certmagic's: one goroutine for each account, for the process's life, and
	// one that notices only after five seconds that its lock was released.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.(*RingBufferRateLimiter).loop"),
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"))
}

// running is a relay in a process of its own.
type running struct {
	t             *testing.T
	dir           string
	domain, admin string
	https, plain  int
	identity      identity
	cmd           *exec.Cmd
	ended         chan error
	mu            sync.Mutex
	log           bytes.Buffer
}

// startRelay starts a relay for localhost, with its own certificate, and waits
// until it answers.
func startRelay(t *testing.T, args ...string) *running {
	t.Helper()
	r := prepareRelay(t)
	r.start(args...)
	eventually(t, "the relay answers", func() bool {
		response, err := once.Get("http://" + r.admin + "/healthz")
		if err != nil {
			return false
		}
		response.Body.Close()
		return true
	})
	return r
}

// once keeps no connection open.
var once = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}

func prepareRelay(t *testing.T) *running {
	t.Helper()
	r := &running{t: t, dir: t.TempDir(), https: freePort(t), plain: freePort(t), admin: "127.0.0.1:" + itoa(freePort(t)), identity: selfSigned(t, "localhost")}
	r.domain = "localhost:" + itoa(r.https)
	writeFile(t, r.path("cert.pem"), r.identity.certificate)
	writeFile(t, r.path("key.pem"), r.identity.key)
	return r
}

func (r *running) path(name string) string { return filepath.Join(r.dir, name) }

func (r *running) start(args ...string) {
	r.t.Helper()
	program, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	all := []string{
		"-domain", r.domain, "-certificate", r.path("cert.pem"), "-key", r.path("key.pem"), "-data", r.path("data"),
		"-pages", "testdata/pages", "-listen", "127.0.0.1:" + itoa(r.https), "-listen-http", "127.0.0.1:" + itoa(r.plain),
		"-admin", r.admin, "-turn-listen", "127.0.0.1:" + itoa(freePort(r.t)), "-turn-addresses", "127.0.0.1", "-log", "json",
	}
	r.cmd = exec.Command(program, append(all, args...)...) // a later flag wins
	r.cmd.Env = append(os.Environ(), asProgram+"=1")
	r.cmd.Stderr = r
	r.ended = make(chan error, 1)
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	go func() { r.ended <- r.cmd.Wait() }()
	r.t.Cleanup(func() {
		_ = r.cmd.Process.Kill() // it may have ended
		if r.t.Failed() {
			r.t.Logf("the relay's log:\n%s", r.said())
		}
	})
}

// Write implements io.Writer for the process's log.
func (r *running) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(b)
}

func (r *running) said() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

// ask gets a path from the admin address.
func (r *running) ask(path string) (status int, body string) {
	r.t.Helper()
	response, err := once.Get("http://" + r.admin + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response.StatusCode, string(b)
}

// check runs "porch-relay check" against it.
func (r *running) check(args ...string) (code int, out string) {
	r.t.Helper()
	var stdout, stderr bytes.Buffer
	writeFile(r.t, r.path("root.pem"), r.identity.certificate)
	args = append([]string{"check", "-domain", r.domain, "-http-port", itoa(r.plain), "-root", r.path("root.pem"), "-timeout", "5s", "-4"}, args...)
	code = Run(args, nil, &stdout, &stderr)
	return code, stdout.String() + stderr.String()
}

// host is an app that dials in.
func (r *running) host(token string, changed func(client.Status)) *client.Client {
	r.t.Helper()
	c := &checker{host: "localhost", port: r.https, roots: r.identity.pool, token: token}
	o := c.stranger()
	o.OnStatus = changed
	h, err := client.Open(o)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = h.Close() })
	return h
}

func (r *running) probe(token string) error {
	c := &checker{host: "localhost", port: r.https, roots: r.identity.pool, token: token}
	ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Second)
	defer cancel()
	_, err := client.Probe(ctx, c.stranger())
	return err
}

// TestServe follows a relay's life: it answers, serves its metrics, takes a host,
// drains, and ends without an error.
func TestServe(t *testing.T) {
	r := startRelay(t, "-drain", "20s", "-pprof")
	status, body := r.ask("/healthz")
	var h health
	if err := json.Unmarshal([]byte(body), &h); err != nil || status != http.StatusOK || !h.Well || h.Certificate != "ok" {
		t.Errorf("/healthz: %d %s", status, body)
	}
	states := make(chan client.Status, 16)
	host := r.host("", func(s client.Status) { states <- s })
	for s := range states {
		if s.State == client.StateConnected {
			break
		}
	}
	_, body = r.ask("/metrics")
	for _, want := range []string{`porch_open{what="hosts"} 1`, "porch_turn_allocations 0", "porch_draining 0", "porch_certificate_trouble 0"} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
	for s := bufio.NewScanner(strings.NewReader(body)); s.Scan(); {
		if strings.HasPrefix(s.Text(), "porch_") && (strings.Contains(s.Text(), "127.0.0.1") || strings.Contains(s.Text(), "localhost")) {
			t.Errorf("a label names somebody: %s", s.Text())
		}
	}
	if status, _ := r.ask("/debug/pprof/heap"); status != http.StatusOK {
		t.Errorf("-pprof: %d", status)
	}

	// The host has no other relay to go to and stays. A second signal ends the
	// drain.
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	eventually(t, "it says that it drains", func() bool {
		status, body := r.ask("/healthz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, `"draining":true`)
	})
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: r.identity.pool}, DisableKeepAlives: true}}
	public, err := client.Get("https://" + r.domain + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer public.Body.Close()
	if b, _ := io.ReadAll(public.Body); public.StatusCode != http.StatusServiceUnavailable || string(b) != "draining\n" {
		t.Errorf("to the public: %d %s", public.StatusCode, b)
	}
	if err := r.probe(""); fault.CodeOf(err) != fault.RelayFull {
		t.Errorf("a new host while draining: %v", err)
	}
	_ = host.Close()
	select {
	case err := <-r.ended:
		if err != nil {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(patience):
		t.Error("does not end when everybody has gone")
	}
	for line := range strings.SplitSeq(strings.TrimSpace(r.said()), "\n") {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

// TestDrainEnds ends a drain by its time limit, and by a second signal.
func TestDrainEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		drain   string
		signals int
	}{"time": {"300ms", 1}, "signal": {"10m", 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startRelay(t, "-drain", tc.drain, "-hosts", "open")
			states := make(chan client.Status, 16)
			// A host that stays, because it has no other relay to go to.
			r.host("", func(s client.Status) { states <- s })
			for s := range states {
				if s.State == client.StateConnected {
					break
				}
			}
			for i := range tc.signals {
				if i > 0 {
					eventually(t, "it drains", func() bool { return strings.Contains(r.said(), "porch-relay: drains") })
				}
				_ = r.cmd.Process.Signal(syscall.SIGTERM)
			}
			select {
			case err := <-r.ended:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(patience):
				t.Error("does not end")
			}
		})
	}
}

// TestInvitations makes an invitation while the relay runs, makes the relay read
// it, and takes it back.
func TestInvitations(t *testing.T) {
	file := filepath.Join(t.TempDir(), "invitations")
	r := startRelay(t, "-invitations", file)
	if err := r.probe(""); fault.CodeOf(err) != fault.HostNotAllowed && fault.CodeOf(err) != fault.InvitationWanted {
		t.Fatalf("without an invitation: %v", err)
	}
	var out, said bytes.Buffer
	if code := Run([]string{"invite", "-invitations", file, "-name", "Ada Lovelace", "-quotas", "links=3 bytes=1GB"}, nil, &out, &said); code != exitWell {
		t.Fatalf("invite: %d %s", code, said.String())
	}
	token := strings.TrimSpace(out.String())
	if b, err := os.ReadFile(file); err != nil || strings.Contains(string(b), token) || !strings.Contains(string(b), "Ada Lovelace links=3 bytes=1GB") {
		t.Fatalf("the file: %s, %v", b, err)
	}
	reload := func(count string) {
		_ = r.cmd.Process.Signal(syscall.SIGHUP)
		eventually(t, "reloaded", func() bool { return strings.Contains(r.said(), `"porch-relay: reloaded","invitations":`+count) })
	}
	reload("1")
	if err := r.probe(token); err != nil {
		t.Fatalf("invited: %v", err)
	}
	if err := r.probe("not an invitation at all"); fault.CodeOf(err) != fault.InvitationRefused {
		t.Errorf("another token: %v", err)
	}

	writeFile(t, file, []byte("sha256:nonsense\n"))
	_ = r.cmd.Process.Signal(syscall.SIGHUP)
	eventually(t, "the mistake is said", func() bool { return strings.Contains(r.said(), "not reloaded") })
	if err := r.probe(token); err != nil {
		t.Errorf("a mistake in the file took the invitation away: %v", err)
	}
	writeFile(t, file, nil)
	reload("0")
	if err := r.probe(token); fault.CodeOf(err) != fault.HostNotAllowed {
		t.Errorf("taken back: %v", err)
	}
	if strings.Contains(r.said(), token) {
		t.Error("the log holds a token")
	}
}

// reload makes the relay read its certificate again, and waits until it shows
// another than before.
func (r *running) reload(before identity) {
	r.t.Helper()
	_ = r.cmd.Process.Signal(syscall.SIGHUP)
	eventually(r.t, "another certificate", func() bool {
		d := tls.Dialer{Config: &tls.Config{ServerName: "localhost", InsecureSkipVerify: true}}
		c, err := d.DialContext(r.t.Context(), "tcp", "127.0.0.1:"+itoa(r.https))
		if err != nil {
			return false
		}
		defer c.Close()
		old, err := tls.X509KeyPair(before.certificate, before.key)
		return err == nil && !bytes.Equal(c.(*tls.Conn).ConnectionState().PeerCertificates[0].Raw, old.Certificate[0])
	})
}
