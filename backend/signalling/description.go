package signalling

import (
	"slices"
	"strings"

	"github.com/porch-call/porch/backend/fault"
)

// Bounds of a session description (RFC 8866). WebRTC stacks do work for each
// format times each line of its section, so a bound on the bytes alone does not
// bound the work. Browsers stay below a quarter of these.
const (
	maxSections   = MaxSlots + 2
	maxFormats    = 64   // in a section, none twice
	maxAttributes = 256  // in a section, and before the first
	maxAlike      = 64   // lines of one kind in a section: attributes of one name, or lines of another letter
	maxCandidates = 128  // candidates in a section
	maxSDPLine    = 4096 // bytes
)

func sdpInvalid(format string, args ...any) error {
	return fault.Newf(fault.SDPInvalid, format, args...)
}

// checkDescription checks the form of a session description. It leaves the
// contents of its lines to the WebRTC stack.
func checkDescription(negotiation uint32, sdp string) error {
	switch {
	case negotiation == 0:
		return invalid("description: negotiations count from 1")
	case len(sdp) > MaxSDP:
		return sdpInvalid("%d bytes", len(sdp))
	case !strings.HasPrefix(sdp, "v=0\r\n") && !strings.HasPrefix(sdp, "v=0\n"):
		return sdpInvalid("does not begin with v=0")
	}
	for _, c := range []byte(sdp) {
		if c < ' ' && c != '\r' && c != '\n' && c != '\t' || c == 0x7F {
			return sdpInvalid("control character")
		}
	}
	sections, attributes := 0, 0
	alike := make(map[string]int)
	for line := range strings.Lines(sdp) {
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		switch {
		case line == "":
			continue
		case len(line) > maxSDPLine:
			return sdpInvalid("line of %d bytes", len(line))
		case strings.Contains(line, "\r"):
			return sdpInvalid("carriage return within a line")
		case len(line) < 2 || line[1] != '=':
			return sdpInvalid("not a line of a description")
		}
		kind, limit := line[:1], maxAlike
		switch kind {
		case "m":
			if sections++; sections > maxSections {
				return sdpInvalid("too many sections")
			}
			attributes = 0
			clear(alike)
			if err := checkFormats(line[2:]); err != nil {
				return err
			}
			continue
		case "a":
			if attributes++; attributes > maxAttributes {
				return sdpInvalid("too many attributes")
			}
			kind, _, _ = strings.Cut(line[2:], ":")
			if kind == "candidate" {
				limit = maxCandidates
			}
		}
		if alike[kind]++; alike[kind] > limit {
			return sdpInvalid("too many lines of one kind")
		}
	}
	return nil
}

// checkFormats checks the value of a media line: medium, port, protocol, formats.
func checkFormats(media string) error {
	fields := strings.Fields(media)
	if len(fields) < 4 {
		return sdpInvalid("section without formats")
	}
	formats := fields[3:]
	if len(formats) > maxFormats {
		return sdpInvalid("%d formats", len(formats))
	}
	slices.Sort(formats)
	if len(slices.Compact(formats)) < len(fields)-3 {
		return sdpInvalid("a format twice")
	}
	return nil
}
