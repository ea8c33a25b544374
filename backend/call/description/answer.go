// Package description reads and writes session descriptions (SDP, RFC 8866) as text: it makes of a guest's answer one that
// Pion may be given, and takes candidates out and puts them in. It does no I/O.
package description

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// A guest's answer is not passed on to pion. It is read here, and pion gets a new description: those lines of our own
// offer that the guest has agreed to, and of the guest's lines only credentials, fingerprint and SSRCs. So the offer
// bounds pion's work, and nothing is negotiated that was not offered (a second data channel, for example). An answer may be
// legal but unusual (RFC 3264), and refuse a section with port 0 or leave out a codec or an extension. Then it loses
// what it refuses, not the call.

// section is a media section of a description (RFC 8866).
type section struct {
	kind, port string
	formats    []string
	attributes []attribute
}

type attribute struct{ key, value string }

// description holds the parts of a description that answers need.
type description struct {
	attributes []attribute // of the session
	sections   []section
}

// parseDescription reads a description. Package signalling has checked its form.
func parseDescription(sdp string) (d description) {
	for line := range strings.Lines(sdp) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "m="):
			fields := strings.Fields(line[2:])
			if len(fields) < 4 {
				fields = []string{"", "0", "", ""}
			}
			port, _, _ := strings.Cut(fields[1], "/")
			d.sections = append(d.sections, section{kind: fields[0], port: port, formats: fields[3:]})
		case strings.HasPrefix(line, "a="):
			key, value, _ := strings.Cut(line[2:], ":")
			to := &d.attributes
			if n := len(d.sections); n > 0 {
				to = &d.sections[n-1].attributes
			}
			*to = append(*to, attribute{key, value})
		}
	}
	return d
}

// find returns the value of the first attribute with this name.
func find(attributes []attribute, key string) (value string, ok bool) {
	for _, a := range attributes {
		if a.key == key {
			return a.value, true
		}
	}
	return "", false
}

// about returns the values of the attributes with this name that concern a format, without the format.
func (s *section) about(key, format string) (values []string) {
	for _, a := range s.attributes {
		if a.key != key {
			continue
		}
		if f, rest, ok := strings.Cut(a.value, " "); ok && (f == format || f == "*") {
			values = append(values, strings.TrimSpace(rest))
		}
	}
	return values
}

// refused reports whether the section is refused. In a bundle, port 0 alone does not say so (RFC 8843 section 7.2.1).
func (s *section) refused() bool {
	_, bundled := find(s.attributes, "bundle-only")
	return s.port == "0" && !bundled
}

// agreed compares an offered section with its answer. It returns the formats of the same codec: the answer's format by
// the offered one. A format that the answer does not explain means the offered one of that number.
func (s *section) agreed(answer *section) map[string]string {
	formats := make(map[string]string)
	if s.kind == dataKind {
		if slices.Contains(answer.formats, dataFormat) {
			formats[dataFormat] = dataFormat
		}
		return formats
	}
	for _, own := range s.formats {
		name := strings.Join(s.about("rtpmap", own), "")
		apt, repair := strings.CutPrefix(strings.Join(s.about("fmtp", own), ""), "apt=")
		for _, theirs := range answer.formats {
			if n, err := strconv.ParseUint(theirs, 10, 7); err != nil || strconv.FormatUint(n, 10) != theirs {
				continue
			}
			names := answer.about("rtpmap", theirs)
			same := theirs == own // a payload type without a name means ours
			if len(names) > 0 {
				same = strings.EqualFold(names[0], name)
			}
			if !same {
				continue
			}
			if repair && !repairs(answer.about("fmtp", theirs), formats[apt]) {
				continue
			}
			formats[own] = theirs
			break
		}
	}
	return formats
}

// repairs reports whether parameters describe the retransmissions of a format.
func repairs(parameters []string, format string) bool {
	for _, p := range parameters {
		for one := range strings.SplitSeq(p, ";") {
			if apt, ok := strings.CutPrefix(strings.TrimSpace(one), "apt="); ok && apt == format && format != "" {
				return true
			}
		}
	}
	return false
}

// Answer is what [Read] makes of an answer.
type Answer struct {
	SDP    string              // for Pion, which sees nothing of layers
	Takes  map[string]bool     // by mid: slots that the guest wants to receive
	RED    map[string]uint8    // by mid: the payload type for Opus twice, of slots that take it; see [WithRED]
	Layers map[string][]string // by mid: RIDs of the layers that the guest sends, the lowest first; none for one stream
}

// Errors of [Read].
var (
	ErrHandshake = errors.New("the answer does not begin the handshake")
	ErrSections  = errors.New("the answer has sections that were not offered")
	ErrRefused   = errors.New("the answer refuses everything")
	ErrTransport = errors.New("the answer lacks credentials or a fingerprint")
)

// Read reads an answer to an offer of ours. It refuses an answer whose sender would not be the DTLS client. All
// browsers are the client when they answer actpass (RFC 5763 section 5). Without our server's hello there are no keys
// for the direct way of media (media/path), and pion's own packet path does not bound how many streams a peer sends.
func Read(offer, answer string) (Answer, error) {
	ours, theirs := parseDescription(offer), parseDescription(answer)
	matched, err := match(ours.sections, theirs.sections)
	if err != nil {
		return Answer{}, err
	}
	r := Answer{Takes: make(map[string]bool), RED: make(map[string]uint8), Layers: make(map[string][]string)}
	var body strings.Builder
	var bundle, transport string
	for i := range ours.sections {
		own := &ours.sections[i]
		mid, _ := find(own.attributes, "mid")
		their := matched[i]
		var formats map[string]string
		if their != nil && !their.refused() {
			formats = own.agreed(their)
		}
		accepted := len(formats) > 0
		direction := "inactive"
		if accepted {
			direction = own.directionOf(&theirs, their)
			if transport == "" {
				if transport, err = theirs.transport(); err != nil {
					return Answer{}, err
				}
			}
			bundle += " " + mid
		}
		if own.kind == dataKind {
			own.write(&body, their, formats, mid, "", false)
			continue
		}
		r.Takes[mid] = direction == "recvonly"
		if r.Takes[mid] {
			if n := their.takesRED(formats); n != 0 {
				r.RED[mid] = n
			}
		}
		if direction == "sendonly" {
			if rids := own.layers(their); rids != nil {
				r.Layers[mid] = rids
			}
		}
		own.write(&body, their, formats, mid, direction, r.Layers[mid] != nil)
	}
	if transport == "" {
		return Answer{}, ErrRefused
	}
	head := "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE" + bundle + "\r\n" + transport
	for _, flag := range []string{"ice-lite", "extmap-allow-mixed"} {
		if _, ok := find(theirs.attributes, flag); ok {
			head += "a=" + flag + "\r\n"
		}
	}
	// Pion reads the role from the first section.
	r.SDP = head + strings.Replace(body.String(), "a=mid:", "a=setup:active\r\na=mid:", 1)
	return r, nil
}

// match returns the answer's section for each offered one, nil for those that the answer leaves out. It goes by mid, or
// by place if the answer has no mids.
func match(ours, theirs []section) ([]*section, error) {
	if len(theirs) > len(ours) {
		return nil, ErrSections
	}
	places := make(map[string]int, len(ours))
	for i := range ours {
		mid, _ := find(ours[i].attributes, "mid")
		places[mid] = i
	}
	matched := make([]*section, len(ours))
	for i := range theirs {
		at := i
		if mid, ok := find(theirs[i].attributes, "mid"); ok {
			if at, ok = places[mid]; !ok {
				return nil, ErrSections
			}
		}
		if matched[at] != nil || !strings.EqualFold(theirs[i].kind, ours[at].kind) {
			return nil, ErrSections
		}
		matched[at] = &theirs[i]
	}
	return matched, nil
}

// directionOf returns the direction of media in an accepted section, from the answer. It never returns one that was not
// offered.
func (s *section) directionOf(session *description, answer *section) string {
	said := "sendrecv" // RFC 8866 section 6.7
	for _, attributes := range [][]attribute{answer.attributes, session.attributes} {
		at := slices.IndexFunc(attributes, func(a attribute) bool {
			return a.key == "sendrecv" || a.key == "sendonly" || a.key == "recvonly" || a.key == "inactive"
		})
		if at >= 0 {
			said = attributes[at].key
			break
		}
	}
	_, slot := find(s.attributes, "sendonly")
	switch {
	case slot && (said == "recvonly" || said == "sendrecv"):
		return "recvonly"
	case !slot && (said == "sendonly" || said == "sendrecv"):
		return "sendonly"
	}
	return "inactive"
}

// transport returns the lines of the one transport that all sections share. They come from the section that leads the
// bundle, else from the first section that has them, else from the session.
func (d *description) transport() (lines string, err error) {
	places := [][]attribute{}
	for _, a := range d.attributes {
		if mids, ok := strings.CutPrefix(a.value, "BUNDLE "); ok && a.key == "group" {
			leader, _, _ := strings.Cut(strings.TrimSpace(mids), " ")
			for i := range d.sections {
				if mid, ok := find(d.sections[i].attributes, "mid"); ok && mid == leader {
					places = append(places, d.sections[i].attributes)
				}
			}
			break
		}
	}
	for i := range d.sections {
		if !d.sections[i].refused() {
			places = append(places, d.sections[i].attributes)
		}
	}
	places = append(places, d.attributes)
	first := func(key string) string {
		for _, place := range places {
			if v, ok := find(place, key); ok {
				return v
			}
		}
		return ""
	}
	ufrag, password, fingerprint := first("ice-ufrag"), first("ice-pwd"), first("fingerprint")
	for _, place := range places { // Several are legal (RFC 8122 section 5). We prefer the one whose hash we use ourselves.
		for _, a := range place {
			if a.key == "fingerprint" && strings.HasPrefix(a.value, "sha-256 ") && !strings.HasPrefix(fingerprint, "sha-256 ") {
				fingerprint = a.value
			}
		}
	}
	switch {
	case first("setup") != "active":
		return "", ErrHandshake
	case ufrag == "" || len(ufrag) > 256 || password == "" || len(password) > 256 || fingerprint == "" || len(fingerprint) > 256:
		return "", ErrTransport
	}
	lines = "a=ice-ufrag:" + ufrag + "\r\na=ice-pwd:" + password + "\r\na=fingerprint:" + fingerprint + "\r\n"
	if slices.Contains(strings.Fields(first("ice-options")), "trickle") {
		lines += "a=ice-options:trickle\r\n"
	}
	return lines, nil
}

// write writes an offered section as it was answered. A section that is not accepted keeps its codecs, because pion
// negotiates the codecs of a kind only once, with the first section.
func (s *section) write(b *strings.Builder, answer *section, formats map[string]string, mid, direction string, layered bool) {
	accepted := len(formats) > 0
	if s.kind == dataKind {
		s.writeData(b, mid, accepted)
		return
	}
	b.WriteString("m=" + s.kind + " 9 UDP/TLS/RTP/SAVPF")
	for _, own := range s.formats {
		if theirs, ok := formats[own]; ok {
			b.WriteString(" " + theirs)
		} else if !accepted {
			b.WriteString(" " + own)
		}
	}
	b.WriteString("\r\nc=IN IP4 0.0.0.0\r\na=mid:" + mid + "\r\na=" + direction + "\r\na=rtcp-mux\r\n")
	for _, a := range s.attributes {
		switch a.key {
		case "rtpmap", "fmtp", "rtcp-fb":
			own, rest, _ := strings.Cut(a.value, " ")
			theirs, ok := formats[own]
			switch {
			case !accepted:
				theirs = own
			case !ok, a.key == "rtcp-fb" && !slices.Contains(answer.about(a.key, theirs), rest):
				continue
			}
			if apt, repair := strings.CutPrefix(rest, "apt="); repair && accepted {
				rest = "apt=" + formats[apt]
			}
			b.WriteString("a=" + a.key + ":" + theirs + " " + rest + "\r\n")
		case "extmap":
			if !accepted || answer.extends(a.value) {
				b.WriteString("a=extmap:" + a.value + "\r\n")
			}
		}
	}
	switch {
	case direction == "sendonly" && layered:
		b.WriteString("a=msid:porch " + s.kind + "\r\n") // packets say by RID which stream is which
	case direction == "sendonly":
		answer.writeStreams(b)
	}
}

// The section of data channels (RFC 8841).
const (
	dataKind   = "application"
	dataFormat = "webrtc-datachannel"
	dataLine   = "m=" + dataKind
)

// writeData writes an offered section for data channels as it was answered. Of the answer it has nothing: we send messages
// that every page takes.
func (s *section) writeData(b *strings.Builder, mid string, accepted bool) {
	port := "0"
	if accepted {
		port = "9"
	}
	b.WriteString(dataLine + " " + port + " UDP/DTLS/SCTP " + dataFormat + "\r\nc=IN IP4 0.0.0.0\r\na=mid:" + mid + "\r\n" +
		"a=sctp-port:5000\r\na=max-message-size:65536\r\n")
}

// extends reports whether the answer's section accepts an offered header extension (RFC 8285 section 6).
func (s *section) extends(offered string) bool {
	for _, a := range s.attributes {
		if a.key != "extmap" {
			continue
		}
		fields := strings.Fields(a.value)
		if len(fields) < 2 {
			continue
		}
		id, _, _ := strings.Cut(fields[0], "/")
		if id+" "+fields[1] == offered {
			return true
		}
	}
	return false
}

// maxSSRCs is how many streams one section may name: one, its retransmissions, and some to spare.
const maxSSRCs = 4

// writeStreams writes the SSRCs that the guest will send.
func (s *section) writeStreams(b *strings.Builder) {
	b.WriteString("a=msid:porch " + s.kind + "\r\n")
	var ssrcs []string
	named := func(text string) (string, bool) {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return "", false
		}
		text = strconv.FormatUint(n, 10)
		if !slices.Contains(ssrcs, text) {
			if len(ssrcs) == maxSSRCs {
				return "", false
			}
			ssrcs = append(ssrcs, text)
		}
		return text, true
	}
	for _, a := range s.attributes {
		switch fields := strings.Fields(a.value); {
		case a.key == "ssrc-group" && len(fields) == 3 && fields[0] == "FID":
			media, ok1 := named(fields[1])
			repair, ok2 := named(fields[2])
			if ok1 && ok2 {
				b.WriteString("a=ssrc-group:FID " + media + " " + repair + "\r\n")
			}
		case a.key == "ssrc" && len(fields) > 0:
			named(fields[0])
		}
	}
	for _, n := range ssrcs {
		b.WriteString("a=ssrc:" + n + " cname:porch\r\n")
	}
}
