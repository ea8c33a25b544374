package signalling

// The names on the wire.

// Type implements [Message].
func (Hello) Type() Type { return "hello" }

// Type implements [Message].
func (Knock) Type() Type { return "knock" }

// Type implements [Message].
func (Word) Type() Type { return "word" }

// Type implements [Message].
func (Said) Type() Type { return "said" }

// Type implements [Message].
func (Work) Type() Type { return "work" }

// Type implements [Message].
func (Leave) Type() Type { return "leave" }

// Type implements [Message].
func (Seated) Type() Type { return "seated" }

// Type implements [Message].
func (Answer) Type() Type { return "answer" }

// Type implements [Message].
func (Candidate) Type() Type { return "candidate" }

// Type implements [Message].
func (Restart) Type() Type { return "restart" }

// Type implements [Message].
func (MediaState) Type() Type { return "mediaState" }

// Type implements [Message].
func (Hand) Type() Type { return "hand" }

// Type implements [Message].
func (React) Type() Type { return "react" }

// Type implements [Message].
func (Earlier) Type() Type { return "earlier" }

// Type implements [Message].
func (Reaction) Type() Type { return "reaction" }

// Type implements [Message].
func (Spotlight) Type() Type { return "spotlight" }

// Type implements [Message].
func (Consent) Type() Type { return "consent" }

// Type implements [Message].
func (Recording) Type() Type { return "recording" }

// Type implements [Message].
func (Sharing) Type() Type { return "sharing" }

// Type implements [Message].
func (View) Type() Type { return "view" }

// Type implements [Message].
func (Say) Type() Type { return "say" }

// Type implements [Message].
func (Act) Type() Type { return "act" }

// Type implements [Message].
func (Letter) Type() Type { return "letter" }

// Type implements [Message].
func (Piece) Type() Type { return "piece" }

// Type implements [Message].
func (Got) Type() Type { return "got" }

// Type implements [Message].
func (Move) Type() Type { return "move" }

// Type implements [Message].
func (Ping) Type() Type { return "ping" }

// Type implements [Message].
func (Welcome) Type() Type { return "welcome" }

// Type implements [Message].
func (Pong) Type() Type { return "pong" }

// Type implements [Message].
func (Waiting) Type() Type { return "waiting" }

// Type implements [Message].
func (Admitted) Type() Type { return "admitted" }

// Type implements [Message].
func (Outside) Type() Type { return "outside" }

// Type implements [Message].
func (Door) Type() Type { return "door" }

// Type implements [Message].
func (Pass) Type() Type { return "pass" }

// Type implements [Message].
func (Declined) Type() Type { return "declined" }

// Type implements [Message].
func (Ended) Type() Type { return "ended" }

// Type implements [Message].
func (Offer) Type() Type { return "offer" }

// Type implements [Message].
func (Tracks) Type() Type { return "tracks" }

// Type implements [Message].
func (Screen) Type() Type { return "screen" }

// Type implements [Message].
func (Layers) Type() Type { return "layers" }

// Type implements [Message].
func (Line) Type() Type { return "line" }

// Type implements [Message].
func (Roster) Type() Type { return "roster" }

// Type implements [Message].
func (Joined) Type() Type { return "joined" }

// Type implements [Message].
func (Left) Type() Type { return "left" }

// Type implements [Message].
func (Speaking) Type() Type { return "speaking" }

// Type implements [Message].
func (Chat) Type() Type { return "chat" }

// Type implements [Message].
func (Mute) Type() Type { return "mute" }

// Type implements [Message].
func (Fault) Type() Type { return "fault" }

// Type implements [Message].
func (Open) Type() Type { return "open" }

// Type implements [Message].
func (Opened) Type() Type { return "opened" }

// Type implements [Message].
func (Unavailable) Type() Type { return "unavailable" }

// Type implements [Message].
func (Attach) Type() Type { return "attach" }

// Type implements [Message].
func (Take) Type() Type { return "take" }

// Type implements [Message].
func (TakeBack) Type() Type { return "takeBack" }

// Type implements [Message].
func (FileOver) Type() Type { return "fileOver" }
