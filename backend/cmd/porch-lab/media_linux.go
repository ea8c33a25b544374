package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/porch-call/porch/backend/lab/clip"
	"github.com/porch-call/porch/backend/lab/media"
)

// runMedia plays scenarios and prints the table.
func runMedia(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("media", flag.ContinueOnError)
	rows := flags.String("rows", "", "`ROWS` to play, separated by commas (default: all)")
	runs := flags.Int("runs", 1, "how often each row is played; the median counts, and the worst may be 1.5 times the limit")
	headless := flags.String("headless", "build/bin/porch-headless", "the host's `program`")
	relay := flags.String("relay", "build/bin/porch-relay", "a public relay's `program`")
	pages := flags.String("pages", "", "`folder` of the guest page (default: the one built in)")
	out := flags.String("out", "build/lab", "`folder` for what was seen, and for clips")
	note := flags.String("note", "", "`text` about the machine, for the table's heading")
	record := flags.String("record", "", "make this run's figures those of before (backend/lab/media/before.json), of a `commit`")
	doc := flags.String("doc", "", "a `document` whose table gets the figures of the rows that were played")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("network namespaces need root")
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	clips := filepath.Join(*out, "clips")
	if _, err := clip.Open(clips, makeClip); err != nil {
		return err
	}
	chosen, err := media.Choose(strings.FieldsFunc(*rows, func(r rune) bool { return r == ',' }))
	if err != nil {
		return err
	}
	runner := &media.Runner{Headless: *headless, RelayProgram: *relay, Pages: *pages, Self: self, Clips: clips, Log: os.Stderr}
	table, err := runner.Table(ctx, chosen, max(*runs, 1), *out, *note)
	if err != nil {
		return err
	}
	if *record != "" {
		if err := table.Record("backend/lab/media/before.json", *record); err != nil {
			return err
		}
	}
	if *doc != "" {
		text, err := os.ReadFile(*doc)
		if err != nil {
			return err
		}
		if err := os.WriteFile(*doc, []byte(table.Into(string(text))), 0o644); err != nil {
			return err
		}
	}
	fmt.Print(table.String())
	return table.Unmet()
}
