// Porch-headless is Porch without a window. It keeps links, serves the guest page from the same embedded relay, lets
// guests in by a policy and forwards their calls. It is for servers, for load, and for tests.
//
// It prints JSON, one object a line, on standard output:
//
//	{"event":"link","id":…,"name":…,"link":ADDRESS,"addresses":[{"url":…,"reach":…}]}
//	{"event":"knock","id":LINK,"request":…,"name":…}
//	{"event":"admitted","id":LINK,"participant":…,"name":…}
//	{"event":"left","id":LINK,"participant":…,"name":…}
//	{"event":"ended","id":LINK,"state":"spent"}
//	{"event":"relay","relay":…,"state":…,"code":…}
//	{"event":"stats", … what all calls have counted, see call.Stats}
//	{"event":"dropped","count":n}
//
// The lines need not be read: guests are let in meanwhile. When more than 4,096 lines wait, newer ones are dropped,
// and a line with their count replaces them.
//
// Links that can still be opened are kept from run to run (PORCH_DATA_DIR). If there are fewer than -links, new ones
// are made. With -admit=ask it reads names from standard input, one a line. Each line lets in one guest with that
// name, who waits already or will knock. With -admit=all it lets in all guests.
//
// With -relay, links use a public relay. "link" is still the address on this computer, and the address that can be
// opened from anywhere comes first in "addresses". Without -relay, the choice of an earlier run is kept.
//
// With -pprof=127.0.0.1:6060 it serves its profiles to programs on this computer: "go tool pprof
// http://127.0.0.1:6060/debug/pprof/profile".
//
// With -version it tells its version and ends.
//
// SIGUSR1 prints the stats. SIGINT and SIGTERM print them and end the program. The links stay for the next run.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/porch-call/porch/backend"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/version"
	"github.com/porch-call/porch/frontend"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintf(os.Stderr, "porch-headless: %v\n%s\n", err, fault.Sentence(fault.CodeOf(err)))
		}
		os.Exit(1)
	}
}

// settings are the flags of the command.
type settings struct {
	admitAll bool
	linkName string
	hostName string
	links    int
	listen   string
	pages    fs.FS
	verbose  bool
	version  bool
	pprof    string // "" for none
	door     bool

	relay      string
	invitation string
	relayOnly  *bool // nil to leave it as it is
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("porch-headless", flag.ContinueOnError)
	flags.SetOutput(stderr)
	admit := flags.String("admit", "ask", "whom to let in: `ask` (names on standard input) or all")
	flags.StringVar(&s.linkName, "name", "", "name of a link that is made now")
	flags.StringVar(&s.hostName, "host", "", "the host's name, as guests see it")
	flags.IntVar(&s.links, "links", 1, "have at least this many links that can be opened")
	flags.StringVar(&s.listen, "listen", "", "`address` of the relay (default PORCH_LISTEN, else all interfaces)")
	pages := flags.String("pages", "", "`folder` of the built guest page (default: the one built in)")
	flags.StringVar(&s.relay, "relay", "", "`address` of the public relay on which links live")
	invitation := flags.String("relay-token-file", "", "`file` with the relay's invitation (default PORCH_RELAY_TOKEN)")
	relayOnly := flags.Bool("relay-only", false, "hide this computer's address: media goes through the relay only")
	flags.BoolVar(&s.door, "door", false, "give links that are made now a direct door (PORCH_PAGE names the page)")
	flags.StringVar(&s.pprof, "pprof", "", "`address` of this computer at which profiles are served, such as 127.0.0.1:6060")
	flags.BoolVar(&s.version, "version", false, "tell the version and end")
	flags.BoolVar(&s.verbose, "v", false, "log more, on standard error")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	switch *admit {
	case "all":
		s.admitAll = true
	case "ask":
	default:
		return s, fmt.Errorf("-admit=%s: want ask or all", *admit)
	}
	s.pages = frontend.Guest()
	if *pages != "" {
		s.pages = os.DirFS(*pages)
	}
	flags.Visit(func(f *flag.Flag) {
		if f.Name == "relay-only" {
			s.relayOnly = relayOnly
		}
	})
	s.invitation = os.Getenv("PORCH_RELAY_TOKEN")
	if *invitation != "" {
		b, err := os.ReadFile(*invitation)
		if err != nil {
			return s, err
		}
		s.invitation = string(b)
	}
	return s, nil
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	s, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if s.version {
		_, err := fmt.Fprintln(stdout, version.Line("porch-headless"))
		return err
	}
	level := slog.LevelWarn
	if s.verbose {
		level = slog.LevelInfo
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if s.pprof != "" {
		end, err := profiles(ctx, s.pprof, log)
		if err != nil {
			return err
		}
		defer end()
	}
	b, err := backend.Open(ctx, backend.Options{Listen: s.listen, Pages: s.pages, Logger: log}.FromEnvironment())
	if err != nil {
		return err
	}
	out := newLines(stdout)
	d := newDoorkeeper(b.Host(), out, s.admitAll)
	err = d.prepare(ctx, s)
	if err == nil {
		if !s.admitAll {
			go d.readNames(stdin) // ends with standard input, or with the process
		}
		go out.onDemand(ctx, b.Host().Stats)
		err = d.keep(ctx)
	}
	stats := b.Host().Stats()
	err = errors.Join(err, b.Close())
	out.close(statsEvent{"stats", stats})
	return err
}

// readNames passes the names on standard input to the doorkeeper.
func (d *doorkeeper) readNames(stdin io.Reader) {
	scanner := bufio.NewScanner(stdin)
	for scanner.Scan() {
		if name := strings.TrimSpace(scanner.Text()); name != "" {
			d.expect(name)
		}
	}
}
