package media

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/porch-call/porch/backend/lab/person"
	"github.com/porch-call/porch/backend/lab/topology"
)

const (
	patience = 30 * time.Second // for what must happen before a call can be measured
	settled  = time.Second      // after the last is connected, before the beginning
	toEnd    = 10 * time.Second // for a process that was asked to end
)

// Runner plays scenarios. It is not safe for concurrent use.
type Runner struct {
	Headless     string // the host's program
	RelayProgram string // of a public relay
	Pages        string // folder of the guest page; "": the one that is built in
	Self         string // this program: "SELF person" is a person
	Clips        string // folder of clips
	Log          io.Writer
}

// scene is a scenario that is played.
type scene struct {
	*Runner
	scenario *Scenario
	dir      string
	net      *topology.Net
	host     *process
	links    []string // addresses of the host's link
	people   map[int]*process
	lines    map[int]*topology.Line
	others   []*process
	run      *Run
}

// Play plays a scenario once.
func (r *Runner) Play(ctx context.Context, s *Scenario) (*Run, error) {
	dir, err := os.MkdirTemp("", "porch-lab-media")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	x := &scene{
		Runner: r, scenario: s, dir: dir, people: make(map[int]*process), lines: make(map[int]*topology.Line),
		run: &Run{Scenario: s, People: make(map[int]*person.Report), Lines: make(map[int]Seen2)},
	}
	if x.net, err = topology.New(); err != nil {
		return nil, err
	}
	err = x.play(ctx)
	x.stop()
	home := x.lines[0]
	err = errors.Join(err, x.net.Close())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Row, err)
	}
	x.run.Up, x.run.Down = home.Up, home.Down
	for n, l := range x.lines {
		if n > 0 {
			x.run.Lines[n] = Seen2{l.Up, l.Down}
		}
	}
	return x.run, x.read()
}

func (x *scene) play(ctx context.Context) (err error) {
	s := x.scenario
	if s.Bucket != nil && s.Bucket.Router {
		x.lines[0], err = new(topology.Line), x.net.JoinHostByRouter()
	} else {
		x.lines[0], err = x.net.JoinHost(s.Up, s.Down)
	}
	if err != nil {
		return err
	}
	for i, g := range s.Guests {
		if x.lines[i+1], err = x.net.AddGuest(i+1, g.Up, g.Down); err != nil {
			return err
		}
	}
	if s.Relay != Direct {
		if err := x.startRelay(); err != nil {
			return err
		}
	}
	if err := x.startHost(ctx); err != nil {
		return err
	}
	if s.Window != nil {
		if err := x.enter(ctx, 0, *s.Window); err != nil {
			return err
		}
	}
	for i, g := range s.Guests {
		if g.Comes == 0 {
			if err := x.enter(ctx, i+1, g); err != nil {
				return err
			}
		}
	}
	if err := pause(ctx, settled); err != nil {
		return err
	}
	return x.measure(ctx)
}

// measure begins the scripts and waits until the end.
func (x *scene) measure(ctx context.Context) error {
	s := x.scenario
	if s.Upload {
		if err := x.startUpload(ctx); err != nil {
			return err
		}
	}
	carried, dropped := int64(0), int64(0)
	if b := s.Bucket; b != nil {
		if err := x.net.Bucket(b.Rate, b.Queue); err != nil {
			return err
		}
	}
	before, err := usage(x.host.pid())
	if err != nil {
		return err
	}
	x.net.Begin()
	begin := time.Now()
	x.run.Start = time.Duration(begin.UnixNano())
	for _, p := range x.people {
		p.tell("begin")
	}
	seconds := time.NewTicker(time.Second)
	defer seconds.Stop()
	events := s.Events
	coming := make(map[int]Guest)
	for i, g := range s.Guests {
		if g.Comes > 0 {
			coming[i+1] = g
		}
	}
	for time.Since(begin) < s.For {
		next := s.For
		for _, e := range events {
			next = min(next, e.At)
		}
		for _, g := range coming {
			next = min(next, g.Comes)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-seconds.C:
			_ = x.host.cmd.Process.Signal(syscall.SIGUSR1)
		case <-time.After(next - time.Since(begin)):
		}
		for len(events) > 0 && time.Since(begin) >= events[0].At {
			if err := x.net.MoveHost(events[0].Move); err != nil {
				return err
			}
			events = events[1:]
		}
		for n, g := range coming {
			if time.Since(begin) >= g.Comes {
				delete(coming, n)
				if err := x.start(n, g); err != nil {
					return err
				}
			}
		}
	}
	after, err := usage(x.host.pid())
	if err != nil {
		return err
	}
	x.run.CPU = (after.cpu - before.cpu).Seconds() / time.Since(begin).Seconds()
	x.run.Began, x.run.Memory = before.memoryMB, after.memoryMB
	if s.Bucket != nil {
		if carried, dropped, err = x.net.BucketCounts(); err != nil {
			return err
		}
	}
	x.run.Carried, x.run.Dropped = carried, dropped
	return nil
}

// startHost starts porch-headless and waits for its link.
func (x *scene) startHost(ctx context.Context) error {
	c := x.net.Command(topology.Host, append([]string{
		x.Headless, "-admit=all", "-host", "Host", "-listen", "0.0.0.0:47100", "-pages", x.Pages,
	}, x.hostArguments()...)...)
	c.Env = append(os.Environ(), "PORCH_DATA_DIR="+filepath.Join(x.dir, "data"))
	if x.scenario.Relay != Direct {
		c.Env = append(c.Env, "SSL_CERT_FILE="+x.certificate())
	}
	var err error
	if x.host, err = x.launch(c, "host"); err != nil {
		return err
	}
	want := topology.HostAddress
	if x.scenario.Relay != Direct {
		want = relayDomain
	}
	err = x.host.await(ctx, func(line map[string]any) bool {
		if line["event"] != "link" {
			return false
		}
		x.links = []string{fmt.Sprint(line["link"])}
		all, _ := line["addresses"].([]any)
		for _, a := range all {
			if a, ok := a.(map[string]any); ok {
				x.links = append(x.links, fmt.Sprint(a["url"]))
			}
		}
		_, err := x.linkAt(want)
		return err == nil
	})
	if err != nil {
		return fmt.Errorf("%w; addresses %q", err, x.links)
	}
	go x.host.collect(func(line map[string]any) {
		if line["event"] != "stats" {
			return
		}
		estimates := make(map[string]uint64)
		if all, ok := line["estimates"].(map[string]any); ok {
			for who, rate := range all {
				if rate, ok := rate.(float64); ok {
					estimates[who] = uint64(rate)
				}
			}
		}
		x.run.Estimates = append(x.run.Estimates, estimates)
	})
	return nil
}

// linkAt returns the link's address with a part.
func (x *scene) linkAt(part string) (string, error) {
	for _, l := range x.links {
		if strings.Contains(l, part) {
			return l, nil
		}
	}
	return "", fmt.Errorf("no address at %s in %q", part, x.links)
}

// enter lets somebody join, and waits until media can flow.
func (x *scene) enter(ctx context.Context, n int, g Guest) error {
	if err := x.start(n, g); err != nil {
		return err
	}
	err := x.people[n].await(ctx, func(line map[string]any) bool { return line["event"] == "connected" })
	if err == nil {
		go x.people[n].collect(func(map[string]any) {})
	}
	return err
}

func (x *scene) start(n int, g Guest) error {
	space, at := topology.GuestSpace(n), topology.HostAddress
	switch {
	case n == 0:
		space, at = topology.Host, "localhost"
	case x.scenario.Relay != Direct:
		at = relayDomain
	}
	address, err := x.linkAt(at)
	if err != nil {
		return err
	}
	spec, err := json.Marshal(person.Spec{
		Number: uint16(n), Link: address, Clips: x.Clips, Report: x.report(n),
		Loopback: n == 0, Camera: g.Camera, Talk: g.Talk, Attack: g.Attack, Hides: g.Hides, Returns: g.Returns,
	})
	if err != nil {
		return err
	}
	p, err := x.launch(x.net.Command(space, x.Self, "person", string(spec)), fmt.Sprint("person ", n))
	if err != nil {
		return err
	}
	x.people[n] = p
	return nil
}

func (x *scene) report(n int) string { return filepath.Join(x.dir, fmt.Sprintf("report-%d", n)) }

// startUpload starts a TCP upload from the host.
func (x *scene) startUpload(ctx context.Context) error {
	address := topology.CoreAddress + ":47200"
	sink, err := x.launch(x.net.Command(topology.Core, x.Self, "sink", address), "sink")
	if err != nil {
		return err
	}
	x.others = append(x.others, sink)
	if err := sink.await(ctx, func(line map[string]any) bool { return line["event"] == "ready" }); err != nil {
		return err
	}
	upload, err := x.launch(x.net.Command(topology.Host, x.Self, "upload", address), "upload")
	if err == nil {
		x.others = append(x.others, upload)
	}
	return err
}

// stop ends all processes, people first, so that they write what they saw.
func (x *scene) stop() {
	for _, p := range x.people {
		p.hangUp()
	}
	for _, p := range x.people {
		p.wait()
	}
	for _, p := range append(x.others, x.host) {
		if p != nil {
			p.hangUp()
			_ = p.cmd.Process.Signal(syscall.SIGTERM)
			p.wait()
		}
	}
}

// read reads the reports.
func (x *scene) read() error {
	for n := range x.people {
		f, err := os.Open(x.report(n))
		if err != nil {
			return fmt.Errorf("%s: person %d: %w", x.scenario.Row, n, err)
		}
		r := new(person.Report)
		err = r.Read(bufio.NewReader(f))
		_ = f.Close()
		if err != nil {
			return fmt.Errorf("%s: person %d: %w", x.scenario.Row, n, err)
		}
		x.run.People[n] = r
	}
	return nil
}

// process is a program that writes JSON, one object a line.
type process struct {
	name  string
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan map[string]any
}

func (r *Runner) launch(c *exec.Cmd, name string) (*process, error) {
	p := &process{name: name, cmd: c, lines: make(chan map[string]any, 64)}
	c.Stderr = r.Log
	var err error
	if p.in, err = c.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.lines)
		scanner := bufio.NewScanner(out)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			var line map[string]any
			if json.Unmarshal(scanner.Bytes(), &line) == nil {
				p.lines <- line
			}
		}
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// await waits for a line of which ok is true.
func (p *process) await(ctx context.Context, ok func(map[string]any) bool) error {
	late := time.After(patience)
	for {
		select {
		case line, open := <-p.lines:
			if !open {
				return fmt.Errorf("%s ended", p.name)
			}
			if ok(line) {
				return nil
			}
		case <-late:
			return fmt.Errorf("%s is not ready after %v", p.name, patience)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// collect takes all lines until the end.
func (p *process) collect(take func(map[string]any)) {
	for line := range p.lines {
		take(line)
	}
}

func (p *process) tell(word string) { _, _ = io.WriteString(p.in, word+"\n") }

// hangUp closes the input, at which a person ends.
func (p *process) hangUp() { _ = p.in.Close() }

// wait waits for the end, and kills what does not.
func (p *process) wait() {
	kill := time.AfterFunc(toEnd, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	p.collect(func(map[string]any) {})
	_ = p.cmd.Wait() // what it printed was shown
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// use is what a process has used.
type use struct {
	cpu      time.Duration
	memoryMB float64
}

// usage reads /proc. The clock of processes ticks 100 times a second (proc(5)).
func usage(pid int) (u use, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) < 22 {
		return u, fmt.Errorf("stat of process %d: %q", pid, b)
	}
	for _, i := range []int{11, 12} { // user and system time
		ticks, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return u, err
		}
		u.cpu += time.Duration(ticks) * 10 * time.Millisecond
	}
	pages, err := strconv.ParseInt(fields[21], 10, 64)
	u.memoryMB = float64(pages) * float64(os.Getpagesize()) / 1e6
	return u, err
}

// load returns how many processes wanted a processor in the last minute (proc(5)).
func load() (average float64) {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	_, _ = fmt.Sscan(string(b), &average) // it is 0 if it can't be read
	return average
}

// Table plays scenarios, each some times, and returns the table. It and what the lines saw, of the
// last run, go into a folder.
func (r *Runner) Table(ctx context.Context, all []Scenario, runs int, folder, note string) (*Table, error) {
	t, err := newTable(runs, note)
	if err != nil {
		return nil, err
	}
	for i := range all {
		s := &all[i]
		var played []*Run
		for n := range runs {
			_, _ = fmt.Fprintf(r.Log, "%s, run %d of %d: %s\n", s.Row, n+1, runs, s.About)
			run, err := r.Play(ctx, s)
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			if err != nil { // the row has no figure, which is never met
				_, _ = fmt.Fprintln(r.Log, "porch-lab:", err)
				run = nil
			}
			played = append(played, run)
			t.Load = max(t.Load, load())
			if run == nil {
				continue
			}
			name := "link-" + strings.ReplaceAll(s.Row, "/", "-") + ".json"
			if err := writeJSON(filepath.Join(folder, name), run.lineLog()); err != nil {
				return nil, err
			}
		}
		t.add(s, played)
		t.Took = time.Since(t.When).Round(time.Second)
		if err := t.Write(filepath.Join(folder, "media.json")); err != nil { // after each row: a run may be cut short
			return nil, err
		}
	}
	return t, nil
}
