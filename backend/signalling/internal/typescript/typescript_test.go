package main

import (
	"bytes"
	"os"
	"testing"
)

// TestCurrent fails when the messages changed and go generate was not run.
func TestCurrent(t *testing.T) {
	want, err := Generate("../..")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../../../frontend/src/transport/generated/signalling.ts")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("frontend/src/transport/generated/signalling.ts is not current: run go generate ./backend/signalling")
	}
}
