package host

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/lobby"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// TestSpoofedNamesAreFlagged: a name that may be taken for that of somebody in the call says so on its card, and whom.
// The tile, the chat and the history get the name as it was cleaned.
func TestSpoofedNamesAreFlagged(t *testing.T) {
	b, err := os.ReadFile("../signalling/testdata/spoofing.json")
	if err != nil {
		t.Fatal(err)
	}
	var names []struct {
		What, Name, Flag, Known string
		Refused                 bool
	}
	if err := json.Unmarshal(b, &names); err != nil {
		t.Fatal(err)
	}
	f := start(t, setup{})
	l := f.link()
	in := make(map[string]bool)
	for _, n := range names {
		if n.Known != "" && !in[n.Known] {
			in[n.Known] = true
			f.enter(l, n.Known)
		}
	}
	for _, n := range names {
		if n.Refused {
			continue
		}
		name := signalling.CleanName(n.Name)
		var card hoststate.RequestView
		f.must(f.host.loop.Do(f.ctx, func() {
			o := f.host.openLinks[sealed.LinkID(l.ID)]
			link, _ := f.host.book.Get(o.id)
			card = o.requestView(link, lobby.Request{ID: "id", Name: name})
		}))
		if card.Name != name || card.NameInCall != (n.Flag == "same") || n.Flag == "like" && card.LooksLike != n.Known || n.Flag == "" && card.LooksLike != "" {
			t.Errorf("%s: %+v", n.What, card)
		}
	}
	script := "<script>alert(1)</script>"
	f.enter(l, script)
	f.until("the tile's name", func(s hoststate.State) bool {
		return len(s.Calls) == 1 && slices.ContainsFunc(s.Calls[0].Participants, func(p hoststate.ParticipantView) bool { return p.Name == script })
	})
}
