// Package version knows which Porch this is. It is the one place that holds the number: the window, porch-headless,
// porch-relay and their packages all say what it says. scripts/version.sh makes the number, and the Makefile has the
// linker write it here.
package version

import (
	"runtime"
	"runtime/debug"
	"slices"
)

// number is set by the linker: -X github.com/porch-call/porch/backend/version.number=1.2.3.
var number = ""

// Number returns the version as SemVer, such as "1.2.3" or "1.2.3-dev.g0a1b2c3d4e5f". A program that was built without
// the Makefile has "0.0.0-dev", with the commit if Go knows it.
func Number() string {
	if number != "" {
		return number
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "0.0.0-dev"
	}
	return unnumbered(info.Settings)
}

// commitLength is how many hex digits of a commit name it.
const commitLength = 12

func unnumbered(settings []debug.BuildSetting) string {
	for _, s := range settings {
		if s.Key == "vcs.revision" && len(s.Value) >= commitLength {
			return "0.0.0-dev.g" + s.Value[:commitLength]
		}
	}
	return "0.0.0-dev"
}

// Line returns what a program says of itself in one line: "porch 1.2.3 (go1.26.8, linux/amd64)".
func Line(program string) string {
	return program + " " + Number() + " (" + runtime.Version() + ", " + runtime.GOOS + "/" + runtime.GOARCH + ")"
}

// Asked reports whether a program's arguments ask for its version and for nothing else.
func Asked(args []string) bool {
	return len(args) == 1 && slices.Contains([]string{"-version", "--version", "version"}, args[0])
}
