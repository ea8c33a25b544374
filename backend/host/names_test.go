package host

import (
	"testing"

	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/notify"
	"github.com/porch-call/porch/backend/signalling"
)

// TestANameIsNotAPerson lets in guests with the same name, and with the host's.
func TestANameIsNotAPerson(t *testing.T) {
	r := newRecorder()
	f := start(t, setup{notifier: r})
	f.must(f.host.SetName(f.ctx, "Mara"))
	l := f.link()
	known := func(name string) (map[string]hoststate.RequestView, []string) {
		shown := make(map[string]hoststate.RequestView)
		var names []string
		for _, q := range f.host.Snapshot().Requests {
			if q.Name == name {
				shown[q.Shown] = q
				names = append(names, q.Shown)
			}
		}
		return shown, names
	}

	first := f.knock(l, "Anna")
	f.request("Anna")
	second := f.knock(l, "anna\uFE0F")
	f.request("anna")
	if _, names := known("anna"); len(names) != 1 || names[0] != "anna (2)" {
		t.Fatalf("the second is shown as %q", names)
	}
	f.must(f.host.Admit(f.ctx, f.request("anna").ID))
	second.seated()
	f.until("the card of the other says that the name is in the call", func(hoststate.State) bool {
		shown, _ := known("Anna")
		return shown["Anna"].NameInCall
	})
	f.must(f.host.Admit(f.ctx, f.request("Anna").ID))
	first.seated()
	third := f.knock(l, "Anna")
	f.until("the third has a number", func(hoststate.State) bool {
		shown, _ := known("Anna")
		return shown["Anna (3)"].NameInCall
	})
	r.until(t, func(shown map[string]notify.Note) bool {
		for _, n := range shown {
			if n.Title == "Anna (3)" && n.Body == "Porch call\nA name that is in the call already" {
				return true
			}
		}
		return false
	})
	f.admit("Anna")
	third.seated()
	var names []string
	for _, p := range third.roster.Participants {
		names = append(names, p.Name)
	}
	if want := []string{"anna (2)", "Anna", "Anna (3)"}; len(names) != 3 || names[0] != want[0] || names[1] != want[1] || names[2] != want[2] {
		t.Errorf("in the call are %q, want %q", names, want)
	}
	third.send(signalling.Say{Text: "hello"})
	if line := expect[signalling.Chat](third).Line; line.Name != "Anna (3)" {
		t.Errorf("the chat names %q", line.Name)
	}

	// The host is not in the call, and still no guest may pass for them.
	f.knock(l, "mara")
	if q := f.request("mara"); q.Shown != "mara (2)" || q.NameInCall || q.LooksLike != "Mara" {
		t.Errorf("a guest of the host's name: %+v", q)
	}
	f.knock(l, "\u041Cara")
	if q := f.request("\u041Cara"); q.NameInCall || q.LooksLike != "Mara" {
		t.Errorf("a guest who looks like the host: %+v", q)
	}
	f.window(l, hoststate.EngineWebview)
	f.until("the name of the host, who is in, is said to be", func(s hoststate.State) bool {
		for _, q := range s.Requests {
			if q.Name == "mara" {
				return q.NameInCall && q.LooksLike == ""
			}
		}
		return false
	})
}
