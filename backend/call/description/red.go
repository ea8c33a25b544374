package description

import (
	"slices"
	"strconv"
	"strings"
)

// Redundant sound (RED, RFC 2198) is offered and answered past Pion, which need not know of it: the forwarder makes it,
// and decides packet by packet.

const (
	opusName = "opus/48000/2"
	redName  = "red/48000/2"
)

// WithRED returns an offer whose slots for sound may carry each Opus packet twice, under a payload type. It comes after
// Opus, so that whoever prefers the first format goes on with Opus.
func WithRED(offer string, payloadType uint8) string {
	red := strconv.Itoa(int(payloadType))
	sections := strings.Split(offer, "\r\nm=")
	for i, s := range sections {
		head, rest, ok := strings.Cut(s, "\r\n")
		if i == 0 || !ok || !strings.HasPrefix(head, "audio ") {
			continue
		}
		d := parseDescription("m=" + s)
		opus := d.sections[0].named(opusName)
		if _, slot := find(d.sections[0].attributes, "sendonly"); !slot || opus == "" {
			continue
		}
		sections[i] = head + " " + red + "\r\na=rtpmap:" + red + " " + redName +
			"\r\na=fmtp:" + red + " " + opus + "/" + opus + "\r\n" + rest
	}
	return strings.Join(sections, "\r\nm=")
}

// named returns the section's first format of a name, "" for none.
func (s *section) named(name string) string {
	for _, format := range s.formats {
		if names := s.about("rtpmap", format); len(names) > 0 && strings.EqualFold(names[0], name) {
			return format
		}
	}
	return ""
}

// takesRED returns the payload type under which an answer's section takes Opus twice, 0 for none. formats are the formats
// of the section that were agreed on otherwise.
func (s *section) takesRED(formats map[string]string) uint8 {
	red, opus := s.named(redName), s.named(opusName)
	if red == "" || opus == "" {
		return 0
	}
	pairs := s.about("fmtp", red)
	n, err := strconv.ParseUint(red, 10, 7)
	agreed, taken := false, false
	for _, theirs := range formats {
		agreed = agreed || theirs == opus
		taken = taken || theirs == red
	}
	switch {
	case err != nil || !agreed || taken || slices.ContainsFunc(pairs, func(p string) bool { return p != opus+"/"+opus }):
	case n >= 35 && n < 64 || n >= 96: // what is left of the others are types of RTCP (RFC 5761 section 4)
		return uint8(n)
	}
	return 0
}
