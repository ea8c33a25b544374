package notify

import "fmt"

// What a press means. The first two are the ids of a note's actions too.
const (
	ActionLetIn   = "let-in"
	ActionDecline = "decline"
	ActionOpen    = "open" // the note itself was pressed, or any part of the summary

	// ActionExpired is no press: the system took the note away by itself.
	ActionExpired = "expired"
)

// SummaryID is the id of the one note that stands for many requests.
const SummaryID = "porch-summary"

// Note is a notification.
type Note struct {
	ID      string // of the request, or SummaryID
	Title   string // plain text of a guest: [Toast], [Desktop] and [Apple] write it as a system takes it
	Body    string // the same
	Actions []Action
}

// Action is a button of a notification.
type Action struct{ ID, Label string }

// Notifier shows notifications. One goroutine calls Show and Withdraw, one at a
// time; they may take long. Show with the id of a note that is shown replaces
// it. Withdraw of a note that has gone is not an error.
type Notifier interface {
	Show(Note) error
	Withdraw(id string) error
	// OnAction registers who is told of presses, by the note's id and the
	// action's: ActionOpen when the note itself was pressed. It is called once,
	// before the first Show; presses of notes of an earlier run may come, too.
	OnAction(pressed func(noteID, action string))
}

// Texts are the words on notifications. What is empty is English.
type Texts struct {
	LetIn        string
	Decline      string
	Unnamed      string // a link without a name
	NameInCall   string
	NameKnown    string
	LooksLike    func(name string) string
	SummaryTitle func(waiting int) string
	SummaryBody  string
}

func (t Texts) withDefaults() Texts {
	for text, standard := range map[*string]string{
		&t.LetIn: "Let in", &t.Decline: "Decline", &t.Unnamed: "Porch call", &t.SummaryBody: "Open Porch to see who.",
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

// request is the note of one join request.
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
	return Note{ID: r.ID, Title: r.Name, Body: body, Actions: []Action{{ActionLetIn, t.LetIn}, {ActionDecline, t.Decline}}}
}

// summary is the note of many. It lets nobody in: it names nobody.
func (t Texts) summary(waiting int) Note {
	return Note{ID: SummaryID, Title: t.SummaryTitle(waiting), Body: t.SummaryBody}
}
