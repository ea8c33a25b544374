package contain_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/porch-call/porch/backend/kit/contain"
)

func TestRun(t *testing.T) {
	var log bytes.Buffer
	p := contain.Panics{Log: slog.New(slog.NewTextHandler(&log, nil)), Part: "turn"}
	ran := false
	if !p.Run(func() { ran = true }) || !ran || p.Count() != 0 || log.Len() != 0 {
		t.Fatalf("ran %v, %d panics, log %q", ran, p.Count(), log.String())
	}
	if p.Run(func() { panic("what the guest sent") }) {
		t.Error("a panic counts as a return")
	}
	if p.Count() != 1 {
		t.Errorf("%d panics", p.Count())
	}
	if s := log.String(); !strings.Contains(s, "turn: panic") || !strings.Contains(s, "contain_test.go") {
		t.Errorf("the log doesn't say where: %s", s)
	}
	if strings.Contains(log.String(), "what the guest sent") {
		t.Error("the log holds the panic's value")
	}
}

// TestRunNeedsNoLogger checks that the zero value works.
func TestRunNeedsNoLogger(t *testing.T) {
	var p contain.Panics
	p.Run(func() { panic("anything") })
	if p.Count() != 1 {
		t.Errorf("%d panics", p.Count())
	}
}

func TestRunAllocatesNothing(t *testing.T) {
	var p contain.Panics
	n := 0
	if got := testing.AllocsPerRun(100, func() { p.Run(func() { n++ }) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}
