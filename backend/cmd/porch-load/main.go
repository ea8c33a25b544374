// Porch-load makes a number of headless guests join a link, publish and receive for a given time. It prints what that
// cost the forwarding process, as JSON:
//
//	porch-load -link ADDRESS -guests 8 -for 10s -pid PID
//
// -pid is the forwarding process (Linux only, because it reads /proc). Its use is reported per 1,000 forwarded
// packets. These are the packets that the guests received.
//
// "porch-load relay" loads a public relay instead; see relay.go. "porch-load nodes" compares a relay of one machine
// with a relay of several; see nodes.go.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/porch-call/porch/backend/guest"
	"github.com/porch-call/porch/backend/guest/crowd"
)

// result is printed as JSON.
type result struct {
	Guests           int     `json:"guests"`
	Seconds          float64 `json:"seconds"`
	Published        uint64  `json:"published"` // packets
	Forwarded        uint64  `json:"forwarded"` // packets that arrived at guests
	Missing          uint64  `json:"missing"`   // sequence numbers that were skipped, including packets that came late
	CPUPerThousandMS float64 `json:"cpuPerThousandMs"`
	CPUShare         float64 `json:"cpuShare"` // of one core
	MemoryBeforeMB   float64 `json:"memoryBeforeMB"`
	MemoryInCallMB   float64 `json:"memoryInCallMB"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var err error
	switch what := append(os.Args, "")[1]; what {
	case "relay":
		err = runRelay(ctx, os.Args[2:])
	case "nodes":
		err = runNodes(ctx, os.Args[2:])
	default:
		err = run(ctx)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "porch-load:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	link := flag.String("link", "", "`address` of the link")
	guests := flag.Int("guests", 8, "how many guests")
	length := flag.Duration("for", 10*time.Second, "how long to measure, once everybody is in")
	pid := flag.Int("pid", 0, "the forwarding process")
	name := flag.String("name", "Load", "the guests' name, completed by a number")
	insecure := flag.Bool("insecure", false, "accept the relay's self-made certificate")
	flag.Parse()

	r := result{Guests: *guests}
	before, err := usageOf(*pid)
	if err != nil {
		return err
	}
	r.MemoryBeforeMB = before.memoryMB
	options := guest.Options{Name: *name}
	if *insecure {
		options.TLS = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // asked for, and the sealed channel checks the host's key
	}
	joining, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c, err := crowd.Gather(joining, *link, *guests, options)
	if err != nil {
		return err
	}

	start, started := snapshot(c), time.Now()
	from, err := usageOf(*pid)
	if err != nil {
		return err
	}
	select {
	case <-time.After(*length):
	case <-ctx.Done():
	}
	to, err := usageOf(*pid)
	if err != nil {
		return err
	}
	end := snapshot(c)
	r.Seconds = time.Since(started).Seconds()
	r.Published, r.Forwarded, r.Missing = end.sent-start.sent, end.received-start.received, end.missing-start.missing
	if r.Forwarded > 0 {
		r.CPUPerThousandMS = (to.cpu - from.cpu).Seconds() * 1e6 / float64(r.Forwarded)
	}
	r.CPUShare = (to.cpu - from.cpu).Seconds() / r.Seconds
	r.MemoryInCallMB = to.memoryMB
	if err := c.Close(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

type counts struct{ sent, received, missing uint64 }

func snapshot(c *crowd.Crowd) counts { return counts{c.Sent(), c.Received(), c.Missing()} }
