package crash

import (
	"regexp"
	"strings"
)

// left stands for what was left out.
const left = "…"

// maxLine bounds one text, in bytes, before it is looked at.
const maxLine = 2 << 10

// plainWord is a word that may stay: one of prose or of code, in small Latin letters. It has no capital, because names
// have; no digit, because addresses and keys have; and it is not long, because keys are.
var plainWord = regexp.MustCompile(`^[(]?[a-z][a-z'’-]{0,19}[),.:;]{0,2}$`)

// known are words of the trade that have capitals or digits.
var known = map[string]bool{
	"UDP": true, "TCP": true, "TLS": true, "HTTP": true, "DNS": true, "STUN": true, "TURN": true, "ICE": true, "DTLS": true,
	"SRTP": true, "RTP": true, "RTCP": true, "SDP": true, "EOF": true, "NAT": true, "VP8": true, "SQL": true, "PCP": true, "UPnP": true,
	"I/O": true, "Porch": true, "porch": true,
}

// Scrub leaves out of a text of a log whatever may be a name, a link, an address, a path or a key. It does not look for
// such things: it keeps plain words, and drops all else, so that what nobody thought of is dropped too.
//
// A name in small letters that stands among words can't be told from them. The log's rules keep those out: no name is
// ever logged.
func Scrub(text string) string {
	if len(text) > maxLine {
		text = text[:maxLine]
	}
	text = quoted.ReplaceAllString(text, left)
	var words []string
	for _, word := range strings.Fields(text) {
		if !known[strings.Trim(word, "(),.:;")] && !plainWord.MatchString(word) {
			if len(words) > 0 && words[len(words)-1] == left {
				continue
			}
			word = left
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// quoted is what somebody else said, most likely.
var quoted = regexp.MustCompile("\"[^\"]*\"?|“[^”]*”?|`[^`]*`?|«[^»]*»?|(?:^|\\s)'[^']*'?")

// What of a trace stays.
var (
	goroutine = regexp.MustCompile(`^goroutine \d+ (?:gp=\S+ m=\S+ )?(?:mp=\S+ )?\[([a-zA-Z ,.()-]+?)(?:, \d+ minutes)?(?:, locked to thread)?\]:$`)
	// A function, with its arguments. Names of functions are of programs.
	function = regexp.MustCompile(`^((?:created by )?[\w./()*\[\]{}·…-]+?)(?:\((?:[0-9a-fx, .{}?_]*|\.\.\.)\))?( in goroutine \d+)?$`)
	place    = regexp.MustCompile(`^\t(.*/)?([\w.@+!-]+/[\w.-]+\.(?:go|s|c|h)):(\d+)(?: \+0x[0-9a-f]+)?(?: fp=0x[0-9a-f]+ sp=0x[0-9a-f]+ pc=0x[0-9a-f]+)?$`)
	// What the runtime itself says of a panic, with numbers.
	runtimeSays = regexp.MustCompile(`^(?:panic: |fatal error: |\t?\[signal |runtime: )`)
	signal      = regexp.MustCompile(`^(?:\[signal )?(SIG[A-Z]+)[: ]`)
	kind        = regexp.MustCompile(`^(panic|fatal error): (runtime error: [a-z ]+|[a-z][a-z ]*[a-z])?`)
)

// ScrubTrace leaves out of a trace of the Go runtime the text of the panic, arguments, and folders.
func ScrubTrace(trace string) string {
	var b strings.Builder
	dropped := false // the line before, too: one mark stands for both
	for line := range strings.Lines(trace) {
		line = strings.TrimRight(line, "\r\n")
		before := b.Len()
		switch {
		case line == "":
			b.WriteByte('\n')
		case signal.MatchString(line):
			b.WriteString(signal.FindStringSubmatch(line)[1] + "\n")
		case runtimeSays.MatchString(line):
			b.WriteString(ofPanic(line) + "\n")
		case goroutine.MatchString(line):
			b.WriteString("goroutine [" + goroutine.FindStringSubmatch(line)[1] + "]:\n")
		case place.MatchString(line):
			m := place.FindStringSubmatch(line)
			b.WriteString("\t" + left + "/" + m[2] + ":" + m[3] + "\n")
		case strings.Contains(line, "(") && strings.Contains(line, ".") && function.MatchString(line), strings.HasPrefix(line, "created by ") && function.MatchString(line):
			b.WriteString(function.FindStringSubmatch(line)[1] + "\n")
		case !dropped:
			b.WriteString(left + "\n")
			dropped = true
			continue
		}
		dropped = dropped && b.Len() == before
	}
	return b.String()
}

// ofPanic keeps the runtime's own words about a panic, and no text of the program's: that may have anything in it.
func ofPanic(line string) string {
	m := kind.FindStringSubmatch(line)
	if m == nil {
		return Scrub(line)
	}
	if strings.HasPrefix(m[2], "runtime error: ") || m[1] == "fatal error" {
		return m[1] + ": " + Scrub(m[2])
	}
	return m[1] + ": " + left
}
