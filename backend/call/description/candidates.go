package description

import (
	"fmt"
	"hash/crc32"
	"net/netip"
	"strings"
)

// Kind is a kind of candidate.
type Kind string

// Kinds of candidates.
const (
	Reflexive Kind = "srflx"
	Relayed   Kind = "relay"
)

// priority returns a candidate's priority (RFC 8445 section 5.1.2.1), for the highest local preference and the only
// component.
func (k Kind) priority() uint32 {
	preference := uint32(0)
	if k == Reflexive {
		preference = 100
	}
	return preference<<24 | 65535<<8 | 255
}

// Candidate returns the candidate at address a whose base is one of our sockets. If hide is set, it leaves the base out.
func Candidate(k Kind, a, base netip.AddrPort, hide bool, ufrag string) string {
	foundation := crc32.ChecksumIEEE([]byte(string(k) + base.Addr().String()))
	related := base
	if hide {
		related = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	}
	return fmt.Sprintf("candidate:%d 1 udp %d %s %d typ %s raddr %s rport %d ufrag %s",
		foundation, k.priority(), a.Addr(), a.Port(), k, related.Addr(), related.Port(), ufrag)
}

// Passive returns the candidate at address a where TCP connections are taken (RFC 6544 section 4.5). It is the last choice.
func Passive(a netip.AddrPort, ufrag string) string {
	return fmt.Sprintf("candidate:%d 1 tcp %d %s %d typ host tcptype passive ufrag %s",
		crc32.ChecksumIEEE([]byte("tcp"+a.Addr().String())), 65535<<8|255, a.Addr(), a.Port(), ufrag)
}

// candidateLine begins a candidate in a description (RFC 8839 section 5.1).
const candidateLine = "a=candidate:"

// SplitCandidates takes the candidates, without "a=", out of a description.
func SplitCandidates(sdp string) (rest string, candidates []string) {
	var b strings.Builder
	b.Grow(len(sdp))
	for line := range strings.Lines(sdp) {
		switch bare := strings.TrimRight(line, "\r\n"); {
		case strings.HasPrefix(bare, candidateLine):
			candidates = append(candidates, strings.TrimPrefix(bare, "a="))
		case bare == "a=end-of-candidates":
		default:
			b.WriteString(line)
		}
	}
	return b.String(), candidates
}

// JoinCandidates puts candidates into the first section of a description that has
// none. One section is enough, because the others are bundled with it.
func JoinCandidates(sdp string, candidates []string) string {
	end := len(sdp)
	if first := strings.Index(sdp, "\r\nm="); first >= 0 {
		if second := strings.Index(sdp[first+2:], "\r\nm="); second >= 0 {
			end = first + 2 + second + 2
		}
	}
	var b strings.Builder
	b.WriteString(sdp[:end])
	for _, c := range candidates {
		b.WriteString("a=" + c + "\r\n")
	}
	b.WriteString(sdp[end:])
	return b.String()
}

// Ufrag returns the user name fragment of our description.
func Ufrag(sdp string) string {
	for line := range strings.Lines(sdp) {
		if u, ok := strings.CutPrefix(line, "a=ice-ufrag:"); ok {
			return strings.TrimRight(u, "\r\n")
		}
	}
	return ""
}
