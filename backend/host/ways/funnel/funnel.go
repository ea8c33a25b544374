// Package funnel turns Tailscale Funnel on and off, by Tailscale's own program. It
// runs the program with a list of arguments and never with a shell, reads a bounded
// answer, and touches no port of Funnel that already serves something else.
package funnel

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/porch-call/porch/backend/fault"
)

const (
	within    = 20 * time.Second // the program asks a server for a certificate
	maxOutput = 1 << 20
)

// ports are those that Funnel serves, the best first
// (https://tailscale.com/kb/1223/funnel).
var ports = []int{443, 8443, 10000}

// Program returns the path of Tailscale's program, or "" if it is not installed.
func Program() string {
	if path, err := exec.LookPath("tailscale"); err == nil {
		return path
	}
	const app = "/Applications/Tailscale.app/Contents/MacOS/Tailscale"
	if runtime.GOOS == "darwin" {
		if _, err := os.Stat(app); err == nil {
			return app
		}
	}
	return ""
}

// On serves a port of this computer, and returns the origin that browsers open.
// Faults: FunnelMissing, FunnelRefused.
func On(ctx context.Context, local uint16) (origin string, at int, err error) {
	var status struct {
		BackendState string
		Self         struct{ DNSName string }
	}
	if err := ask(ctx, &status, "status", "--json"); err != nil {
		return "", 0, fault.New(fault.FunnelMissing, err)
	}
	name := strings.ToLower(strings.TrimSuffix(status.Self.DNSName, "."))
	if status.BackendState != "Running" || !dnsName(name) {
		return "", 0, fault.Newf(fault.FunnelMissing, "tailscale is %q", status.BackendState)
	}
	target := "http://127.0.0.1:" + strconv.Itoa(int(local))
	at, err = free(ctx, name, target)
	if err != nil {
		return "", 0, err
	}
	if _, err := run(ctx, "funnel", "--bg", "--yes", "--https="+strconv.Itoa(at), target); err != nil {
		return "", 0, fault.New(fault.FunnelRefused, err)
	}
	origin = "https://" + name
	if at != 443 {
		origin += ":" + strconv.Itoa(at)
	}
	return origin, at, nil
}

// Off ends what On has begun.
func Off(ctx context.Context, at int) error {
	if _, err := run(ctx, "funnel", "--yes", "--https="+strconv.Itoa(at), "off"); err != nil {
		return fault.New(fault.FunnelRefused, err)
	}
	return nil
}

// free returns the first port that serves nothing, or our target already.
func free(ctx context.Context, name, target string) (int, error) {
	var serves struct {
		TCP map[string]json.RawMessage
		Web map[string]struct {
			Handlers map[string]struct{ Proxy string }
		}
	}
	if err := ask(ctx, &serves, "serve", "status", "--json"); err != nil {
		return 0, fault.New(fault.FunnelRefused, err)
	}
	for _, p := range ports {
		text := strconv.Itoa(p)
		web := serves.Web[name+":"+text]
		if _, taken := serves.TCP[text]; !taken && len(web.Handlers) == 0 || len(web.Handlers) == 1 && web.Handlers["/"].Proxy == target {
			return p, nil
		}
	}
	return 0, fault.Newf(fault.FunnelRefused, "every port of Funnel serves something")
}

// ask runs the program and reads its answer in JSON.
func ask(ctx context.Context, v any, arguments ...string) error {
	out, err := run(ctx, arguments...)
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(out)) == 0 {
		return nil
	}
	return json.Unmarshal(out, v)
}

func run(ctx context.Context, arguments ...string) ([]byte, error) {
	program := Program()
	if program == "" {
		return nil, errors.New("no tailscale program")
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	c := exec.CommandContext(ctx, program, arguments...)
	c.WaitDelay = time.Second
	out := &capped{}
	c.Stdout = out
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("tailscale %s: %w", arguments[0], err) // its words may name the owner's account
	}
	if out.over {
		return nil, errors.New("tailscale: too long an answer")
	}
	return out.Bytes(), nil
}

// capped keeps the beginning of what is written.
type capped struct {
	bytes.Buffer
	over bool
}

func (c *capped) Write(b []byte) (int, error) {
	if c.Len()+len(b) > maxOutput {
		c.over = true
		return len(b), nil
	}
	return c.Buffer.Write(b)
}

// dnsName reports whether s is a name of DNS, because the program's answer goes
// into links.
func dnsName(s string) bool {
	if s == "" || len(s) > 253 || !strings.Contains(s, ".") {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return true
}
