package description

import (
	"slices"
	"strings"
)

// AskLayers adds to an offer that the guest's picture, in the section with this mid, is asked for in several layers, by
// RID, the lowest first (RFC 8851, RFC 8853).
func AskLayers(offer, mid string, rids []string) string {
	line := "a=mid:" + mid + "\r\n"
	at := strings.Index(offer, line)
	if at < 0 {
		return offer
	}
	at += len(line)
	var b strings.Builder
	b.WriteString(offer[:at])
	for _, rid := range rids {
		b.WriteString("a=rid:" + rid + " recv\r\n")
	}
	b.WriteString("a=simulcast:recv " + strings.Join(rids, ";") + "\r\n")
	b.WriteString(offer[at:])
	return b.String()
}

// layers returns the layers of an offered section that its answer sends, in the order of the offer; nil if the answer
// sends one stream. A layer that it sends later ("~f") counts.
func (s *section) layers(answer *section) (rids []string) {
	var sent []string
	for _, a := range answer.attributes {
		fields := strings.Fields(a.value)
		if at := slices.Index(fields, "send"); a.key == "simulcast" && at >= 0 && at+1 < len(fields) {
			for stream := range strings.SplitSeq(fields[at+1], ";") {
				first, _, _ := strings.Cut(stream, ",") // others are the same layer in another format
				sent = append(sent, strings.TrimPrefix(first, "~"))
			}
		}
	}
	for _, a := range s.attributes {
		if rid, direction, _ := strings.Cut(a.value, " "); a.key == "rid" && direction == "recv" && slices.Contains(sent, rid) {
			rids = append(rids, rid)
		}
	}
	if len(rids) < 2 {
		return nil
	}
	return rids
}
