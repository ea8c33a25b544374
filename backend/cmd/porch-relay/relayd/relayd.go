// Package relayd is the public relay as a program: its settings, its certificate,
// its metrics, the check from outside, and its life from start to drain.
package relayd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
)

// The exit codes.
const (
	exitWell   = 0
	exitFailed = 1
	exitUsage  = 2 // the arguments or settings make no sense
)

// errUsage wraps a fault in the operator's arguments or settings.
var errUsage = errors.New("usage")

// Run runs the whole command and returns its exit code. version is the build's;
// with "" it is what Go knows of the build.
func Run(version string, args []string, environment map[string]string, stdout, stderr io.Writer) int {
	command := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		command, args = args[0], args[1:]
	}
	var err error
	switch command {
	case "":
		err = runServe(version, args, environment, stdout, stderr)
	case "check":
		err = runCheck(args, environment, stdout, stderr)
	case "invite":
		err = invite(args, stdout, stderr)
	case "version":
		fmt.Fprintln(stdout, versionText(version))
	case "help":
		writeHelp(stdout, environment)
	default:
		err = fmt.Errorf("%w: %q is no command; \"porch-relay help\" lists them", errUsage, command)
	}
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return exitWell
	case errors.Is(err, errCheck):
		return exitFailed // printed line by line already
	}
	fmt.Fprintf(stderr, "porch-relay: %s\n", strings.TrimPrefix(err.Error(), errUsage.Error()+": "))
	if errors.Is(err, errUsage) {
		return exitUsage
	}
	return exitFailed
}

func writeHelp(w io.Writer, environment map[string]string) {
	newConfiguration(new(settings), environment).writeHelp(w)
}

// versionText returns the version in one line.
func versionText(version string) string {
	v := version
	if info, ok := debug.ReadBuildInfo(); v == "" && ok {
		v = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				v = s.Value[:12]
			}
		}
	}
	return "porch-relay " + v + " (" + runtime.Version() + ", " + runtime.GOOS + "/" + runtime.GOARCH + ")"
}

// runServe runs a relay until it is told to stop.
func runServe(version string, args []string, environment map[string]string, stdout, stderr io.Writer) error {
	var s settings
	c := newConfiguration(&s, environment)
	err := c.load(args, environment)
	if errors.Is(err, flag.ErrHelp) {
		c.writeHelp(stdout)
		return err
	}
	if err == nil {
		err = s.finish()
	}
	if err == nil {
		err = s.finishServing()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	log, err := newLogger(stderr, s.logFormat, s.logLevel)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	return serve(context.Background(), version, s, signals, log)
}
