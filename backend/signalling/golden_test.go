package signalling

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode"
)

var update = flag.Bool("update", false, "write testdata/golden anew")

const (
	secretText = "AAECAwQFBgcICQoLDA0ODw"
	deviceText = "EBESExQVFhcYGRobHB0eHw"
	seatText   = "ICEiIyQlJicoKSorLC0uLw"
	keyText    = "BAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8"
	proofText  = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0-Pw"
	sdpText    = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
)

func ptr[T any](v T) *T { return &v }

// golden holds, by side, examples of every message. Together they set each field
// at least once, and leave each optional field out at least once.
var golden = []struct {
	name     string
	family   family
	messages []Message
}{
	{"guest", fromGuest, []Message{
		Hello{Version: 1, Secret: secretText, Device: deviceText, Seat: seatText, Resume: true},
		Hello{Version: 1, Secret: secretText, Device: deviceText},
		Hello{Version: 1, Secret: secretText, Device: deviceText, Takes: []string{TakesSimulcast}},
		Knock{Name: "Zoë <b> & 世界 👩‍👩‍👧", Muted: true, CameraOff: true},
		Knock{Name: "A", Picture: "_9j_2Q"},
		Knock{Name: "A"},
		Knock{Name: "A", Key: keyText, Proof: proofText, Takes: []string{TakesWord, TakesWork}},
		Knock{Name: "A", Automated: true, Bare: true, Work: "AAECAwQFBgc"},
		Word{Text: "It is me"},
		Leave{},
		Seated{},
		Answer{Negotiation: 1, SDP: sdpText},
		Candidate{Candidate: "candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host", SDPMid: ptr("0"), SDPMLineIndex: ptr(uint16(0)), UsernameFragment: ptr("abcd")},
		Candidate{},
		Restart{},
		MediaState{Muted: true},
		MediaState{CameraOff: true},
		Sharing{On: true, Sound: true, Instead: "p2"},
		Sharing{On: true},
		Sharing{},
		View{Tiles: []Tile{
			{Participant: "host", Height: 1080, Kind: KindVideo}, {Participant: "p2", Kind: KindScreen},
		}, Takes: []string{TakesLayers, TakesScreen, TakesLine}},
		View{Hidden: true},
		Say{Text: "First line\nsecond \"line\""},
		Say{Text: "Once", Token: deviceText},
		Act{Deed: DeedAdmit, Of: "QXR5"},
		Act{Deed: DeedDecline, Of: "QXR5"},
		Act{Deed: DeedMute, Of: "p2"},
		Act{Deed: DeedRemove, Of: "p2"},
		Move{},
		Letter{Kind: LetterSound, Size: 480000, Seconds: 12},
		Letter{Kind: LetterVideo, Size: 20971520, Seconds: 60},
		Letter{Kind: LetterNote, Size: 5},
		Piece{Data: "_9j_2Q"},
		Ping{},
		Hand{Up: true},
		Hand{Participant: "p2"},
		React{Reaction: "heart"},
		Spotlight{Participant: "p2"},
		Spotlight{},
		Earlier{On: true},
		Earlier{},
		Attach{Name: "Zoë's tea.pdf", Size: 26214400, Token: deviceText},
		Attach{Name: "a", Size: 1},
		Take{Line: 7, On: true, Try: 3},
		Take{Line: 7},
		TakeBack{Line: 7},
		Consent{Recording: 1, Agree: true},
		Consent{Recording: 4294967295},
	}},
	{"host", fromHost, []Message{
		Welcome{Version: 1, LinkName: "Book club", HostName: "Ada"},
		Welcome{Version: 1},
		Welcome{Version: 1, HostName: "Ada", Pings: true},
		Welcome{Version: 1, HostName: "Ada", Host: deviceText},
		Said{Lines: []SaidLine{{Text: "Who is it?", Ago: 1200}, {Text: "It is me", Own: true}}},
		Said{},
		Work{Challenge: secretText, Bits: 17},
		Welcome{Version: 1, Takes: []string{TakesRename}},
		Welcome{Version: 1, HostName: "Ada", Pings: true, OpensAt: 1_800_000_000_000, OpensIn: 90_000},
		Pong{},
		Waiting{Bell: BellRung, Since: 1767225600000, Ago: 12},
		Waiting{Bell: BellSilenced, Since: 1767225600000},
		Waiting{Bell: BellAskWait, Since: 1767225600000},
		Waiting{Bell: BellRung, Since: 1767225600000, Rings: 3, Seen: true},
		Waiting{Bell: BellAskWait, Since: 1767225600000, Rings: 1, Seen: true, Minutes: 5},
		Admitted{Participant: "p1", Seat: seatText, Resumed: true, ICEServers: []ICEServer{
			{URLs: []string{"stun:[2001:db8::1]:3478"}},
			{URLs: []string{"turn:turn.example:3478?transport=udp", "turns:turn.example:443?transport=tcp"}, Username: "u", Credential: "c"},
		}},
		Admitted{Participant: "p1", Seat: seatText, Farewell: secretText},
		Admitted{Participant: "p1", Seat: seatText, Takes: []string{TakesMove}},
		Admitted{Participant: "p1", Seat: seatText},
		Outside{},
		Door{Requests: []Request{
			{ID: "QXR5", Name: "Zoë", Since: 12, TimesLetIn: 4, Careful: true, Away: true}, {ID: "QXR6", Name: "Bo"},
		}, More: 3},
		Door{Over: true},
		Pass{Token: seatText, For: 120000},
		Got{},
		Got{Bytes: 480000, Saved: true},
		Got{Bytes: 45000, Refused: "messages-full"},
		Declined{MayRetry: true},
		Declined{},
		Ended{Reason: EndSpent},
		Ended{Reason: EndReplaced, Seat: seatText},
		Ended{Reason: EndRemoved, Cause: CauseNewAddress, Host: "Grace"},
		Ended{Reason: EndMoved},
		Offer{Negotiation: 4294967295, SDP: sdpText},
		Candidate{Candidate: "candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host", SDPMid: ptr("0"), SDPMLineIndex: ptr(uint16(0))},
		Tracks{Slots: []Slot{{Mid: "2", Participant: "host", Kind: KindAudio}, {Mid: "3", Participant: "host", Kind: KindVideo}}},
		Tracks{},
		Screen{Participant: "p2", Video: "5", Audio: "6"},
		Screen{Participant: "p1"},
		Screen{},
		Layers{Video: []VideoLayer{
			{RID: "q", Active: true, MaxBitrate: 150000, Height: 180}, {RID: "f"},
		}, Audio: &AudioLayer{MaxBitrate: 32000}},
		Layers{Video: []VideoLayer{{Active: true}}},
		Layers{Video: []VideoLayer{{Active: true}}, Screen: &ScreenLayer{Active: true, MaxBitrate: 2500000}},
		Layers{Screen: &ScreenLayer{}},
		Layers{},
		Line{SlowDown: true, SlowUp: true, Paused: []Pause{{Participant: "p2", Reason: PauseLine}, {Participant: "host", Screen: true, Reason: PauseHost}}},
		Line{},
		Roster{You: "p1",
			Participants: []Participant{
				{ID: "host", Name: "Ada", Host: true, JoinedAt: 1767225600000},
				{ID: "p1", Name: "Zoë", CoHost: true, Muted: true, CameraOff: true, Away: true, JoinedAt: 1767225600001},
			},
			Chat:  []ChatLine{{ID: 9007199254740991, Participant: "host", Name: "Ada", Text: "Hello", At: 1767225600002}},
			Takes: []string{TakesView, TakesSharing}, Spotlight: "p1", Earlier: true,
		},
		Roster{You: "p1"},
		Joined{Participant: Participant{ID: "p2", Name: "Bo", JoinedAt: 1767225600003}},
		Joined{Participant: Participant{ID: "p2", Name: "Bo", JoinedAt: 1767225600003, NoMedia: "media-blocked"}},
		Joined{Participant: Participant{ID: "p2", Name: "Bo", JoinedAt: 1767225600003, Hand: 1767225600004}},
		Reaction{Participant: "p2", Reaction: "party"},
		Spotlight{Participant: "p2"},
		Spotlight{},
		Left{ID: "p2"},
		Speaking{IDs: []string{"host", "p1"}},
		Speaking{},
		Chat{Line: ChatLine{ID: 1, Participant: "p1", Name: "Zoë", Text: "Hi", At: 1767225600004}},
		Chat{Line: ChatLine{ID: 2, Participant: "p1", Name: "Zoë", Text: "Once", At: 1767225600005, Token: deviceText}},
		Chat{Line: ChatLine{ID: 3, Participant: "p1", Name: "Zoë", Text: "tea.pdf", At: 1767225600006, File: &OfferedFile{Name: "tea.pdf", Size: 3200000, Kind: FileOther}}},
		Chat{Line: ChatLine{ID: 4, Participant: "p1", Name: "Zoë", Text: "a.png", At: 1767225600007, File: &OfferedFile{Name: "a.png", Size: 1, Kind: FilePicture, Over: OverGone}}},
		FileOver{Line: 4, Why: OverGone},
		Recording{On: true, Number: 1},
		Recording{On: true, Number: 2, Answer: ConsentAgreed},
		Recording{On: true, Number: 4294967295, Answer: ConsentDeclined},
		Recording{},
		Mute{},
		Fault{Code: "sdp-invalid", Message: "The connection could not be set up."},
		Fault{Code: "too-fast", Message: "Wait.", RetryAfter: 10000},
	}},
	{"to-relay", toRelay, []Message{Open{Version: 1, Link: secretText}}},
	{"from-relay", fromRelay, []Message{
		Opened{PublicKey: "B" + strings.Repeat("A", 86)},
		Unavailable{Note: strings.Repeat("A", 86)},
	}},
	{"to-relay-host", toRelayHost, []Message{
		Register{Version: 1, Key: strings.Repeat("A", 43), Signature: strings.Repeat("A", 86), Token: "an invitation", Probe: true, Gone: true},
		Register{Version: 1, Key: strings.Repeat("A", 43), Signature: strings.Repeat("A", 86)},
		Announce{Key: "B" + strings.Repeat("A", 86)},
		Proof{Link: secretText, Answer: strings.Repeat("A", 43)},
		Withdraw{Link: secretText, Note: strings.Repeat("A", 86)},
		Withdraw{Link: secretText},
		Note{Key: "B" + strings.Repeat("A", 86), Note: strings.Repeat("A", 86)},
		Limit{Channel: 4294967295, Bytes: 262144},
		Closed{Channel: 1, Code: CloseDone},
		WantCredentials{Request: 1},
		Revoke{Username: "1767225600:abcd"},
	}},
	{"from-relay-host", fromRelayHost, []Message{
		ChallengeHost{Version: 1, Nonce: strings.Repeat("A", 43)},
		Registered{Links: 64, Guests: 192, PerLink: 96, Bytes: 9007199254740991, Turn: true, STUN: []string{"stun:relay.example:3478"}},
		Registered{},
		Refused{Code: "relay-full"},
		Prove{Link: secretText, Challenge: strings.Repeat("A", 151)},
		Announced{Link: secretText},
		Unannounced{Link: secretText, Code: "too-many-links"},
		Noted{Link: secretText},
		Guest{Channel: 1, Link: secretText, Remote: "EBESExQVFhcYGRob"},
		Guest{Channel: 2, Link: secretText},
		Closed{Channel: 1, Code: CloseTooSlow},
		Closed{Channel: 2, Code: CloseGone},
		Credentials{Request: 1, Expires: 1767225600000, Servers: []ICEServer{
			{URLs: []string{"turn:relay.example:3478?transport=udp"}, Username: "u", Credential: "c"},
		}},
		Credentials{Request: 4294967295, Code: "turn-unavailable"},
		Moving{},
	}},
}

// TestGolden compares the messages of each type with its file, one encoded
// message a line, both ways.
func TestGolden(t *testing.T) {
	for _, side := range golden {
		lines := map[Type][]byte{}
		for _, m := range side.messages {
			b, err := Encode(m)
			if err != nil {
				t.Fatalf("%s: %v", m.Type(), err)
			}
			lines[m.Type()] = append(append(lines[m.Type()], b...), '\n')
			back, err := decode(side.family, b, MaxFrame)
			if err != nil {
				t.Fatalf("%s: %v", b, err)
			}
			if want := cleaned(m); !reflect.DeepEqual(back, want) {
				t.Errorf("%s came back as %#v, want %#v", b, back, want)
			}
		}
		for name := range side.family {
			if lines[name] == nil {
				t.Errorf("%s: no example of %s", side.name, name)
			}
		}
		for name, got := range lines {
			file := filepath.Join("testdata", "golden", side.name, string(name)+".jsonl")
			if *update {
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s: the wire format changed\ngot  %swant %s", file, got, want)
			}
		}
	}
}

// TestGoldenCoversFields fails when a message has a field that no example
// sets.
func TestGoldenCoversFields(t *testing.T) {
	for _, side := range golden {
		set := map[string]bool{}
		all := map[string]bool{}
		var walk func(v reflect.Value)
		walk = func(v reflect.Value) {
			switch v.Kind() {
			case reflect.Struct:
				for i := range v.NumField() {
					name := v.Type().Name() + "." + v.Type().Field(i).Name
					all[name] = true
					if !v.Field(i).IsZero() {
						set[name] = true
					}
					walk(v.Field(i))
				}
			case reflect.Pointer:
				if !v.IsNil() {
					walk(v.Elem())
				}
			case reflect.Slice:
				for i := range v.Len() {
					walk(v.Index(i))
				}
			}
		}
		for _, m := range side.messages {
			walk(reflect.ValueOf(m))
		}
		for name := range all {
			if side.name == "host" && name == "Candidate.UsernameFragment" {
				continue // a guest's example sets it
			}
			if !set[name] {
				t.Errorf("%s: no example sets %s", side.name, name)
			}
		}
	}
}

// TestTypeNames checks the rule that the TypeScript generator relies on.
func TestTypeNames(t *testing.T) {
	for _, side := range golden {
		for _, m := range side.messages {
			name := []rune(reflect.TypeOf(m).Name())
			name[0] = unicode.ToLower(name[0])
			if string(m.Type()) != string(name) {
				t.Errorf("%T has the type %q", m, m.Type())
			}
		}
	}
}

// TestUnknownFieldsAreIgnored checks that a newer peer may add fields.
func TestUnknownFieldsAreIgnored(t *testing.T) {
	m, err := DecodeFromGuest([]byte(`{"type":"knock","payload":{"name":"A","later":{"x":[1]}},"also":1}`), MaxFrameBefore)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(m, Knock{Name: "A"}) {
		t.Errorf("got %#v", m)
	}
}

func TestMissingPayloadIsAnEmptyOne(t *testing.T) {
	m, err := DecodeFromGuest([]byte(`{"type":"leave"}`), MaxFrameBefore)
	if err != nil || m != (Leave{}) {
		t.Errorf("got %#v, %v", m, err)
	}
	if b, _ := json.Marshal(envelope{Type: "leave"}); string(b) != `{"type":"leave"}` {
		t.Errorf("got %s", b)
	}
}
