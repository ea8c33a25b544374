// Porch-lab is the laboratory of media: calls on lines of many kinds, in network namespaces, and the table of what must
// be true of them. It needs root.
//
//	porch-lab media [-rows A1,A3] [-runs 5] [-headless build/bin/porch-headless] [-out build/lab]
//
// It prints the table and writes it as JSON (media.json) with what each line saw (link-ROW.json). It exits with 1 if a
// row is not met. The other commands are for itself: person, sink, upload.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/porch-call/porch/backend/lab/person"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "porch-lab:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == "media" {
		return runMedia(ctx, args[1:])
	}
	if len(args) == 2 {
		switch args[0] {
		case "person":
			return runPerson(ctx, args[1])
		case "sink":
			return runSink(ctx, args[1])
		case "upload":
			return runUpload(ctx, args[1])
		}
	}
	return errors.New("usage: porch-lab media [-rows ROWS] [-runs N]")
}

// runPerson is a guest. It ends with its input.
func runPerson(ctx context.Context, spec string) error {
	var s person.Spec
	if err := json.Unmarshal([]byte(spec), &s); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	begun := make(chan struct{})
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		if lines.Scan() {
			close(begun)
		}
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	out := json.NewEncoder(os.Stdout)
	return person.Run(ctx, s, begun, func(e person.Event) { _ = out.Encode(e) })
}

// runSink takes a TCP upload until its input ends.
func runSink(ctx context.Context, address string) error {
	l, err := net.Listen("tcp4", address)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { l.Close() })
	fmt.Println(`{"event":"ready"}`)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for {
		c, err := l.Accept()
		if err != nil {
			return nil //nolint:nilerr // it was closed
		}
		go func() { _, _ = io.Copy(io.Discard, c) }()
	}
}

// runUpload sends as much as it can, with the congestion control of most systems, until its input ends.
func runUpload(ctx context.Context, address string) error {
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		var set error
		err := c.Control(func(fd uintptr) {
			set = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, "cubic")
		})
		return errors.Join(err, set)
	}}
	c, err := d.DialContext(ctx, "tcp4", address)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { c.Close() })
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	b := make([]byte, 1<<16)
	for {
		if _, err := c.Write(b); err != nil {
			return nil //nolint:nilerr // it was closed
		}
	}
}
