package signalling

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/porch-call/porch/backend/fault"
)

// TestDecodeFaults checks that bad bytes give their code, for each sender.
func TestDecodeFaults(t *testing.T) {
	const malformed, unknown = fault.MessageMalformed, fault.MessageUnknown
	for _, test := range []struct {
		name string
		text string
		want fault.Code
	}{
		{"nothing", "", malformed},
		{"space", "  ", malformed},
		{"text", "hello", malformed},
		{"null", "null", malformed},
		{"number", "1", malformed},
		{"list", `[{"type":"leave"}]`, malformed},
		{"cut off", `{"type":"leave","payload":{`, malformed},
		{"cut off in a string", `{"type":"lea`, malformed},
		{"two messages", `{"type":"leave"}{"type":"leave"}`, malformed},
		{"data after it", `{"type":"leave"} x`, malformed},
		{"type twice", `{"type":"leave","type":"knock"}`, malformed},
		{"type twice, other case", `{"type":"leave","Type":"knock"}`, malformed},
		{"field twice", `{"type":"knock","payload":{"name":"A","name":"B"}}`, malformed},
		{"field twice, in Unicode's other case", `{"type":"say","payload":{"text":"A","te\u0078t":"B"}}`, malformed},
		{"a key with a long s", `{"type":"answer","payload":{"negotiation":1,"sdp":"v=0","ſdp":"v=0"}}`, malformed},
		{"a key with an escaped long s", `{"type":"answer","payload":{"negotiation":1,"\u017fdp":"v=0"}}`, malformed},
		{"a key with a Kelvin sign", `{"type":"Knock","payload":{"Key":"A"}}`, malformed},
		{"field twice, escaped", `{"type":"knock","payload":{"name":"A","n\u0061me":"B"}}`, malformed},
		{"not UTF-8", "{\"type\":\"knock\",\"payload\":{\"name\":\"\xff\"}}", malformed},
		{"byte order mark", "\uFEFF{\"type\":\"leave\"}", malformed},
		{"deep", `{"type":"leave","payload":{"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}}`, malformed},
		{"deep objects", `{"type":"leave","payload":` + strings.Repeat(`{"x":`, 20) + "1" + strings.Repeat("}", 20) + `}`, malformed},
		{"payload is a list", `{"type":"leave","payload":[]}`, malformed},
		{"payload is null", `{"type":"leave","payload":null}`, malformed},
		{"payload is text", `{"type":"leave","payload":"x"}`, malformed},
		{"field of another kind", `{"type":"knock","payload":{"name":1}}`, malformed},
		{"fraction for a number", `{"type":"hello","payload":{"version":1.5}}`, malformed},
		{"number out of range", `{"type":"answer","payload":{"negotiation":4294967296,"sdp":""}}`, malformed},
		{"negative number", `{"type":"answer","payload":{"negotiation":-1,"sdp":""}}`, malformed},
		{"no type", `{"payload":{}}`, unknown},
		{"empty type", `{"type":""}`, unknown},
		{"unknown type", `{"type":"admin"}`, unknown},
		{"type in another case", `{"type":"Leave"}`, unknown},
		{"a host's message", `{"type":"mute"}`, unknown},
		{"type is a number", `{"type":1}`, malformed},
		{"too large", `{"type":"leave","payload":{"x":"` + strings.Repeat("x", MaxFrameBefore) + `"}}`, fault.FrameTooLarge},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, err := DecodeFromGuest([]byte(test.text), MaxFrameBefore)
			if got := fault.CodeOf(err); got != test.want {
				t.Fatalf("got %q (%v), want %q", got, err, test.want)
			}
			if m != nil {
				t.Error("a message in spite of the error")
			}
		})
	}
	if _, err := DecodeFromHost([]byte(`{"type":"knock","payload":{"name":"A"}}`), MaxFrame); fault.CodeOf(err) != unknown {
		t.Errorf("a guest's message came from a host: %v", err)
	}
	if _, err := DecodeToRelay([]byte(`{"type":"hello"}`)); fault.CodeOf(err) != unknown {
		t.Errorf("a sealed message came to a relay in the clear: %v", err)
	}
	if _, err := DecodeFromRelay([]byte(`{"type":"welcome"}`)); fault.CodeOf(err) != unknown {
		t.Errorf("a sealed message came from a relay in the clear: %v", err)
	}
}

// TestErrorsDoNotRepeatStrangers checks that no error repeats what a stranger
// sent, because errors are logged.
func TestErrorsDoNotRepeatStrangers(t *testing.T) {
	const mark = "STRANGER"
	for _, text := range []string{
		`{"type":"` + mark + `"}`,
		`{"type":"knock","payload":{"name":"` + strings.Repeat(mark, 100) + `"}}`,
		`{"type":"hello","payload":{"version":1,"secret":"` + mark + `"}}`,
		`{"type":"answer","payload":{"negotiation":1,"sdp":"` + mark + `"}}`,
		`{"type":"candidate","payload":{"candidate":"` + mark + `"}}`,
	} {
		_, err := DecodeFromGuest([]byte(text), MaxFrameBefore)
		if err == nil || strings.Contains(err.Error(), mark) {
			t.Errorf("%s: %v", text[:20], err)
		}
	}
}

func TestValidateFaults(t *testing.T) {
	const bad = fault.MessageInvalid
	many := func(n int) []Participant {
		p := make([]Participant, n)
		for i := range p {
			p[i] = Participant{ID: fmt.Sprint("p", i), Name: "A"}
		}
		return p
	}
	line := ChatLine{ID: 1, Participant: "p", Name: "A", Text: "x"}
	lines := make([]ChatLine, MaxChatHistory+1)
	for i := range lines {
		lines[i] = line
	}
	change := func(f func(*ChatLine)) ChatLine { l := line; f(&l); return l }
	for i, test := range []struct {
		m    Message
		want fault.Code
	}{
		{Hello{Version: 0, Secret: secretText, Device: deviceText}, fault.VersionUnsupported},
		{Hello{Version: 2, Secret: secretText, Device: deviceText}, fault.VersionUnsupported},
		{Hello{Version: 1, Secret: secretText[1:], Device: deviceText}, bad},
		{Hello{Version: 1, Secret: secretText + "==", Device: deviceText}, bad},
		{Hello{Version: 1, Secret: strings.Repeat("A", 21) + "B", Device: deviceText}, bad},
		{Hello{Version: 1, Secret: secretText, Device: ""}, bad},
		{Hello{Version: 1, Secret: secretText, Device: strings.Repeat("+", 22)}, bad},
		{Hello{Version: 1, Secret: secretText, Device: strings.Repeat("A", 20) + "\n\n"}, bad},
		{Hello{Version: 1, Secret: secretText, Device: deviceText, Seat: "x"}, bad},
		{Hello{Version: 1, Secret: secretText, Device: deviceText, Resume: true}, bad},
		{Knock{}, fault.NameInvalid},
		{Knock{Name: " \u202E\u200B "}, fault.NameInvalid},
		{Knock{Name: strings.Repeat("x", MaxName+1)}, fault.NameInvalid},
		{Knock{Name: strings.Repeat("𝔸", MaxName+1)}, fault.NameInvalid},
		{Knock{Name: "A", Picture: strings.Repeat("A", base64.RawURLEncoding.EncodedLen(MaxPicture)+1)}, bad},
		{Knock{Name: "A", Picture: "_9j_2Q=="}, bad},
		{Knock{Name: "A", Picture: "_9j_2R"}, bad}, // stray bits
		{Knock{Name: "A", Picture: "/9j/2Q"}, bad},
		{Knock{Name: "A", Picture: "_9j_\n2Q"}, bad},
		{Knock{Name: "A", Picture: "data:image/jpeg;base64,_9j_2Q"}, bad},
		{Answer{Negotiation: 0, SDP: sdpText}, bad},
		{Answer{Negotiation: 1}, fault.SDPInvalid},
		{Answer{Negotiation: 1, SDP: "v=1\r\n"}, fault.SDPInvalid},
		{Answer{Negotiation: 1, SDP: sdpText + "\x00"}, fault.SDPInvalid},
		{Answer{Negotiation: 1, SDP: sdpText + strings.Repeat("a", MaxSDP)}, fault.SDPInvalid},
		{Offer{Negotiation: 1, SDP: "x"}, fault.SDPInvalid},
		{Candidate{Candidate: "typ host"}, bad},
		{Candidate{Candidate: "candidate:" + strings.Repeat("1", MaxCandidate)}, bad},
		{Candidate{Candidate: "candidate:1\r\na=x"}, bad},
		{Candidate{SDPMid: ptr(strings.Repeat("1", 65))}, bad},
		{Candidate{SDPMid: ptr("\n")}, bad},
		{Candidate{UsernameFragment: ptr(strings.Repeat("1", 257))}, bad},
		{View{Tiles: make([]Tile, MaxTiles+1)}, bad},
		{View{Tiles: []Tile{{Kind: KindVideo}}}, bad},
		{View{Tiles: []Tile{{Participant: "p"}}}, bad},
		{View{Tiles: []Tile{{Participant: "p", Kind: "a b"}}}, bad},
		{View{Tiles: []Tile{{Participant: "p", Kind: KindVideo, Height: -1}}}, bad},
		{View{Tiles: []Tile{{Participant: "p", Kind: KindVideo, Height: MaxHeight + 1}}}, bad},
		{View{Takes: make([]string, MaxTakes+1)}, bad},
		{View{Takes: []string{""}}, bad},
		{Say{}, fault.ChatInvalid},
		{Say{Text: "\n \t"}, fault.ChatInvalid},
		{Say{Text: strings.Repeat("x", MaxText+1)}, fault.ChatInvalid},
		{Welcome{Version: 2}, fault.VersionUnsupported},
		{Welcome{Version: 1, LinkName: strings.Repeat("x", 65)}, fault.NameInvalid},
		{Welcome{Version: 1, HostName: strings.Repeat("x", 65)}, fault.NameInvalid},
		{Waiting{Bell: "ding"}, bad},
		{Waiting{Bell: BellRung, Since: -1}, bad},
		{Waiting{Bell: BellRung, Ago: 1 << 53}, bad},
		{Waiting{Bell: BellRung, Rings: -1}, bad},
		{Knock{Name: "A", Key: keyText}, bad},
		{Knock{Name: "A", Key: keyText, Proof: keyText}, bad},
		{Knock{Name: "A", Work: secretText}, bad},
		{Knock{Name: "A", Takes: make([]string, MaxTakes+1)}, bad},
		{Welcome{Version: 1, Host: "x"}, bad},
		{Word{}, fault.ChatInvalid},
		{Word{Text: strings.Repeat("a", MaxWord+1)}, fault.ChatInvalid},
		{Said{Lines: make([]SaidLine, MaxSaid+1)}, bad},
		{Said{Lines: []SaidLine{{Text: "a", Ago: -1}}}, bad},
		{Said{Lines: []SaidLine{{}}}, fault.ChatInvalid},
		{Work{Challenge: "x"}, bad},
		{Work{Challenge: secretText, Bits: MaxWorkBits + 1}, bad},
		{Waiting{Bell: BellAskWait, Minutes: 121}, bad},
		{Admitted{Participant: "", Seat: seatText}, bad},
		{Admitted{Participant: "a b", Seat: seatText}, bad},
		{Admitted{Participant: "p", Seat: ""}, bad},
		{Admitted{Participant: "p", Seat: seatText, ICEServers: make([]ICEServer, MaxICEServers+1)}, bad},
		{Admitted{Participant: "p", Seat: seatText, ICEServers: []ICEServer{{}}}, bad},
		{Admitted{Participant: "p", Seat: seatText, ICEServers: []ICEServer{{URLs: []string{"http://x"}}}}, bad},
		{Admitted{Participant: "p", Seat: seatText, ICEServers: []ICEServer{{URLs: []string{"stun:x\n"}}}}, bad},
		{Admitted{Participant: "p", Seat: seatText, ICEServers: []ICEServer{{URLs: []string{"stun:x"}, Username: strings.Repeat("x", 513)}}}, bad},
		{Ended{}, bad},
		{Ended{Reason: "bored"}, bad},
		{Ended{Reason: EndRemoved, Cause: "a b"}, bad},
		{Ended{Reason: EndRemoved, Cause: "later", Host: strings.Repeat("x", 65)}, fault.NameInvalid},
		{Tracks{Slots: []Slot{{Mid: "", Participant: "p", Kind: KindAudio}}}, bad},
		{Tracks{Slots: []Slot{{Mid: "1", Participant: "", Kind: KindAudio}}}, bad},
		{Tracks{Slots: []Slot{{Mid: "1", Participant: "p", Kind: "smell"}}}, bad},
		{Tracks{Slots: []Slot{{Mid: "1", Participant: "p", Kind: KindAudio}, {Mid: "1", Participant: "q", Kind: KindVideo}}}, bad},
		{Tracks{Slots: make([]Slot, MaxSlots+1)}, bad},
		{Sharing{On: true, Instead: "a b"}, bad},
		{Hand{Participant: "a b"}, bad},
		{React{Reaction: "boo"}, bad},
		{React{}, bad},
		{Spotlight{Participant: "a b"}, bad},
		{Consent{Agree: true}, bad},
		{Recording{On: true}, bad},
		{Recording{Number: 1}, bad},
		{Recording{Answer: ConsentAgreed}, bad},
		{Recording{On: true, Number: 1, Answer: "perhaps"}, bad},
		{Reaction{Participant: "p", Reaction: "<b>"}, bad},
		{Reaction{Reaction: "heart"}, bad},
		{Joined{Participant{ID: "p", Name: "A", Hand: -1}}, bad},
		{Roster{You: "p", Spotlight: "a b"}, bad},
		{Screen{Participant: "a b"}, bad},
		{Screen{Video: "1"}, bad},
		{Screen{Participant: "p", Audio: strings.Repeat("1", MaxID+1)}, bad},
		{Screen{Participant: "p", Video: "1", Audio: "1"}, bad},
		{Layers{Video: make([]VideoLayer, MaxLayers+1)}, bad},
		{Layers{Video: []VideoLayer{{RID: "a b"}}}, bad},
		{Layers{Video: []VideoLayer{{RID: "q"}, {RID: "q", Active: true}}}, bad},
		{Layers{Video: []VideoLayer{{MaxBitrate: -1}}}, bad},
		{Layers{Video: []VideoLayer{{Height: MaxHeight + 1}}}, bad},
		{Layers{Audio: &AudioLayer{MaxBitrate: MaxBitrate + 1}}, bad},
		{Layers{Screen: &ScreenLayer{MaxBitrate: -1}}, bad},
		{Line{Paused: make([]Pause, MaxParticipants+1)}, bad},
		{Line{Paused: []Pause{{Participant: "a b", Reason: PauseLine}}}, bad},
		{Line{Paused: []Pause{{Participant: "a", Reason: ""}}}, bad},
		{Roster{You: "p", Takes: make([]string, MaxTakes+1)}, bad},
		{Roster{You: "p", Takes: []string{"a b"}}, bad},
		{Roster{You: ""}, bad},
		{Roster{You: "p", Participants: many(MaxParticipants + 1)}, bad},
		{Roster{You: "p", Participants: append(many(1), many(1)...)}, bad},
		{Roster{You: "p", Participants: []Participant{{ID: "p"}}}, fault.NameInvalid},
		{Roster{You: "p", Chat: lines}, bad},
		{Roster{You: "p", Chat: []ChatLine{{ID: 1}}}, bad},
		{Joined{Participant{ID: "p", Name: "A", JoinedAt: -1}}, bad},
		{Joined{Participant{ID: strings.Repeat("p", 65), Name: "A"}}, bad},
		{Left{}, bad},
		{Speaking{IDs: []string{""}}, bad},
		{Speaking{IDs: make([]string, MaxParticipants+1)}, bad},
		{Chat{change(func(l *ChatLine) { l.ID = 1 << 53 })}, bad},
		{Chat{change(func(l *ChatLine) { l.At = -1 })}, bad},
		{Chat{change(func(l *ChatLine) { l.Participant = "" })}, bad},
		{Chat{change(func(l *ChatLine) { l.Name = "" })}, fault.NameInvalid},
		{Chat{change(func(l *ChatLine) { l.Text = "" })}, fault.ChatInvalid},
		{Fault{}, bad},
		{Fault{Code: "x", Message: strings.Repeat("x", MaxFaultMessage+1)}, bad},
		{Open{Version: 2, Link: secretText}, fault.VersionUnsupported},
		{Open{Version: 1, Link: "x"}, fault.LinkMalformed},
		{Opened{PublicKey: secretText}, bad},
		{Unavailable{Note: secretText}, bad},
	} {
		t.Run(fmt.Sprintf("%d %s", i, test.m.Type()), func(t *testing.T) {
			if err := cleaned(test.m).Validate(); fault.CodeOf(err) != test.want {
				t.Errorf("%#v: got %v, want %s", test.m, err, test.want)
			}
			if _, err := Encode(test.m); fault.CodeOf(err) != test.want {
				t.Errorf("Encode: got %v, want %s", err, test.want)
			}
		})
	}
}

func TestValidateWantsCleanText(t *testing.T) {
	if err := (Knock{Name: " A"}).Validate(); !errors.Is(err, fault.New(fault.NameInvalid, nil)) {
		t.Errorf("got %v", err)
	}
	if err := (Say{Text: "A "}).Validate(); !errors.Is(err, fault.New(fault.ChatInvalid, nil)) {
		t.Errorf("got %v", err)
	}
}

// TestLargestOffer checks that the largest offer within the limits fits into a
// frame.
func TestLargestOffer(t *testing.T) {
	section := "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n"
	for i := range maxAlike {
		section += fmt.Sprintf("a=%d:%s\r\n", i, strings.Repeat("x", 40))
	}
	sdp := "v=0\r\n" + strings.Repeat(section, (MaxSDP-5)/len(section))
	b, err := Encode(Offer{Negotiation: 1, SDP: sdp})
	if err != nil {
		t.Fatalf("%v (%d bytes of SDP)", err, len(sdp))
	}
	if _, err := DecodeFromHost(b, MaxFrame); err != nil {
		t.Fatal(err)
	}
}

func TestLargestRosterIsRefusedNotCut(t *testing.T) {
	r := Roster{You: "p"}
	for i := range MaxChatHistory {
		r.Chat = append(r.Chat, ChatLine{ID: uint64(i), Participant: "p", Name: "A", Text: strings.Repeat("世", MaxText)})
	}
	if _, err := Encode(r); fault.CodeOf(err) != fault.FrameTooLarge {
		t.Errorf("got %v", err)
	}
}
