package notify

import "fmt"

// What a press means. The first two are also the ids of a note's actions.
const (
	ActionLetIn   = "let-in"
	ActionDecline = "decline"
	ActionOpen    = "open" // the note itself or any part of the summary was pressed

	// ActionDismiss means that the host took the note away and decided nothing.
	ActionDismiss = "dismiss"

	// ActionExpired is not a press: the system removed the note.
	ActionExpired = "expired"
)

// SummaryID is the id of the one note that stands for many requests.
const SummaryID = "porch-summary"

// Note is a notification.
type Note struct {
	ID      string // of the request, or SummaryID
	Title   string // plain text from a guest; [Toast], [Desktop] and [Apple] write it as a system needs it
	Body    string // as Title
	Actions []Action
	Open    string // what pressing the note itself does
}

// Action is a button of a notification.
type Action struct{ ID, Label string }

// Notifier shows notifications. One goroutine calls Show and Withdraw, one call at a time, and they may take long.
// Show replaces a shown note with the same id. Withdrawing a note that is gone is not an error.
type Notifier interface {
	Show(Note) error
	Withdraw(id string) error
	// OnAction registers the function to call on presses, with the ids of the note and the action: ActionOpen if the
	// note itself was pressed. It is called once, before the first Show. Presses on notes of an earlier run may come
	// too.
	OnAction(pressed func(noteID, action string))
}

// Texts are the words on notifications. Empty ones are English.
type Texts struct {
	LetIn        string
	Decline      string
	Open         string // the note's own action, which opens the window
	Unnamed      string // for a link without a name
	NameInCall   string
	NameKnown    string
	LooksLike    func(name string) string
	SummaryTitle func(waiting int) string
	SummaryBody  string
}

func (t Texts) withDefaults() Texts {
	for text, standard := range map[*string]string{
		&t.LetIn: "Let in", &t.Decline: "Decline", &t.Open: "Open Porch", &t.Unnamed: "Porch call", &t.SummaryBody: "Open Porch to see who.",
		&t.NameInCall: "A name that is in the call already", &t.NameKnown: "New browser using a name you know",
	} {
		if *text == "" {
			*text = standard
		}
	}
	if t.LooksLike == nil {
		t.LooksLike = func(name string) string { return "Looks like " + name }
	}
	if t.SummaryTitle == nil {
		t.SummaryTitle = func(waiting int) string {
			if waiting == 1 {
				return "1 person is waiting"
			}
			return fmt.Sprintf("%d people are waiting", waiting)
		}
	}
	return t
}

// request returns the note of one join request.
func (t Texts) request(r Request) Note {
	body := r.LinkName
	if body == "" {
		body = t.Unnamed
	}
	switch {
	case r.NameInCall:
		body += "\n" + t.NameInCall
	case r.LooksLike != "":
		body += "\n" + t.LooksLike(isolated(r.LooksLike))
	case r.NameKnown:
		body += "\n" + t.NameKnown
	}
	return Note{ID: r.ID, Title: r.Name, Body: body, Actions: []Action{{ActionLetIn, t.LetIn}, {ActionDecline, t.Decline}}, Open: t.Open}
}

// summary returns the note of many requests. It has no action that lets guests in, because it names none of them.
func (t Texts) summary(waiting int) Note {
	return Note{ID: SummaryID, Title: t.SummaryTitle(waiting), Body: t.SummaryBody, Open: t.Open}
}
