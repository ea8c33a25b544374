package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestVersion needs no data folder: the program tells its version before it opens anything.
func TestVersion(t *testing.T) {
	var out, said bytes.Buffer
	if err := run([]string{"--version"}, nil, &out, &said); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "porch-headless ") || strings.Count(out.String(), "\n") != 1 || said.Len() > 0 {
		t.Errorf("said %q, %q", out.String(), said.String())
	}
}
