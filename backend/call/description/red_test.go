package description

import (
	"strings"
	"testing"
)

// lines joins lines as descriptions do.
func lines(l ...string) string { return strings.Join(l, "\r\n") + "\r\n" }

const soundFormat = "a=rtpmap:111 opus/48000/2"

var offered = lines("v=0", "a=group:BUNDLE 0 1 2 3",
	"m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=mid:0", "a=recvonly", soundFormat,
	"m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:1", "a=sendonly", "a=rtpmap:96 VP8/90000",
	"m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=mid:2", "a=sendonly", soundFormat, "a=fmtp:111 useinbandfec=1",
	"m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:3", "a=sendonly")

// TestWithRED: only slots for sound that have Opus get it, and after Opus.
func TestWithRED(t *testing.T) {
	want := lines("v=0", "a=group:BUNDLE 0 1 2 3",
		"m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=mid:0", "a=recvonly", soundFormat,
		"m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:1", "a=sendonly", "a=rtpmap:96 VP8/90000",
		"m=audio 9 UDP/TLS/RTP/SAVPF 111 63", "a=rtpmap:63 red/48000/2", "a=fmtp:63 111/111",
		"a=mid:2", "a=sendonly", soundFormat, "a=fmtp:111 useinbandfec=1",
		"m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:3", "a=sendonly")
	if got := WithRED(offered, 63); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := WithRED("", 63); got != "" {
		t.Errorf("%q of nothing", got)
	}
}

func TestAnswersWithRED(t *testing.T) {
	head := lines("v=0", "a=ice-ufrag:u", "a=ice-pwd:p", "a=fingerprint:sha-256 00", "a=setup:active")
	for name, c := range map[string]struct {
		answer string
		want   uint8
	}{
		"as Chromium":              {lines("m=audio 9 X 111 63", "a=mid:2", "a=recvonly", soundFormat, "a=rtpmap:63 red/48000/2", "a=fmtp:63 111/111"), 63},
		"first":                    {lines("m=audio 9 X 63 111", "a=mid:2", "a=recvonly", soundFormat, "a=rtpmap:63 RED/48000/2"), 63},
		"other numbers":            {lines("m=audio 9 X 109 120", "a=mid:2", "a=recvonly", "a=rtpmap:109 opus/48000/2", "a=rtpmap:120 red/48000/2", "a=fmtp:120 109/109"), 120},
		"as Firefox":               {lines("m=audio 9 X 111", "a=mid:2", "a=recvonly", soundFormat), 0},
		"nothing is received":      {lines("m=audio 9 X 111 63", "a=mid:2", "a=inactive", soundFormat, "a=rtpmap:63 red/48000/2"), 0},
		"without Opus":             {lines("m=audio 9 X 63", "a=mid:2", "a=recvonly", "a=rtpmap:63 red/48000/2"), 0},
		"not named in the section": {lines("m=audio 9 X 111", "a=mid:2", "a=recvonly", soundFormat, "a=rtpmap:63 red/48000/2"), 0},
		"of something else":        {lines("m=audio 9 X 111 63", "a=mid:2", "a=recvonly", soundFormat, "a=rtpmap:63 red/48000/2", "a=fmtp:63 0/0"), 0},
		"a number of RTCP":         {lines("m=audio 9 X 111 72", "a=mid:2", "a=recvonly", soundFormat, "a=rtpmap:72 red/48000/2"), 0},
		"no number":                {lines("m=audio 9 X 111 999", "a=mid:2", "a=recvonly", soundFormat, "a=rtpmap:999 red/48000/2"), 0},
		"in a section that has none": {lines("m=audio 9 X 111 63", "a=mid:0", "a=sendonly", soundFormat, "a=rtpmap:63 red/48000/2",
			"m=audio 9 X 111", "a=mid:2", "a=recvonly", soundFormat), 0},
	} {
		got, err := Read(offered, head+c.answer)
		if err != nil && c.want > 0 {
			t.Errorf("%s: %v", name, err)
		}
		if got.RED["2"] != c.want || len(got.RED) > 1 || got.RED["0"] != 0 {
			t.Errorf("%s: %v, want %d", name, got.RED, c.want)
		}
		if strings.Contains(got.SDP, "red/") {
			t.Errorf("%s: Pion is told of it", name)
		}
	}
}
