package description

import (
	"slices"
	"strings"
	"testing"
)

const layeredOffer = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n" +
	"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=recvonly\r\na=rtpmap:111 opus/48000/2\r\n" +
	"m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:1\r\na=recvonly\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"

// layeredAnswer returns an answer whose picture has these lines.
func layeredAnswer(lines ...string) string {
	return "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n" +
		"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=sendonly\r\na=setup:active\r\na=ice-ufrag:abcd\r\n" +
		"a=ice-pwd:abcdefghijklmnopqrstuv\r\na=fingerprint:sha-256 00:11\r\na=rtpmap:111 opus/48000/2\r\n" +
		"m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:1\r\na=sendonly\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\n" +
		"a=fmtp:97 apt=96\r\n" + strings.Join(append(lines, ""), "\r\n")
}

func TestLayersAreAskedForInTheirSection(t *testing.T) {
	offer := AskLayers(layeredOffer, "1", []string{"q", "h", "f"})
	_, video, _ := strings.Cut(offer, "m=video")
	if strings.Count(offer, "rid:") != 3 || !strings.Contains(video, "a=rid:q recv\r\na=rid:h recv\r\na=rid:f recv\r\na=simulcast:recv q;h;f\r\n") {
		t.Errorf("%s", offer)
	}
	if AskLayers(layeredOffer, "7", []string{"q"}) != layeredOffer {
		t.Error("a section that is not there")
	}
}

func TestLayersOfAnAnswer(t *testing.T) {
	offer := AskLayers(layeredOffer, "1", []string{"q", "h", "f"})
	rids := []string{"a=rid:q send", "a=rid:h send", "a=rid:f send"}
	for _, c := range []struct {
		name, offer, simulcast string
		want                   []string
	}{
		{"all", offer, "send q;h;f", []string{"q", "h", "f"}},
		{"one that waits", offer, "send q;h;~f", []string{"q", "h", "f"}},
		{"another order", offer, "send f;q", []string{"q", "f"}},
		{"both directions", offer, "recv x send q,y;h", []string{"q", "h"}},
		{"one", offer, "send f", nil},
		{"the wrong direction", offer, "recv q;h;f", nil},
		{"layers that were not offered", offer, "send a;b;c", nil},
		{"none", offer, "", nil},
		{"nothing to send", offer, "send", nil},
		{"not asked for", layeredOffer, "send q;h;f", nil},
	} {
		read, err := Read(c.offer, layeredAnswer(append(rids, "a=simulcast:"+c.simulcast, "a=ssrc:1 cname:x", "a=ssrc:2 cname:x")...))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(read.Layers["1"], c.want) {
			t.Errorf("%s: %q", c.name, read.Layers["1"])
		}
		if named := strings.Contains(read.SDP, "a=ssrc:"); named != (c.want == nil) || strings.Contains(read.SDP, "simulcast") {
			t.Errorf("%s: pion reads %s", c.name, read.SDP)
		}
	}
}
