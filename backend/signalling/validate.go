package signalling

import (
	"encoding/base64"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/porch-call/porch/backend/fault"
)

// Limits of fields. Text limits are in bytes unless they say otherwise.
const (
	MaxSDP          = 224 << 10 // an offer with 64 participants has about 150 KB
	MaxCandidate    = 1 << 10
	MaxParticipants = 256
	MaxSlots        = 2 * MaxParticipants
	MaxChatHistory  = 500 // chat lines in a Roster
	MaxID           = 64
	MaxICEServers   = 8
	MaxTiles        = 64      // in a View
	MaxLayers       = 3       // of a picture
	MaxHeight       = 4320    // of a picture, in lines or device pixels
	MaxBitrate      = 1 << 30 // bit/s
	MaxTakes        = 16      // words
	MaxWord         = 500     // characters of a line to or from a guest who waits
	MaxSaid         = 40      // such lines
	MaxRequests     = 32      // in a Door

	MaxLetter        = 20 << 20 // bytes
	MaxLetterSeconds = 60
	MaxPiece         = 45000    // bytes
	LetterWindow     = 360000   // bytes, 8 pieces
	MaxLetterFrame   = 64 << 10 // bytes of a message with a Piece
	MaxFile          = 25 << 20 // bytes
	MaxFileName      = 1024     // bytes, before the host cleans it
	MaxFaultMessage  = 500      // characters
	MaxPicture       = 8 << 10  // a picture in a Knock, before base64url
)

func invalid(format string, args ...any) error {
	return fault.Newf(fault.MessageInvalid, format, args...)
}

// Validate implements [Message].
func (m Hello) Validate() error {
	if m.Version != ProtocolVersion {
		return fault.Newf(fault.VersionUnsupported, "hello of version %d", m.Version)
	}
	if !isToken(m.Secret, 16) {
		return invalid("hello: secret is not 16 bytes of base64url")
	}
	if !isToken(m.Device, 16) {
		return invalid("hello: device is not 16 bytes of base64url")
	}
	if m.Seat != "" && !isToken(m.Seat, 16) {
		return invalid("hello: seat is not 16 bytes of base64url")
	}
	if m.Resume && m.Seat == "" {
		return invalid("hello: resume without a seat")
	}
	return checkTakes(m.Takes)
}

// Validate implements [Message].
func (m Knock) Validate() error {
	if len(m.Picture) > base64.RawURLEncoding.EncodedLen(MaxPicture) {
		return invalid("knock: picture of %d characters", len(m.Picture))
	}
	if !isBase64url(m.Picture) {
		return invalid("knock: picture is not base64url")
	}
	if (m.Key == "") != (m.Proof == "") || m.Key != "" && (!isToken(m.Key, 65) || !isToken(m.Proof, 64)) {
		return invalid("knock: key and proof are not 65 and 64 bytes of base64url")
	}
	if m.Work != "" && !isToken(m.Work, 8) {
		return invalid("knock: work is not 8 bytes of base64url")
	}
	if err := checkTakes(m.Takes); err != nil {
		return err
	}
	return checkName(m.Name)
}

// Validate implements [Message].
func (m Word) Validate() error { return checkWord(m.Text) }

// Validate implements [Message].
func (m Said) Validate() error {
	if len(m.Lines) > MaxSaid {
		return invalid("said: %d lines", len(m.Lines))
	}
	for _, l := range m.Lines {
		if !isTime(l.Ago) {
			return invalid("said: time out of range")
		}
		if err := checkWord(l.Text); err != nil {
			return err
		}
	}
	return nil
}

func checkWord(text string) error {
	if n := utf8.RuneCountInString(text); n > MaxWord {
		return fault.Newf(fault.ChatInvalid, "word of %d characters", n)
	}
	return checkText(text)
}

// Validate implements [Message].
func (m Work) Validate() error {
	if !isToken(m.Challenge, 16) {
		return invalid("work: challenge is not 16 bytes of base64url")
	}
	if m.Bits < 0 || m.Bits > MaxWorkBits {
		return invalid("work: %d bits", m.Bits)
	}
	return nil
}

// Validate implements [Message].
func (Leave) Validate() error { return nil }

// Validate implements [Message].
func (Seated) Validate() error { return nil }

// Validate implements [Message].
func (m Answer) Validate() error { return checkDescription(m.Negotiation, m.SDP) }

// Validate implements [Message].
func (m Candidate) Validate() error {
	if len(m.Candidate) > MaxCandidate {
		return invalid("candidate of %d bytes", len(m.Candidate))
	}
	if m.Candidate != "" && !strings.HasPrefix(m.Candidate, "candidate:") {
		return invalid("candidate: not a candidate-attribute (RFC 8839 section 5.1)")
	}
	if !isPrintable(m.Candidate) {
		return invalid("candidate: not one line of printable ASCII")
	}
	if m.SDPMid != nil && (len(*m.SDPMid) > MaxID || !isPrintable(*m.SDPMid)) {
		return invalid("candidate: bad sdpMid")
	}
	if m.UsernameFragment != nil && (len(*m.UsernameFragment) > 256 || !isPrintable(*m.UsernameFragment)) {
		return invalid("candidate: bad usernameFragment")
	}
	return nil
}

// Validate implements [Message].
func (Restart) Validate() error { return nil }

// Validate implements [Message].
func (MediaState) Validate() error { return nil }

// Validate implements [Message].
func (m Sharing) Validate() error {
	if m.Instead != "" && !isID(m.Instead) {
		return invalid("sharing: bad participant id")
	}
	return nil
}

// Validate implements [Message].
func (m View) Validate() error {
	if len(m.Tiles) > MaxTiles {
		return invalid("view: %d tiles", len(m.Tiles))
	}
	for _, t := range m.Tiles {
		if !isID(t.Participant) {
			return invalid("view: bad participant id")
		}
		if t.Height < 0 || t.Height > MaxHeight {
			return invalid("view: a tile of %d pixels", t.Height)
		}
		if !isID(string(t.Kind)) {
			return invalid("view: bad kind")
		}
	}
	return checkTakes(m.Takes)
}

// checkTakes checks what a side says that it takes.
func checkTakes(words []string) error {
	if len(words) > MaxTakes {
		return invalid("takes: %d words", len(words))
	}
	for _, w := range words {
		if !isID(w) {
			return invalid("takes: bad word")
		}
	}
	return nil
}

// Validate implements [Message].
func (m Say) Validate() error {
	if m.Token != "" && !isToken(m.Token, 16) {
		return invalid("say: token is not 16 bytes of base64url")
	}
	return checkText(m.Text)
}

// Validate implements [Message].
func (m Hand) Validate() error {
	if m.Participant != "" && !isID(m.Participant) {
		return invalid("hand: bad participant id")
	}
	return nil
}

// reactions are the words of [Reaction].
var reactions = []string{"heart", "thumb", "clap", "laugh", "wow", "party"}

// Validate implements [Message].
func (m React) Validate() error {
	if !slices.Contains(reactions, m.Reaction) {
		return invalid("react: unknown reaction")
	}
	return nil
}

// Validate implements [Message].
func (m Act) Validate() error {
	switch m.Deed {
	case DeedAdmit, DeedDecline, DeedMute, DeedRemove:
	default:
		return invalid("act: unknown deed")
	}
	if !isID(m.Of) {
		return invalid("act: bad id")
	}
	return nil
}

// Validate implements [Message].
func (Earlier) Validate() error { return nil }

// Validate implements [Message].
func (m Reaction) Validate() error {
	if !isID(m.Participant) || !isID(m.Reaction) {
		return invalid("reaction: bad word")
	}
	return nil
}

// Validate implements [Message].
func (m Spotlight) Validate() error {
	if m.Participant != "" && !isID(m.Participant) {
		return invalid("spotlight: bad participant id")
	}
	return nil
}

// Validate implements [Message].
func (m Consent) Validate() error {
	if m.Recording == 0 {
		return invalid("consent: no recording")
	}
	return nil
}

// Validate implements [Message].
func (m Recording) Validate() error {
	if m.On != (m.Number != 0) || !m.On && m.Answer != ConsentNone {
		return invalid("recording: a number or an answer of none")
	}
	switch m.Answer {
	case ConsentNone, ConsentAgreed, ConsentDeclined:
		return nil
	default:
		return invalid("recording: unknown answer")
	}
}

// Validate implements [Message].
func (m Letter) Validate() error {
	switch m.Kind {
	case LetterSound, LetterVideo, LetterNote:
	default:
		return invalid("letter: unknown kind")
	}
	if m.Size <= 0 || m.Size > MaxLetter || m.Seconds < 0 || m.Seconds > MaxLetterSeconds {
		return invalid("letter: out of range")
	}
	return nil
}

// Validate implements [Message].
func (m Piece) Validate() error {
	if m.Data == "" || len(m.Data) > base64.RawURLEncoding.EncodedLen(MaxPiece) || !isBase64url(m.Data) {
		return invalid("piece: %d characters", len(m.Data))
	}
	return nil
}

// Validate implements [Message].
func (m Got) Validate() error {
	if !isTime(m.Bytes) || m.Refused != "" && !isID(m.Refused) {
		return invalid("got: bad code or size")
	}
	return nil
}

// Validate implements [Message].
func (Move) Validate() error { return nil }

// Validate implements [Message].
func (Ping) Validate() error { return nil }

// Validate implements [Message].
func (Pong) Validate() error { return nil }

// Validate implements [Message].
func (m Welcome) Validate() error {
	if m.Version != ProtocolVersion {
		return fault.Newf(fault.VersionUnsupported, "welcome of version %d", m.Version)
	}
	if m.LinkName != "" {
		if err := checkName(m.LinkName); err != nil {
			return err
		}
	}
	if m.Host != "" && !isToken(m.Host, 16) {
		return invalid("welcome: host is not 16 bytes of base64url")
	}
	if m.HostName != "" {
		if err := checkName(m.HostName); err != nil {
			return err
		}
	}
	return checkTakes(m.Takes)
}

// maxRings bounds how often a bell says that it has rung. It rings each minute.
const maxRings = 1 << 20

// Validate implements [Message].
func (m Waiting) Validate() error {
	switch m.Bell {
	case BellRung, BellSilenced, BellAskWait:
	default:
		return invalid("waiting: unknown bell")
	}
	if !isTime(m.Since) || !isTime(m.Ago) {
		return invalid("waiting: time out of range")
	}
	if m.Rings < 0 || m.Rings > maxRings || m.Minutes < 0 || m.Minutes > MaxWaitMinutes {
		return invalid("waiting: number out of range")
	}
	return nil
}

// Validate implements [Message].
func (m Admitted) Validate() error {
	if !isID(m.Participant) {
		return invalid("admitted: bad participant id")
	}
	if !isToken(m.Seat, 16) {
		return invalid("admitted: seat is not 16 bytes of base64url")
	}
	if m.Farewell != "" && !isToken(m.Farewell, 16) {
		return invalid("admitted: farewell is not 16 bytes of base64url")
	}
	if len(m.ICEServers) > MaxICEServers {
		return invalid("admitted: %d ICE servers", len(m.ICEServers))
	}
	for _, s := range m.ICEServers {
		if err := s.validate(); err != nil {
			return err
		}
	}
	return checkTakes(m.Takes)
}

// Validate implements [Message].
func (Outside) Validate() error { return nil }

// Validate implements [Message].
func (m Door) Validate() error {
	if len(m.Requests) > MaxRequests || m.More < 0 || m.More > MaxParticipants {
		return invalid("door: %d requests and %d", len(m.Requests), m.More)
	}
	for _, q := range m.Requests {
		if !isID(q.ID) || !isTime(q.Since) || !isTime(int64(q.TimesLetIn)) {
			return invalid("door: bad request")
		}
		if err := checkName(q.Name); err != nil {
			return err
		}
	}
	return nil
}

// Validate implements [Message].
func (m Pass) Validate() error {
	if !isToken(m.Token, 16) || !isTime(m.For) {
		return invalid("pass: bad token or time")
	}
	return nil
}

func (s ICEServer) validate() error {
	if len(s.URLs) == 0 || len(s.URLs) > MaxICEServers {
		return invalid("ICE server: %d URLs", len(s.URLs))
	}
	for _, u := range s.URLs {
		scheme, _, _ := strings.Cut(u, ":")
		switch scheme {
		case "stun", "stuns", "turn", "turns":
		default:
			return invalid("ICE server: unknown scheme")
		}
		if len(u) > 512 || !isPrintable(u) {
			return invalid("ICE server: bad URL")
		}
	}
	if len(s.Username) > 512 || len(s.Credential) > 512 || !isPrintable(s.Username) || !isPrintable(s.Credential) {
		return invalid("ICE server: bad credentials")
	}
	return nil
}

// Validate implements [Message].
func (Declined) Validate() error { return nil }

// Validate implements [Message].
func (m Ended) Validate() error {
	switch m.Reason {
	case EndSpent, EndRemoved, EndEnded, EndKicked, EndBlocked, EndTimedOut, EndReplaced, EndMoved, EndShutdown,
		EndSeatGone, EndFull, EndLocked, EndFault:
	default:
		return invalid("ended: unknown reason")
	}
	if m.Seat != "" && (m.Reason != EndReplaced || !isToken(m.Seat, 16)) {
		return invalid("ended: bad seat")
	}
	if m.Cause != "" && !isID(m.Cause) {
		return invalid("ended: bad cause")
	}
	if m.Host != "" {
		return checkName(m.Host)
	}
	return nil
}

// Validate implements [Message].
func (m Offer) Validate() error { return checkDescription(m.Negotiation, m.SDP) }

// Validate implements [Message].
func (m Tracks) Validate() error {
	if len(m.Slots) > MaxSlots {
		return invalid("tracks: %d slots", len(m.Slots))
	}
	mids := make(map[string]struct{}, len(m.Slots))
	for _, s := range m.Slots {
		if !isMid(s.Mid) {
			return invalid("tracks: bad mid")
		}
		if _, twice := mids[s.Mid]; twice {
			return invalid("tracks: a mid stands twice")
		}
		mids[s.Mid] = struct{}{}
		if !isID(s.Participant) {
			return invalid("tracks: bad participant id")
		}
		if s.Kind != KindAudio && s.Kind != KindVideo {
			return invalid("tracks: unknown kind")
		}
	}
	return nil
}

// isMid reports whether s names a media section.
func isMid(s string) bool { return s != "" && len(s) <= MaxID && isPrintable(s) }

// Validate implements [Message].
func (m Screen) Validate() error {
	if m.Participant != "" && !isID(m.Participant) {
		return invalid("screen: bad participant id")
	}
	for _, mid := range []string{m.Video, m.Audio} {
		if mid != "" && (m.Participant == "" || !isMid(mid)) {
			return invalid("screen: bad mid")
		}
	}
	if m.Video != "" && m.Video == m.Audio {
		return invalid("screen: a mid stands twice")
	}
	return nil
}

// Validate implements [Message].
func (m Layers) Validate() error {
	if len(m.Video) > MaxLayers {
		return invalid("layers: %d of a picture", len(m.Video))
	}
	for i, l := range m.Video {
		if l.RID != "" && !isID(l.RID) {
			return invalid("layers: bad rid")
		}
		for _, other := range m.Video[:i] {
			if other.RID == l.RID {
				return invalid("layers: a rid stands twice")
			}
		}
		if !isBitrate(l.MaxBitrate) || l.Height < 0 || l.Height > MaxHeight {
			return invalid("layers: out of range")
		}
	}
	if m.Audio != nil && !isBitrate(m.Audio.MaxBitrate) || m.Screen != nil && !isBitrate(m.Screen.MaxBitrate) {
		return invalid("layers: out of range")
	}
	return nil
}

// Validate implements [Message].
func (m Line) Validate() error {
	if len(m.Paused) > MaxParticipants {
		return invalid("line: %d pauses", len(m.Paused))
	}
	for _, p := range m.Paused {
		if !isID(p.Participant) || !isID(p.Reason) {
			return invalid("line: bad pause")
		}
	}
	return nil
}

// isBitrate reports whether n is a bitrate, 0 included.
func isBitrate(n int) bool { return n >= 0 && n <= MaxBitrate }

func (p Participant) validate() error {
	if !isID(p.ID) {
		return invalid("participant: bad id")
	}
	if !isTime(p.JoinedAt) {
		return invalid("participant: time out of range")
	}
	if !isTime(p.Hand) {
		return invalid("participant: hand out of range")
	}
	if p.NoMedia != "" && !isID(p.NoMedia) {
		return invalid("participant: bad fault code")
	}
	return checkName(p.Name)
}

func (l ChatLine) validate() error {
	if l.Token != "" && !isToken(l.Token, 16) {
		return invalid("chat line: token is not 16 bytes of base64url")
	}
	if !isID(l.Participant) {
		return invalid("chat line: bad participant id")
	}
	if l.ID > maxSafe {
		return invalid("chat line: id out of range")
	}
	if !isTime(l.At) {
		return invalid("chat line: time out of range")
	}
	if err := checkName(l.Name); err != nil {
		return err
	}
	if err := l.File.validate(); err != nil {
		return err
	}
	return checkText(l.Text)
}

func (f *OfferedFile) validate() error {
	switch {
	case f == nil:
		return nil
	case f.Name == "" || len(f.Name) > MaxFileName || strings.ContainsAny(f.Name, `/\`):
		return invalid("file: bad name")
	case f.Size < 1 || f.Size > MaxFile:
		return invalid("file of %d bytes", f.Size)
	case !isID(f.Kind) || f.Over != "" && !isID(f.Over):
		return invalid("file: bad word")
	}
	return nil
}

// Validate implements [Message].
func (m FileOver) Validate() error {
	if m.Line > maxSafe || !isID(m.Why) {
		return invalid("file over: bad line or reason")
	}
	return nil
}

// Validate implements [Message].
func (m Attach) Validate() error {
	if m.Name == "" || len(m.Name) > MaxFileName || m.Size < 1 || m.Size > MaxFile {
		return fault.Newf(fault.FileInvalid, "attach: %d bytes under a name of %d", m.Size, len(m.Name))
	}
	if m.Token != "" && !isToken(m.Token, 16) {
		return invalid("attach: token is not 16 bytes of base64url")
	}
	return nil
}

// Validate implements [Message].
func (m Take) Validate() error {
	if m.Line > maxSafe || m.Try < 0 || m.Try > 255 {
		return invalid("take: number out of range")
	}
	return nil
}

// Validate implements [Message].
func (m TakeBack) Validate() error {
	if m.Line > maxSafe {
		return invalid("take back: line out of range")
	}
	return nil
}

// Validate implements [Message].
func (m Roster) Validate() error {
	if !isID(m.You) {
		return invalid("roster: bad own id")
	}
	if len(m.Participants) > MaxParticipants {
		return invalid("roster: %d participants", len(m.Participants))
	}
	if m.Spotlight != "" && !isID(m.Spotlight) {
		return invalid("roster: bad spotlight")
	}
	if len(m.Chat) > MaxChatHistory {
		return invalid("roster: %d chat lines", len(m.Chat))
	}
	ids := make(map[string]struct{}, len(m.Participants))
	for _, p := range m.Participants {
		if err := p.validate(); err != nil {
			return err
		}
		if _, twice := ids[p.ID]; twice {
			return invalid("roster: a participant stands twice")
		}
		ids[p.ID] = struct{}{}
	}
	for _, l := range m.Chat {
		if err := l.validate(); err != nil {
			return err
		}
	}
	return checkTakes(m.Takes)
}

// Validate implements [Message].
func (m Joined) Validate() error { return m.Participant.validate() }

// Validate implements [Message].
func (m Left) Validate() error {
	if !isID(m.ID) {
		return invalid("left: bad id")
	}
	return nil
}

// Validate implements [Message].
func (m Speaking) Validate() error {
	if len(m.IDs) > MaxParticipants {
		return invalid("speaking: %d ids", len(m.IDs))
	}
	for _, id := range m.IDs {
		if !isID(id) {
			return invalid("speaking: bad id")
		}
	}
	return nil
}

// Validate implements [Message].
func (m Chat) Validate() error { return m.Line.validate() }

// Validate implements [Message].
func (Mute) Validate() error { return nil }

// Validate implements [Message].
func (m Fault) Validate() error {
	if !isID(m.Code) {
		return invalid("fault: bad code")
	}
	if utf8.RuneCountInString(m.Message) > MaxFaultMessage {
		return invalid("fault: message too long")
	}
	if !isTime(m.RetryAfter) {
		return invalid("fault: time out of range")
	}
	return nil
}

// Validate implements [Message].
func (m Open) Validate() error {
	if m.Version != ProtocolVersion {
		return fault.Newf(fault.VersionUnsupported, "open of version %d", m.Version)
	}
	if !isToken(m.Link, 16) {
		return fault.Newf(fault.LinkMalformed, "open: link is not 16 bytes of base64url")
	}
	return nil
}

// Validate implements [Message].
func (m Opened) Validate() error {
	if !isToken(m.PublicKey, 65) {
		return invalid("opened: public key is not 65 bytes of base64url")
	}
	return nil
}

// Validate implements [Message].
func (m Unavailable) Validate() error {
	if !isToken(m.Note, 64) {
		return invalid("unavailable: note is not 64 bytes of base64url")
	}
	return nil
}

// maxSafe is the largest whole number that JavaScript holds exactly
// (ECMA-262, Number.MAX_SAFE_INTEGER).
const maxSafe = 1<<53 - 1

// isTime reports whether ms is a time or a span that both ends can hold.
func isTime(ms int64) bool { return ms >= 0 && ms <= maxSafe }

// isToken reports whether s is the one base64url text without padding (RFC
// 4648 section 5) of size bytes.
func isToken(s string, size int) bool {
	return len(s) == base64.RawURLEncoding.EncodedLen(size) && isBase64url(s)
}

// isBase64url reports whether s is the one base64url text without padding of some
// bytes, or of none.
func isBase64url(s string) bool {
	if strings.ContainsAny(s, "\r\n") {
		return false
	}
	_, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil
}

// isID reports whether s is 1 to MaxID of A-Z, a-z, 0-9, "-" and "_".
func isID(s string) bool {
	if s == "" || len(s) > MaxID {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// isPrintable reports whether s is printable ASCII, spaces included.
func isPrintable(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

func checkName(name string) error {
	switch {
	case name == "":
		return fault.Newf(fault.NameInvalid, "empty")
	case len(name) > MaxNameBytes || Characters(name) > MaxName:
		return fault.Newf(fault.NameInvalid, "%d bytes", len(name))
	case CleanName(name) != name:
		return fault.Newf(fault.NameInvalid, "not clean")
	}
	return nil
}

func checkText(text string) error {
	switch {
	case text == "":
		return fault.Newf(fault.ChatInvalid, "empty")
	case len(text) > MaxTextBytes || utf8.RuneCountInString(text) > MaxText:
		return fault.Newf(fault.ChatInvalid, "%d bytes", len(text))
	case CleanText(text) != text:
		return fault.Newf(fault.ChatInvalid, "not clean")
	}
	return nil
}
