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
	"strings"
	"syscall"

	"github.com/porch-call/porch/backend/version"
)

// The exit codes.
const (
	exitWell   = 0
	exitFailed = 1
	exitUsage  = 2 // the arguments or settings make no sense
)

// errUsage wraps a fault in the operator's arguments or settings.
var errUsage = errors.New("usage")

// Run runs the whole command and returns its exit code.
func Run(args []string, environment map[string]string, stdout, stderr io.Writer) int {
	if version.Asked(args) {
		fmt.Fprintln(stdout, version.Line("porch-relay"))
		return exitWell
	}
	command := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		command, args = args[0], args[1:]
	}
	var err error
	switch command {
	case "":
		err = runServe(args, environment, stdout, stderr)
	case "check":
		err = runCheck(args, environment, stdout, stderr)
	case "invite":
		err = invite(args, stdout, stderr)
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

// runServe runs a relay until it is told to stop.
func runServe(args []string, environment map[string]string, stdout, stderr io.Writer) error {
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
	return serve(context.Background(), s, signals, log)
}
