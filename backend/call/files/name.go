package files

import (
	"strings"
	"unicode/utf8"

	"github.com/porch-call/porch/backend/signalling"
)

// MaxName is how many bytes of UTF-8 the name of a file has at most.
const MaxName = 120

// longestEnding is how many bytes an ending has at most that is kept when a name is cut.
const longestEnding = 16

// unnamed is used for a name of which nothing is left.
const unnamed = "file"

// Clean returns the name of a file as it is shown and saved: what a stranger wrote, on one line, as [signalling.CleanName]
// leaves it. It has no separators of paths, nothing that has a meaning to a system, no dot or dash in front and no dot
// at its end, and is no name of a device. A long name is cut in the middle, so that its ending stays. Clean is idempotent.
func Clean(name string) string {
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|%`, r) {
			return '-'
		}
		return r
	}, signalling.CleanName(name))
	name = trim(name)
	if len(name) > MaxName {
		name = shorten(name)
	}
	if name == "" {
		return unnamed
	}
	device, _, _ := strings.Cut(strings.ToUpper(name), ".")
	switch strings.TrimRight(device, "0123456789¹²³ ") {
	case "CON", "PRN", "AUX", "NUL", "COM", "LPT", "CONIN$", "CONOUT$", "CLOCK$":
		return shortened("_" + name)
	}
	return name
}

// trim removes what has a meaning at an end of a name. The name is clean otherwise.
func trim(name string) string {
	for {
		before := name
		name = signalling.CleanName(strings.TrimRight(strings.TrimLeft(name, " .-~"), " ."))
		if name == before {
			return name
		}
	}
}

func shortened(name string) string {
	if len(name) <= MaxName {
		return name
	}
	return shorten(name)
}

// shorten cuts a name to MaxName bytes and keeps its ending.
func shorten(name string) string {
	end := Ending(name)
	if len(end) > longestEnding {
		end = ""
	}
	stem := name[:len(name)-len(end)]
	for n := MaxName - len(end); n > 0; n-- {
		if !utf8.RuneStart(stem[n]) {
			continue
		}
		if cut := trim(strings.TrimRight(stem[:n], " .") + end); cut != "" && len(cut) <= MaxName {
			return cut
		}
	}
	return unnamed
}

// Ending returns the last dot of a name and what follows, "" if there is none.
func Ending(name string) string {
	if at := strings.LastIndexByte(name, '.'); at > 0 && at+1 < len(name) {
		return name[at:]
	}
	return ""
}
