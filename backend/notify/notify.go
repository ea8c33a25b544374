package notify

import "log/slog"

// What an action button does. They are the ids of Note.Actions, and what a
// Notifier reports back.
const (
	ActionLetIn   = "let-in"
	ActionDecline = "decline"
	ActionOpen    = "open" // the note itself was pressed
)

// Action is a button of a notification.
type Action struct{ ID, Label string }

// Note is a notification.
type Note struct {
	ID      string // of the request; SummaryID for the summary
	Title   string // plain text
	Body    string // plain text; where a system reads markup there, EscapeMarkup it
	Actions []Action
}

// SummaryID is the id of the one note that stands for many requests.
const SummaryID = "porch-summary"

// Notifier shows notifications. Show and Withdraw are called by one goroutine
// at a time, never on a caller's, and may take long. Show with the id of a note
// that is shown replaces it. Withdraw of an unknown id is not an error.
type Notifier interface {
	Show(Note) error
	Withdraw(id string) error
	// OnAction registers who is told of presses: the note's id and the action's.
	OnAction(func(noteID, action string))
}

// Request is a join request that waits, on whichever link.
type Request struct {
	ID       string
	Name     string // the guest's
	LinkName string
	Quiet    bool // silenced, or asked to wait: listed, but not announced
}

// Decision is what a press meant.
type Decision struct {
	Request string // "" for a press on the summary
	Action  string
}

// Texts are the words on notifications. The zero value is English.
type Texts struct {
	LetIn, Decline string
	Unnamed        string // a link without a name
	SummaryTitle   func(waiting int) string
	SummaryBody    string
}

// Options configure a Center.
type Options struct {
	Notifier   Notifier
	OnDecision func(Decision) // called on the notifier's goroutine; must not wait for the Center
	Texts      Texts
	Logger     *slog.Logger
}

// Center keeps notifications in step with what waits. Its methods are safe for
// concurrent use and never wait for the operating system.
type Center struct{}

// NewCenter starts a center; Close ends it.
func NewCenter(o Options) *Center { panic("unwritten") }

// Update says which requests wait now: all of them, on all links, oldest first.
func (c *Center) Update(requests []Request) { panic("unwritten") }

// Failing says whether the last attempt to show a notification failed.
func (c *Center) Failing() bool { panic("unwritten") }

// Close withdraws all notes and ends the center. A second call is a no-op.
func (c *Center) Close() { panic("unwritten") }

// EscapeMarkup escapes plain text for systems that read markup in a body
// (freedesktop.org notifications with the capability "body-markup").
func EscapeMarkup(s string) string { panic("unwritten") }
