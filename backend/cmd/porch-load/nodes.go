package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// nodesGoal is how many times as long as at a relay of one machine 99 knocks
// in 100 may take when guest and host are at different machines.
const nodesGoal = 2

// nodesResult is what "porch-load nodes" prints.
type nodesResult struct {
	Nodes      int     `json:"nodes"`
	Hosts      int     `json:"hosts"`  // of each machine, with a line and a link each
	Knocks     int     `json:"knocks"` // of each kind
	One        spread  `json:"one"`    // at a relay of one machine: knock sent by the guest → read by the host
	Same       spread  `json:"same"`   // at one machine of several
	Across     spread  `json:"across"` // from one machine to another
	Ratio      float64 `json:"ratio"`  // of the p99 across to that of one machine
	LoadBefore float64 `json:"loadBefore"`
	LoadAfter  float64 `json:"loadAfter"`
}

// runNodes starts a relay of one machine, and one of several that share a real
// nats-server, with hosts at each, and has guests knock by turns at the one, at
// their host's own machine of the several, and at another:
//
//	porch-load nodes -relay build/bin/porch-relay -nats-server nats-server -nodes 3
//
// It prints how long a knock takes on each way, as JSON, and fails when it takes
// more than twice as long across machines. Linux only, as "porch-load relay".
func runNodes(ctx context.Context, args []string) (err error) {
	f := flag.NewFlagSet("porch-load nodes", flag.ContinueOnError)
	program := f.String("relay", "build/bin/porch-relay", "the relay's `program`")
	natsServer := f.String("nats-server", "nats-server", "the NATS server's `program`")
	nodes := f.Int("nodes", 2, "how many machines the relay of several has")
	hosts := f.Int("hosts", 200, "how many hosts each machine has, with a link each")
	knocks := f.Int("knocks", 1000, "how many guests knock on each way, one after another")
	rate := f.Float64("rate", 30, "knocks a `second`, at random times")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *nodes < 2 {
		return errors.New("-nodes: two at least")
	}

	dir, err := os.MkdirTemp("", "porch-load")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	bus, stopBus, err := startNATS(ctx, *natsServer)
	if err != nil {
		return err
	}
	defer stopBus()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte(rand.Text()+rand.Text()), 0o600); err != nil {
		return err
	}

	var streets []*street // the relay of one machine, then those of several
	for i := range *nodes + 1 {
		var more []string
		if i > 0 {
			more = []string{"-nats", bus, "-secret-file", secret}
		}
		p, err := startRelay(ctx, *program, more...)
		if err != nil {
			return err
		}
		defer p.stop()
		s := newStreet(p)
		defer s.close()
		streets = append(streets, s)
		if _, err := inParallel(ctx, *hosts, 8, "hosts", s.openHost); err != nil {
			return err
		}
	}

	r := nodesResult{Nodes: *nodes, Hosts: *hosts, Knocks: *knocks, LoadBefore: loadAverage()}
	var took [3][]time.Duration
	for i := range *knocks {
		a := 1 + i%*nodes
		b := 1 + (i+1+mathrand.N(*nodes-1))%*nodes // another
		ways := [3][2]*street{{streets[0], streets[0]}, {streets[a], streets[a]}, {streets[a], streets[b]}}
		for _, way := range mathrand.Perm(len(ways)) {
			if err := sleep(ctx, time.Duration(mathrand.ExpFloat64() / *rate * float64(time.Second))); err != nil {
				return err
			}
			v, err := ways[way][0].openGuest(ctx, ways[way][1], passing, i)
			if err != nil {
				return fmt.Errorf("knock %d: %w", i, err)
			}
			took[way] = append(took[way], v.bell)
			_ = v.ws.CloseNow() // the guest has gone
		}
	}
	r.LoadAfter = loadAverage()
	r.One, r.Same, r.Across = spreadOf(took[0]), spreadOf(took[1]), spreadOf(took[2])
	r.Ratio = r.Across.P99 / r.One.P99
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		return err
	}
	for _, s := range streets {
		if n := s.dropped.Load(); n > 0 {
			return fmt.Errorf("%d connections were dropped", n)
		}
	}
	if r.Ratio > nodesGoal {
		return fmt.Errorf("1 knock in 100 takes %.2f times as long across machines", r.Ratio)
	}
	return nil
}

// startNATS returns the address of a server on loopback, when it takes
// connections, and what ends it.
func startNATS(ctx context.Context, program string) (url string, stop func(), err error) {
	ports, err := freePorts(1)
	if err != nil {
		return "", nil, err
	}
	at := net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0]))
	cmd := exec.Command(program, "-a", "127.0.0.1", "-p", strconv.Itoa(ports[0]))
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is killed
		close(ended)
	}()
	stop = func() {
		_ = cmd.Process.Kill() // it may have ended
		<-ended
	}
	err = untilItAnswers(ctx, ended, func() error {
		c, err := net.Dial("tcp", at)
		if err == nil {
			_ = c.Close() // nothing was said
		}
		return err
	})
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("the NATS server: %w", err)
	}
	return "nats://" + at, stop, nil
}
