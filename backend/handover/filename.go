package handover

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// unnamed is used for a link without a name.
const unnamed = "Porch call"

// maxFileName is the longest name in bytes of UTF-8, without the extension. It is well below the limits of file
// systems.
const maxFileName = 120

// FileName returns name as a file name with ext (such as ".ics") that every system accepts. It has no separators,
// control characters or reserved device names, and no dot, space or dash at an end where it has a meaning.
func FileName(name, ext string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Noncharacter_Code_Point):
			return -1
		case strings.ContainsRune(`/\:*?"<>|`, r):
			return '-'
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	name = strings.Trim(name, " .-")
	if len(name) > maxFileName {
		end := maxFileName
		for !utf8.RuneStart(name[end]) {
			end--
		}
		name = strings.TrimRight(name[:end], " .-")
	}
	if name == "" {
		name = unnamed
	}
	device, _, _ := strings.Cut(strings.ToUpper(name), ".")
	switch strings.TrimRight(device, "0123456789¹²³ ") {
	case "CON", "PRN", "AUX", "NUL", "COM", "LPT":
		name = "_" + name
	}
	return name + ext
}
