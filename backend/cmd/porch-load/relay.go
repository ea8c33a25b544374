package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// Limits of waiting.
const (
	openPatience = time.Minute     // for one host or guest
	settling     = 3 * time.Second // after the hosts or the guests have come in
	bellGoal     = 250 * time.Millisecond
	tries        = 5  // for one host or guest: on a busy machine, the relay's own time limits may end the first
	perAddress   = 50 // hosts or guests of one source address, which is within the relay's own limits
)

// relayResult is what "porch-load relay" prints.
type relayResult struct {
	Hosts  int `json:"hosts"`  // with a connection and a link each
	Guests int `json:"guests"` // waiting, after their knock

	Before     held `json:"before"`
	WithHosts  held `json:"withHosts"`
	WithGuests held `json:"withGuests"`

	HostBytes       int     `json:"hostBytes"`       // resident, for each host
	GuestBytes      int     `json:"guestBytes"`      // resident, for each guest
	HostLiveBytes   int     `json:"hostLiveBytes"`   // heap and stacks after a collection, for each host
	GuestLiveBytes  int     `json:"guestLiveBytes"`  // heap and stacks after a collection, for each guest
	KernelBytes     int     `json:"kernelBytes"`     // slab of the whole machine, for each end of a connection
	HostsPerSecond  float64 `json:"hostsPerSecond"`  // that came in
	GuestsPerSecond float64 `json:"guestsPerSecond"` // that came in
	HostCPU         float64 `json:"hostCPUms"`       // of the relay, for each host that comes in
	GuestCPU        float64 `json:"guestCPUms"`      // of the relay, for each guest that comes in and knocks
	IdleCPU         float64 `json:"idleCPUShare"`    // of one core, with all connected and none sending

	Knocks     int     `json:"knocks"`
	FirstFrame spread  `json:"firstFrame"` // from sent by the guest to read by the host
	Bell       spread  `json:"bell"`       // from the knock sent by the guest to read by the host
	Opening    spread  `json:"opening"`    // TCP, TLS, WebSocket and the answer to the guest's question
	Dropped    int64   `json:"dropped"`    // connections that ended by themselves
	LoadBefore float64 `json:"loadBefore"` // load average of the machine, because other programs disturb the figures
	LoadAfter  float64 `json:"loadAfter"`
}

// spread is the distribution of a duration, in milliseconds.
type spread struct {
	P50  float64 `json:"p50"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	Most float64 `json:"most"`
}

func spreadOf(took []time.Duration) spread {
	if len(took) == 0 {
		return spread{}
	}
	slices.Sort(took)
	at := func(share float64) float64 {
		return float64(took[min(int(share*float64(len(took))), len(took)-1)].Microseconds()) / 1000
	}
	return spread{P50: at(0.5), P95: at(0.95), P99: at(0.99), Most: at(1)}
}

// runRelay starts a porch-relay. It makes many hosts dial in and many guests wait, over TLS from many addresses of
// loopback, within the relay's own limits:
//
//	porch-load relay -relay build/bin/porch-relay -hosts 10000 -guests 2000
//
// It prints as JSON what they cost the relay, and how long the knocks of further guests take to reach their hosts
// meanwhile. It fails if a connection was dropped, or if the 99th percentile of knocks is longer than -bell. Linux
// only, because it reads /proc and uses all of 127.0.0.0/8.
func runRelay(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("porch-load relay", flag.ContinueOnError)
	program := f.String("relay", "build/bin/porch-relay", "the relay's `program`")
	hosts := f.Int("hosts", 10000, "how many hosts, with a link each")
	guests := f.Int("guests", 2000, "how many guests wait")
	knocks := f.Int("knocks", 1000, "how many more guests knock, one after another")
	rate := f.Float64("rate", 20, "knocks a `second`, at random times")
	workers := f.Int("workers", 16, "how many come in at once")
	idle := f.Duration("idle", 30*time.Second, "how `long` to watch the relay while nothing happens")
	goal := f.Duration("bell", bellGoal, "how long 99 knocks in 100 may `take` at most")
	if err := f.Parse(args); err != nil {
		return err
	}
	debug.SetGCPercent(400) // this process shares the machine with the relay

	p, err := startRelay(ctx, *program)
	if err != nil {
		return err
	}
	defer p.stop()
	s := newStreet(p)
	defer s.close()

	r := relayResult{Hosts: *hosts, Guests: *guests, Knocks: *knocks, LoadBefore: loadAverage()}
	if r.Before, err = p.held(ctx); err != nil {
		return err
	}

	came, err := inParallel(ctx, *hosts, *workers, "hosts", func(ctx context.Context, i int) error {
		return s.openHost(ctx, i)
	})
	if err != nil {
		return err
	}
	r.HostsPerSecond = float64(*hosts) / came.Seconds()
	if r.WithHosts, err = p.held(ctx); err != nil {
		return err
	}

	came, err = inParallel(ctx, *guests, *workers, "guests", func(ctx context.Context, i int) error {
		v, err := s.openGuest(ctx, s, waiting, i)
		if err == nil {
			s.stay(v)
		}
		return err
	})
	if err != nil {
		return err
	}
	r.GuestsPerSecond = float64(*guests) / came.Seconds()
	if r.WithGuests, err = p.held(ctx); err != nil {
		return err
	}
	per := func(a, b float64, n int) int { return int((b - a) / float64(max(n, 1))) }
	r.HostBytes = per(r.Before.Resident, r.WithHosts.Resident, *hosts)
	r.GuestBytes = per(r.WithHosts.Resident, r.WithGuests.Resident, *guests)
	r.HostLiveBytes = per(r.Before.Live, r.WithHosts.Live, *hosts)
	r.GuestLiveBytes = per(r.WithHosts.Live, r.WithGuests.Live, *guests)
	r.KernelBytes = per(r.Before.Slab, r.WithGuests.Slab, 2*(*hosts+*guests))
	r.HostCPU = (r.WithHosts.Before - r.Before.CPU) * 1000 / float64(max(*hosts, 1))
	r.GuestCPU = (r.WithGuests.Before - r.WithHosts.CPU) * 1000 / float64(max(*guests, 1))

	from, err := usageOf(p.pid())
	if err != nil {
		return err
	}
	began := time.Now()
	if err := sleep(ctx, *idle); err != nil {
		return err
	}
	to, err := usageOf(p.pid())
	if err != nil {
		return err
	}
	r.IdleCPU = (to.cpu - from.cpu).Seconds() / time.Since(began).Seconds()

	if err := s.knock(ctx, *knocks, *rate, &r); err != nil {
		return err
	}
	r.LoadAfter = loadAverage()
	if r.Dropped, err = s.missing(ctx, *hosts, *guests); err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		return err
	}
	switch {
	case r.Dropped > 0:
		return fmt.Errorf("%d connections were dropped", r.Dropped)
	case r.Bell.P99 > float64(goal.Milliseconds()) || r.FirstFrame.P99 > float64(goal.Milliseconds()):
		return fmt.Errorf("1 knock in 100 takes longer than %v", *goal)
	}
	return nil
}

// inParallel calls do for 0 to n-1, again up to [tries] times where it fails. It returns how long all of them took,
// and an error as soon as one has used up its tries.
func inParallel(ctx context.Context, n, workers int, what string, do func(context.Context, int) error) (time.Duration, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	began := time.Now()
	next := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range next {
				var err error
				for try := range tries {
					limited, done := context.WithTimeout(ctx, openPatience)
					err = do(limited, i)
					done()
					if err == nil || ctx.Err() != nil {
						break
					}
					fmt.Fprintf(os.Stderr, "%s, number %d, try %d: %v\n", what, i, try+1, err)
				}
				if err != nil {
					cancel(fmt.Errorf("%s, number %d: %w", what, i, err))
					return
				}
			}
		})
	}
	for i := range n {
		select {
		case next <- i:
		case <-ctx.Done():
		}
		if i%1000 == 999 && ctx.Err() == nil {
			fmt.Fprintf(os.Stderr, "%6d %s after %v\n", i+1, what, time.Since(began).Round(time.Second))
		}
	}
	close(next)
	wg.Wait()
	return time.Since(began), context.Cause(ctx)
}

// knock makes further guests come, knock at random links at random times, and leave again.
func (s *street) knock(ctx context.Context, n int, rate float64, r *relayResult) error {
	var (
		mu                        sync.Mutex
		failed                    error
		first, bells, openings    []time.Duration
		wg                        sync.WaitGroup
		limited, cancelWithKnocks = context.WithCancel(ctx)
	)
	defer cancelWithKnocks()
	for i := range n {
		pause := time.Duration(rand.ExpFloat64() / rate * float64(time.Second))
		if err := sleep(limited, pause); err != nil {
			break
		}
		wg.Go(func() {
			ctx, done := context.WithTimeout(limited, openPatience)
			defer done()
			v, err := s.openGuest(ctx, s, passing, i)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("knock %d: %w", i, err))
				cancelWithKnocks()
				return
			}
			first, bells, openings = append(first, v.first), append(bells, v.bell), append(openings, v.opening)
			_ = v.ws.CloseNow() // the guest has gone
		})
	}
	wg.Wait()
	r.FirstFrame, r.Bell, r.Opening = spreadOf(first), spreadOf(bells), spreadOf(openings)
	return errors.Join(failed, ctx.Err())
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
