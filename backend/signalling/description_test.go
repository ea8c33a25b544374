package signalling

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
)

const (
	head    = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
	section = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
)

// numbered returns n lines.
func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func TestDescriptionsAreBounded(t *testing.T) {
	const media = "m=audio 9 UDP/TLS/RTP/SAVPF"
	for name, test := range map[string]struct {
		sdp string
		ok  bool
	}{
		"no section":                {head, true},
		"line feeds":                {"v=0\ns=-\n" + strings.ReplaceAll(section, "\r", ""), true},
		"empty lines":               {head + "\r\n\r\n" + section + "\r\n", true},
		"as many formats as may be": {head + media + numbered(maxFormats, " %d") + "\r\n", true},
		"a format too many":         {head + media + numbered(maxFormats+1, " %d") + "\r\n", false},
		"a format twice":            {head + media + " 96 111 96\r\n", false},
		"no format":                 {head + media + "\r\n", false},
		"nothing but m":             {head + "m=\r\n", false},
		"as many lines of a kind":   {head + section + strings.Repeat("a=rtcp-fb:111 x\r\n", maxAlike), true},
		"a line of a kind too many": {head + section + strings.Repeat("a=rtcp-fb:111 x\r\n", maxAlike+1), false},
		"kinds are their names":     {head + section + numbered(maxAlike+1, "a=ssrc:%d cname:x\r\n"), false},
		"flags have a kind, too":    {head + section + strings.Repeat("a=inactive\r\n", maxAlike+1), false},
		"other letters":             {head + section + strings.Repeat("b=AS:1\r\n", maxAlike+1), false},
		"per section":               {head + strings.Repeat(section+strings.Repeat("a=rtcp-fb:111 x\r\n", maxAlike), 2), true},
		"before the first section":  {head + numbered(maxAttributes+1, "a=%d\r\n") + section, false},
		"candidates":                {head + section + strings.Repeat("a=candidate:1\r\n", maxCandidates), true},
		"a candidate too many":      {head + section + strings.Repeat("a=candidate:1\r\n", maxCandidates+1), false},
		"as many attributes":        {head + section + numbered(maxAttributes, "a=%d\r\n"), true},
		"an attribute too many":     {head + section + numbered(maxAttributes+1, "a=%d\r\n"), false},
		"as many sections":          {head + strings.Repeat(section, maxSections), true},
		"a section too many":        {head + strings.Repeat(section, maxSections+1), false},
		"a long line":               {head + section + "a=fmtp:111 " + strings.Repeat("x", maxSDPLine) + "\r\n", false},
		"a line within a line":      {head + section + "a=x\ra=candidate:1\r\n", false},
		"no line":                   {head + section + "x\r\n", false},
	} {
		err := Answer{Negotiation: 1, SDP: test.sdp}.Validate()
		if test.ok && err != nil || !test.ok && fault.CodeOf(err) != fault.SDPInvalid {
			t.Errorf("%s: %v", name, err)
		}
		if offer := (Offer{Negotiation: 1, SDP: test.sdp}).Validate(); fault.CodeOf(offer) != fault.CodeOf(err) {
			t.Errorf("%s, as an offer: %v", name, offer)
		}
	}
}

// TestDescriptionCostsAsItsSize checks that judging the worst of the largest
// descriptions takes about 10 ms, and not a multiple of their length.
func TestDescriptionCostsAsItsSize(t *testing.T) {
	for name, unit := range map[string]string{
		"sections":   section,
		"formats":    "m=audio 9 UDP/TLS/RTP/SAVPF" + numbered(maxFormats, " %d") + "\r\n",
		"attributes": section + numbered(maxAttributes, "a=%d:x\r\n"),
		"bytes":      section + "a=x:" + strings.Repeat("x", maxSDPLine-8) + "\r\n",
	} {
		m := Answer{Negotiation: 1, SDP: head + strings.Repeat(unit, min(maxSections, (MaxSDP-len(head))/len(unit)))}
		if err := m.Validate(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		best := time.Hour
		for range 5 {
			begun := time.Now()
			_ = m.Validate() // as above
			best = min(best, time.Since(begun))
		}
		if best > 100*time.Millisecond {
			t.Errorf("%s: %d bytes take %v", name, len(m.SDP), best)
		}
	}
}
