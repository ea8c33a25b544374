package desktop

import (
	"time"

	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/notify"
	"github.com/porch-call/porch/frontend/messages"
)

// Speak sets the language of what Porch says from now on: a locale of
// frontend/messages. The page calls it when it knows the system's language, or
// the one that the host chose.
func (a *App) Speak(locale string) {
	a.spoken.Store(new(messages.In(locale)))
	a.speaking.Do(func() { close(a.speaks) })
}

// pageLoads is how long the window's page may take until it has said which
// language it speaks.
const pageLoads = 3 * time.Second

// awaitSpeech waits for the page to say it, for what is said without the page.
func (a *App) awaitSpeech() {
	select {
	case <-a.speaks:
	case <-time.After(pageLoads):
	}
}

// texts are those of the language that is spoken.
func (a *App) texts() messages.Texts {
	if t := a.spoken.Load(); t != nil {
		return *t
	}
	return messages.In("en")
}

// speech is what the backend says.
func (a *App) speech() hoststate.Speech {
	t := a.texts()
	return hoststate.Speech{
		Notes: notify.Texts{
			LetIn:        t["system_let_in"],
			Decline:      t["system_decline"],
			Open:         t["system_open"],
			Unnamed:      t["system_unnamed"],
			NameInCall:   t["system_name_in_call"],
			NameKnown:    t["system_name_known"],
			LooksLike:    func(name string) string { return t.With("system_looks_like", "name", name) },
			SummaryTitle: func(waiting int) string { return t.Count("system_waiting", waiting) },
			SummaryBody:  t["system_waiting_open"],
		},
		Unnamed:    t["system_unnamed"],
		Invitation: t["system_invitation"],
		Screen:     func(name string) string { return t.With("system_screen", "name", name) },
	}
}
