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
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/porch-call/porch/backend/relay/freeport"
)

// nodesGoal is how many times longer the 99th percentile of knocks may be when guest and host are at different
// machines, compared with a relay of one machine.
const nodesGoal = 2

// nodesResult is what "porch-load nodes" prints.
type nodesResult struct {
	Nodes      int     `json:"nodes"`
	Hosts      int     `json:"hosts"`         // of each relay, with a connection and a link each
	Guests     int     `json:"guests"`        // waiting guests of each relay
	Knocks     int     `json:"knocks"`        // of each kind
	One        spread  `json:"one"`           // at a relay of one machine, from sent by the guest to read by the host
	Same       spread  `json:"same"`          // at one machine of several
	Across     spread  `json:"across"`        // from one machine to another
	Bus        *spread `json:"bus,omitempty"` // for as many bytes between two clients of the separate NATS server
	Ratio      float64 `json:"ratio"`         // of Across.p99 to One.p99
	LoadBefore float64 `json:"loadBefore"`
	LoadAfter  float64 `json:"loadAfter"`
}

// The compared ways of a knock.
const (
	atOne = iota
	atSame
	atAnother
	onBus
	ways
)

// collectEvery is after how many knocks of each kind this process collects garbage. It does so at no other time, so
// that its own pauses are not measured.
const collectEvery = 100

// runNodes starts a relay of one machine and a relay of several machines, each with as many hosts and waiting guests.
// Further guests knock in turn at the relay of one machine, at their host's machine of the several, and at another of
// them:
//
//	porch-load nodes -relay build/bin/porch-relay -nodes 3
//
// The several machines are joined by their embedded NATS servers, or by a separate one with -nats-server. It prints
// as JSON how long a knock takes on each way, and a message through that server alone. It fails if a knock across
// machines takes more than twice as long as at one machine. Linux only, as "porch-load relay".
func runNodes(ctx context.Context, args []string) (err error) {
	f := flag.NewFlagSet("porch-load nodes", flag.ContinueOnError)
	program := f.String("relay", "build/bin/porch-relay", "the relay's `program`")
	natsServer := f.String("nats-server", "", "the `program` of a NATS server that stands apart")
	nodes := f.Int("nodes", 2, "how many machines the relay of several has")
	hosts := f.Int("hosts", 600, "how many hosts each relay has, with a link each")
	guests := f.Int("guests", 60, "how many guests wait at each relay")
	knocks := f.Int("knocks", 2000, "how many guests knock on each way, one after another")
	rate := f.Float64("rate", 100, "knocks a `second`, at random times")
	workers := f.Int("workers", 16, "how many come in at once")
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
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte(rand.Text()+rand.Text()), 0o600); err != nil {
		return err
	}

	joined, floor, stop, err := joinNodes(ctx, *nodes, *natsServer)
	if err != nil {
		return err
	}
	defer stop()

	var streets []*street // the relay of one machine, then the relay of several
	for i := range *nodes + 1 {
		var more []string
		if i > 0 {
			more = slices.Concat(joined[i-1], []string{"-secret-file", secret})
		}
		p, err := startRelay(ctx, *program, more...)
		if err != nil {
			return err
		}
		defer p.stop()
		s := newStreet(p)
		defer s.close()
		streets = append(streets, s)
	}
	one, several := streets[:1], streets[1:]
	if err := meet(ctx, several); err != nil {
		return err
	}
	for _, relay := range [][]*street{one, several} {
		at := func(i int) *street { return relay[i%len(relay)] }
		if _, err := inParallel(ctx, *hosts, *workers, "hosts", func(ctx context.Context, i int) error {
			return at(i).openHost(ctx, i)
		}); err != nil {
			return err
		}
		if _, err := inParallel(ctx, *guests, *workers, "guests", func(ctx context.Context, i int) error {
			s := at(i)
			v, err := s.openGuest(ctx, at(mathrand.N(len(relay))), waiting, i)
			if err == nil {
				s.stay(v)
			}
			return err
		}); err != nil {
			return err
		}
	}
	r := nodesResult{Nodes: *nodes, Hosts: *hosts, Guests: *guests, Knocks: *knocks}
	var took [ways][]time.Duration
	debug.SetGCPercent(-1)
	for i := range *knocks {
		if i%collectEvery == 0 {
			runtime.GC()
			if err := sleep(ctx, settling); err != nil {
				return err
			}
		}
		if i == 0 {
			r.LoadBefore = loadAverage()
		}
		a := mathrand.N(*nodes)
		b := (a + 1 + mathrand.N(*nodes-1)) % *nodes // another machine
		ends := [ways][2]*street{atOne: {one[0], one[0]}, atSame: {several[a], several[a]}, atAnother: {several[a], several[b]}}
		for _, way := range mathrand.Perm(ways) {
			if err := sleep(ctx, time.Duration(mathrand.ExpFloat64() / *rate * float64(time.Second))); err != nil {
				return err
			}
			if way == onBus {
				if floor == nil {
					continue
				}
				d, err := floor.knock(ctx)
				if err != nil {
					return err
				}
				took[way] = append(took[way], d)
				continue
			}
			v, err := ends[way][0].openGuest(ctx, ends[way][1], passing, i)
			if err != nil {
				return fmt.Errorf("knock %d: %w", i, err)
			}
			took[way] = append(took[way], v.bell)
			_ = v.ws.CloseNow() // the guest has gone
		}
	}
	r.LoadAfter = loadAverage()
	r.One, r.Same, r.Across = spreadOf(took[atOne]), spreadOf(took[atSame]), spreadOf(took[atAnother])
	if floor != nil {
		alone := spreadOf(took[onBus])
		r.Bus = &alone
	}
	r.Ratio = r.Across.P99 / r.One.P99
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		return err
	}
	for _, s := range streets {
		if n := s.dropped.Load(); n > 0 {
			return fmt.Errorf("%d connections were dropped", n)
		}
	}
	for _, s := range streets {
		s.leave() // all at the same time, because guests have their hosts in other streets
	}
	if r.Ratio > nodesGoal {
		return fmt.Errorf("1 knock in 100 takes %.2f times as long across machines", r.Ratio)
	}
	return nil
}

// joinNodes returns the arguments that join n machines, one list for each. They are joined by their embedded NATS
// servers, or by a separate one, which then has a probe.
func joinNodes(ctx context.Context, n int, natsServer string) (arguments [][]string, floor *busProbe, stop func(), err error) {
	if natsServer != "" {
		url, stop, err := startNATS(ctx, natsServer)
		if err != nil {
			return nil, nil, nil, err
		}
		floor, err := newBusProbe(url)
		if err != nil {
			stop()
			return nil, nil, nil, err
		}
		return slices.Repeat([][]string{{"-nats", url}}, n), floor, func() { floor.close(); stop() }, nil
	}
	ports, release, err := freeport.Take(n)
	if err != nil {
		return nil, nil, nil, err
	}
	var peers []string
	for _, port := range ports {
		peers = append(peers, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	}
	for _, at := range peers {
		arguments = append(arguments, []string{"-cluster-listen", at, "-cluster-peers", strings.Join(peers, ",")})
	}
	return arguments, nil, release, nil
}

// meet waits until each machine of a relay knows all others.
func meet(ctx context.Context, several []*street) error {
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	for _, s := range several {
		for {
			b, err := s.relay.get(ctx, "/healthz")
			if err != nil {
				return err
			}
			var health struct{ Nodes int }
			if err := json.Unmarshal(b, &health); err != nil {
				return err
			}
			if health.Nodes == len(several) {
				break
			}
			if err := sleep(ctx, 50*time.Millisecond); err != nil {
				return fmt.Errorf("the machines don't meet: %w", err)
			}
		}
	}
	return nil
}

// busProbe sends messages from one client of a NATS server to another, in the fastest way that the library offers.
type busProbe struct {
	from, to *nats.Conn
	heard    chan *nats.Msg
}

// busProbeSize is the size of a knock between two nodes, in bytes.
const busProbeSize = 256

func newBusProbe(url string) (_ *busProbe, err error) {
	p := &busProbe{heard: make(chan *nats.Msg, 1)}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	for _, c := range []**nats.Conn{&p.from, &p.to} {
		if *c, err = nats.Connect(url, nats.WriteBufferSize(1)); err != nil {
			return nil, err
		}
	}
	if _, err = p.to.ChanSubscribe("porch-load", p.heard); err != nil {
		return nil, err
	}
	return p, p.to.Flush()
}

func (p *busProbe) close() {
	for _, c := range []*nats.Conn{p.from, p.to} {
		if c != nil {
			c.Close()
		}
	}
}

// knock returns how long one message takes.
func (p *busProbe) knock(ctx context.Context) (time.Duration, error) {
	sent := time.Now()
	if err := p.from.Publish("porch-load", make([]byte, busProbeSize)); err != nil {
		return 0, err
	}
	select {
	case <-p.heard:
		return time.Since(sent), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// startNATS starts a NATS server on loopback. It returns the server's address once it accepts connections, and a
// function that ends it.
func startNATS(ctx context.Context, program string) (url string, stop func(), err error) {
	ports, release, err := freeport.Take(1)
	if err != nil {
		return "", nil, err
	}
	defer release() // the server has its port by then
	at := net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0]))
	cmd := exec.Command(program, "-a", "127.0.0.1", "-p", strconv.Itoa(ports[0]))
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // an error, because it was killed
		close(ended)
	}()
	stop = func() {
		_ = cmd.Process.Kill() // it may have ended
		<-ended
	}
	err = untilItAnswers(ctx, ended, func() error {
		c, err := net.Dial("tcp", at)
		if err == nil {
			_ = c.Close() // nothing was sent
		}
		return err
	})
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("the NATS server: %w", err)
	}
	return "nats://" + at, stop, nil
}
