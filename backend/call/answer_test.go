package call

import (
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/porch-call/porch/backend/call/description"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

// sectionsOf splits a description before each media line.
func sectionsOf(sdp string) []string { return regexp.MustCompile(`(?m)^m=`).Split(sdp, -1) }

func joinSections(parts []string) string { return strings.Join(parts, "m=") }

// eachSection changes the sections of one medium.
func eachSection(medium string, change func(i int, section string) string) func(string) string {
	return func(sdp string) string {
		parts := sectionsOf(sdp)
		n := 0
		for i := 1; i < len(parts); i++ {
			if strings.HasPrefix(parts[i], medium+" ") {
				parts[i] = change(n, parts[i])
				n++
			}
		}
		return joinSections(parts)
	}
}

func without(line string) func(string) string {
	e := regexp.MustCompile(`(?m)^` + line + `\r?\n`)
	return func(s string) string { return e.ReplaceAllString(s, "") }
}

// replaced returns a section with the match of a line replaced.
func replaced(section, line, by string) string {
	return regexp.MustCompile(line).ReplaceAllLiteralString(section, by)
}

var directions = `a=(sendrecv|sendonly|recvonly|inactive)`

// TestUnusualAnswers checks that an answer that is legal but rare loses what it refuses, and nothing else.
func TestUnusualAnswers(t *testing.T) {
	rejected := func(_ int, s string) string {
		return "video 0 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\n" + mids.FindString(s)
	}
	for name, test := range map[string]struct {
		alter                    func(string) string
		noSound, noPictures      bool // to the guest
		noSoundOut, noPicturesUp bool // from the guest
	}{
		"all pictures rejected": {alter: eachSection("video", rejected), noPictures: true, noPicturesUp: true},
		"rejected as Chromium does, with its formats": {
			alter: eachSection("video", func(_ int, s string) string {
				return replaced(replaced(s, `^video 9`, "video 0"), directions, "a=inactive")
			}), noPictures: true, noPicturesUp: true},
		"rejected without a mid": {
			alter: eachSection("video", func(int, string) string { return "video 0 UDP/TLS/RTP/SAVPF 0\r\na=inactive\r\n" }), noPictures: true, noPicturesUp: true},
		"rejected with a format that nobody explains": {
			alter: eachSection("video", func(_ int, s string) string {
				return "video 0 UDP/TLS/RTP/SAVPF 100\r\n" + mids.FindString(s)
			}), noPictures: true, noPicturesUp: true},
		"own pictures rejected": {
			alter: eachSection("video", func(i int, s string) string {
				if i == 0 {
					return rejected(i, s)
				}
				return s
			}), noPicturesUp: true},
		"others' pictures rejected": {
			alter: eachSection("video", func(i int, s string) string {
				if i > 0 {
					return rejected(i, s)
				}
				return s
			}), noPictures: true},
		"no codec for pictures": {
			alter: eachSection("video", func(_ int, s string) string { return strings.ReplaceAll(s, "VP8", "VP9") }), noPictures: true, noPicturesUp: true},
		"pictures inactive": {
			alter: eachSection("video", func(_ int, s string) string { return replaced(s, directions, "a=inactive") }), noPictures: true, noPicturesUp: true},
		"own sound rejected, which leads the bundle": {
			alter: func(sdp string) string {
				sdp = replaced(sdp, `a=group:BUNDLE 0`, "a=group:BUNDLE")
				return eachSection("audio", func(i int, s string) string {
					if i == 0 {
						return "audio 0 UDP/TLS/RTP/SAVPF 0\r\na=inactive\r\na=mid:0\r\n"
					}
					return s
				})(sdp)
			}, noSoundOut: true},
		"all sound rejected": {
			alter: func(sdp string) string {
				return eachSection("audio", func(_ int, s string) string {
					return "audio 0 UDP/TLS/RTP/SAVPF 0\r\na=inactive\r\n" + mids.FindString(s)
				})(sdp)
			}, noSound: true, noSoundOut: true},
		"bundle-only": {alter: eachSection("video", func(_ int, s string) string {
			return strings.Replace(replaced(s, `^video 9`, "video 0"), "\r\n", "\r\na=bundle-only\r\n", 1)
		})},
		"no bundle":            {alter: without(`a=group:.*`)},
		"no header extensions": {alter: without(`a=extmap:.*`)},
		"directions of extmaps": {alter: func(s string) string {
			return regexp.MustCompile(`a=extmap:(\d+) `).ReplaceAllString(s, "a=extmap:$1/recvonly ")
		}},
		"extmaps that can't be": {alter: func(s string) string { return strings.ReplaceAll(s, "a=extmap:", "a=extmap:999/x\r\na=extmap:") }},
		"no feedback":           {alter: without(`a=rtcp-fb:.*`)},
		"feedback for all":      {alter: func(s string) string { return regexp.MustCompile(`a=rtcp-fb:\d+`).ReplaceAllString(s, "a=rtcp-fb:*") }},
		"no retransmissions": {alter: func(s string) string {
			return strings.ReplaceAll(without(`a=(rtpmap|fmtp|rtcp-fb):97 .*`)(s), "SAVPF 96 97", "SAVPF 96")
		}},
		"retransmissions before what they repeat": {alter: func(s string) string { return strings.ReplaceAll(s, "SAVPF 96 97", "SAVPF 97 96") }},
		"codecs that were not offered": {alter: eachSection("video", func(_ int, s string) string {
			return strings.Replace(s, "SAVPF ", "SAVPF 45 0 35 ", 1) + "a=rtpmap:45 AV1/90000\r\n"
		})},
		"names of codecs in small letters": {alter: func(s string) string { return strings.ReplaceAll(s, "VP8/", "vp8/") }},
		"no names of codecs":               {alter: without(`a=rtpmap:.*`)},
		"no SSRCs":                         {alter: without(`a=ssrc.*`)},
		"an SSRC that is none":             {alter: func(s string) string { return strings.ReplaceAll(s, "a=ssrc:", "a=ssrc:x\r\na=ssrc:") }},
		"credentials of the session": {alter: func(s string) string {
			parts := sectionsOf(s)
			for _, key := range []string{"a=ice-ufrag:.*\n", "a=ice-pwd:.*\n", "a=setup:.*\n", "a=fingerprint:.*\n"} {
				e := regexp.MustCompile(key)
				line := e.FindString(s)
				for i := range parts {
					parts[i] = e.ReplaceAllString(parts[i], "")
				}
				parts[0] += line
			}
			return joinSections(parts)
		}},
		"several fingerprints": {alter: func(s string) string {
			return strings.ReplaceAll(s, "a=fingerprint:", "a=fingerprint:sha-1 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33\r\na=fingerprint:")
		}},
		"the direction left out": {alter: without(directions)},
		"a line for bandwidth": {alter: eachSection("video", func(_ int, s string) string {
			return strings.Replace(s, "\r\n", "\r\nb=AS:500\r\nb=TIAS:500000\r\n", 1)
		})},
		"line feeds only": {alter: func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }},
		"sections in another order": {alter: func(s string) string {
			parts := sectionsOf(s)
			slices.Reverse(parts[1:])
			return joinSections(parts)
		}},
		"slots left out": {alter: func(s string) string { return joinSections(sectionsOf(s)[:3]) }, noSound: true, noPictures: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newTestCall(t, Options{})
			a := join(t, c, as("a"))
			a.send()
			o := as("b")
			o.alter = test.alter
			b := join(t, c, o)
			b.send()
			got := func(g *guest, kind signalling.Kind, from string, not bool) {
				t.Helper()
				if !not {
					g.until(fmt.Sprintf("%s of %s", kind, from), func() bool { return g.heard(kind)[from] > 5 })
				}
			}
			got(b, signalling.KindAudio, "a", test.noSound)
			got(b, signalling.KindVideo, "a", test.noPictures)
			got(a, signalling.KindAudio, "b", test.noSoundOut)
			got(a, signalling.KindVideo, "b", test.noPicturesUp)
			x := join(t, c, as("x")) // causes another negotiation
			x.send()
			got(b, signalling.KindAudio, "x", test.noSound)
			got(b, signalling.KindVideo, "x", test.noPictures)
			a.untilSees("x")
			b.until("it is still in", func() bool { return b.ended == "" && len(b.roster) == 3 })
			b.mu.Lock()
			defer b.mu.Unlock()
			if test.noSound && len(b.heard(signalling.KindAudio)) > 0 || test.noPictures && len(b.heard(signalling.KindVideo)) > 0 {
				t.Errorf("it gets what it refused: %v", b.counts)
			}
		})
	}
}

var mids = regexp.MustCompile(`a=mid:.*\r\n`)

// TestRefusedSectionIsTakenLater checks that a later answer may accept what an earlier one refused.
func TestRefusedSectionIsTakenLater(t *testing.T) {
	c := newTestCall(t, Options{})
	a := join(t, c, as("a"))
	a.send()
	o := as("b")
	n := 0
	o.alter = func(s string) string {
		if n++; n > 1 {
			return s
		}
		return eachSection("video", func(_ int, s string) string { return replaced(s, `^video 9`, "video 0") })(s)
	}
	b := join(t, c, o)
	b.until("sound", func() bool { return b.heard(signalling.KindAudio)["a"] > 0 })
	must(t, b.p.Handle(signalling.Restart{}))
	b.untilSees("a")
}

const answerHead = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"

func TestHandshakeIsBegunByTheGuest(t *testing.T) {
	const offered = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\na=recvonly\r\n"
	const offer = answerHead + offered + "a=mid:0\r\n" + offered + "a=mid:1\r\n"
	const credentials = "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\na=fingerprint:sha-256 00\r\n"
	const section = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\n" + credentials
	const active = "a=setup:active\r\n"
	for text, want := range map[string]error{
		section + active:           nil,
		section + section + active: nil,
		active + section:           nil, // RFC 8842 section 5.1
		credentials + active + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n": nil,
		section + "a=setup:passive\r\n":                              description.ErrHandshake,
		section + "a=setup:actpass\r\n":                              description.ErrHandshake, // the roles of ICE, which a guest can reverse, would decide
		section + "a=setup:passive\r\n" + section + active:           description.ErrHandshake,
		section + "a=setup: active\r\n":                              description.ErrHandshake,
		section:                                                      description.ErrHandshake,
		"":                                                           description.ErrRefused,
		"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" + active:               description.ErrTransport,
		section + active + section + section:                         description.ErrSections,
		"m=video 9 UDP/TLS/RTP/SAVPF 111\r\n" + credentials + active:                   description.ErrSections,
		section + active + "a=mid:7\r\n":                                               description.ErrSections,
		section + active + "a=mid:0\r\n" + section + "a=mid:0\r\n":                     description.ErrSections,
		section + active + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n":      description.ErrSections,
		"m=audio 0 UDP/TLS/RTP/SAVPF 111\r\n" + credentials + active:                   description.ErrRefused,
		"m=audio 9 UDP/TLS/RTP/SAVPF 0 8\r\n" + credentials + active:                   description.ErrRefused,
		section + active + "a=rtpmap:111 speex/16000\r\n":                              description.ErrRefused,
		strings.ReplaceAll(section, "pwd:a", "pwd:"+strings.Repeat("x", 300)) + active: description.ErrTransport,
	} {
		if _, err := description.Read(offer, answerHead+text); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", text, err, want)
		}
	}
}

// offerOf returns the first offer to a participant.
func offerOf(tb testing.TB, c *Call, id string) (*Participant, outbox, signalling.Offer) {
	tb.Helper()
	out := newOutbox()
	p, err := c.Join(Profile{ID: id, Name: "A"}, out)
	must(tb, err)
	deadline := time.After(patience)
	for {
		select {
		case m := <-out:
			if o, ok := m.(signalling.Offer); ok {
				return p, out, o
			}
		case <-deadline:
			tb.Fatal("no offer")
		}
	}
}

// pionAnswer returns the answer of a pion guest.
func pionAnswer(tb testing.TB, offer string) string {
	tb.Helper()
	pc, err := newGuestAPI(tb, nil, nil).NewPeerConnection(webrtc.Configuration{})
	must(tb, err)
	defer func() { must(tb, pc.GracefulClose()) }()
	must(tb, pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}))
	answer, err := pc.CreateAnswer(nil)
	must(tb, err)
	return answer.SDP
}

// TestAnswerCostsAsItsSize checks that the largest answers of the worst forms are refused, or cost little. Many
// formats with many lines of feedback once took 21 s and 1.3 GB.
func TestAnswerCostsAsItsSize(t *testing.T) {
	c := newTestCall(t, Options{})
	_, _, first := offerOf(t, c, "first")
	answer := pionAnswer(t, first.SDP)
	within := func(medium, lines string) string {
		return eachSection(medium, func(_ int, s string) string { return s + lines })(answer)
	}
	formats := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, " %d", i)
		}
		return eachSection("audio", func(_ int, s string) string { return strings.Replace(s, "SAVPF", "SAVPF"+b.String(), 1) })(
			within("audio", strings.Repeat("a=rtcp-fb:* x\r\n", 50)))
	}
	ssrcs := func(n int) (lines string) {
		for i := range n {
			lines += fmt.Sprintf("a=ssrc:%d cname:x\r\n", i)
		}
		return lines
	}
	for name, test := range map[string]struct {
		sdp     string
		refused bool
	}{
		"one format 6000 times": {eachSection("audio", func(_ int, s string) string {
			return strings.Replace(s, "SAVPF", "SAVPF"+strings.Repeat(" 111", 6000), 1)
		})(answer), true},
		"3000 lines of feedback": {within("audio", strings.Repeat("a=rtcp-fb:111 x\r\n", 3000)), true},
		"9000 SSRCs":             {within("video", ssrcs(9000)[:150_000]+"\r\n"), true},
		"60 formats":             {formats(60), false},
		"60 SSRCs":               {within("video", ssrcs(60)), false},
		"long lines":             {within("audio", strings.Repeat("a=fmtp:111 "+strings.Repeat("a=b;", 1000)+"\r\n", 20)), false},
		"40 extensions":          {within("audio", strings.Repeat("a=extmap:2 "+strings.Repeat("x", 2000)+"\r\n", 40)), false},
	} {
		t.Run(name, func(t *testing.T) {
			p, out, offer := offerOf(t, c, "hostile")
			defer p.Leave("")
			sdp := test.sdp
			for _, key := range []string{"ufrag", "pwd"} { // any value will do
				sdp = replaced(sdp, "a=ice-"+key+":.*", "a=ice-"+key+":abcdefghijklmnopqrstuvwx\r")
			}
			m := signalling.Answer{Negotiation: offer.Negotiation, SDP: sdp}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begun := time.Now()
			err := p.Handle(m)
			if test.refused {
				codeIs(t, err, fault.SDPInvalid)
			} else {
				must(t, err)
				done := make(chan struct{})
				for !p.m.peer.enqueue(func() { close(done) }) {
					runtime.Gosched()
				}
				<-done
				select {
				case m := <-out:
					if f, ok := m.(signalling.Fault); ok {
						t.Errorf("refused: %+v", f)
					}
				default:
				}
			}
			took := time.Since(begun)
			runtime.ReadMemStats(&after)
			allocated := after.TotalAlloc - before.TotalAlloc
			t.Logf("%d bytes: %v, %d KB", len(sdp), took, allocated>>10)
			if took > 500*time.Millisecond || allocated > 8<<20 {
				t.Errorf("%d bytes cost %v and %d KB", len(sdp), took, allocated>>10)
			}
		})
	}
}

// FuzzSDPBounds checks that an answer which passes becomes a description with the offer's sections, of bounded size,
// that pion can read.
func FuzzSDPBounds(f *testing.F) {
	e, err := NewEngine(Options{})
	must(f, err)
	c, err := e.NewCall(Hooks{}, ICEConfig{})
	must(f, err)
	_, _, offer := offerOf(f, c, "f")
	f.Add(pionAnswer(f, offer.SDP))
	must(f, e.Close())
	f.Add(answerHead + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:a\r\na=ice-pwd:b\r\na=fingerprint:sha-256 00\r\na=setup:active\r\na=ssrc:1\r\n")
	f.Add(answerHead + "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\nm=video 0 X 0\r\na=bundle-only\r\n")
	sections := len(sectionsOf(offer.SDP)) - 1
	f.Fuzz(func(t *testing.T, text string) {
		if (signalling.Answer{Negotiation: 1, SDP: text}).Validate() != nil {
			return
		}
		read, err := description.Read(offer.SDP, text)
		if err != nil {
			return
		}
		remote := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: read.SDP}
		parsed, err := remote.Unmarshal()
		if err != nil {
			t.Fatalf("%v\n%s", err, read.SDP)
		}
		if len(parsed.MediaDescriptions) != sections || len(read.SDP) > len(offer.SDP)+2048 {
			t.Fatalf("%d sections, %d bytes\n%s", len(parsed.MediaDescriptions), len(read.SDP), read.SDP)
		}
	})
}
