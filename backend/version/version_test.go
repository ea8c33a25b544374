package version

import (
	"regexp"
	"runtime/debug"
	"testing"
)

func TestNumber(t *testing.T) {
	if got := Number(); !regexp.MustCompile(`^0\.0\.0-dev(\.g[0-9a-f]{12})?$`).MatchString(got) {
		t.Errorf("without a number from the linker: %q", got)
	}
	defer func() { number = "" }()
	number = "1.2.3-dev.g0a1b2c3d4e5f"
	if got := Number(); got != number {
		t.Errorf("%q, want the linker's %q", got, number)
	}
	if got := Line("porch"); !regexp.MustCompile(`^porch 1\.2\.3-dev\.g0a1b2c3d4e5f \(go[^ ]+, [a-z0-9]+/[a-z0-9]+\)$`).MatchString(got) {
		t.Errorf("line: %q", got)
	}
}

func TestCommit(t *testing.T) {
	for revision, want := range map[string]string{
		"0a1b2c3d4e5f00112233445566778899aabbccdd": "0.0.0-dev.g0a1b2c3d4e5f",
		"0a1b": "0.0.0-dev",
	} {
		if got := unnumbered([]debug.BuildSetting{{Key: "vcs.revision", Value: revision}}); got != want {
			t.Errorf("%s: %q, want %q", revision, got, want)
		}
	}
}

func TestAsked(t *testing.T) {
	for _, args := range [][]string{{"-version"}, {"--version"}, {"version"}} {
		if !Asked(args) {
			t.Errorf("%q does not ask", args)
		}
	}
	for _, args := range [][]string{nil, {""}, {"porch://version"}, {"--version", "x"}, {"-admit=all"}} {
		if Asked(args) {
			t.Errorf("%q asks", args)
		}
	}
}
