package sharing

import (
	"bytes"
	"strings"
	"testing"
	"time"

	ical "github.com/arran4/golang-ical"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
)

const own, choir = "https://porch.example/j/A#own", "https://porch.example/j/A#choir"

func opened(settings hoststate.Settings, speech hoststate.Speech) (s *Sharing, out *[]string) {
	out = new([]string)
	link := hoststate.LinkView{
		ID: "A", Name: "Tea", CreatedAt: 1_800_000_000_000, Addresses: []hoststate.AddressView{{URL: own}},
		Copies: []hoststate.CopyView{{ID: "k", Name: "the choir", Addresses: []hoststate.AddressView{{URL: choir}}}},
	}
	return New(Parts{
		Snapshot:  func() hoststate.State { return hoststate.State{Links: []hoststate.LinkView{link}, Settings: settings} },
		HandedOut: func(id string, a hoststate.AddressView) { *out = append(*out, id+" "+a.URL) },
		Shown:     func(id string, a hoststate.AddressView) { *out = append(*out, id+" "+a.URL+" shown") },
		Speech:    func() hoststate.Speech { return speech },
		Now:       func() time.Time { return time.UnixMilli(1_800_000_060_000) },
	}), out
}

func TestInvitation(t *testing.T) {
	for want, c := range map[string]struct{ shareText, speech string }{
		"Join me on Porch, in any browser.\n" + own: {"", ""},
		"Komm, " + own + "!":                        {"", "Komm, {url}!"},
		"Mine\n" + own:                              {"Mine", "Komm, {url}!"},
		"Mine: " + own + " $(x)":                    {"Mine: {url} $(x)", ""},
	} {
		s, out := opened(hoststate.Settings{ShareText: c.shareText}, hoststate.Speech{Invitation: c.speech})
		if got, err := s.Invitation("A", own); got != want || err != nil {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
		if len(*out) != 0 {
			t.Error("an address that was only looked at was handed out")
		}
		for _, url := range []string{"https://elsewhere.example/j/A#own", "", own + "x"} {
			if _, err := s.Invitation("A", url); fault.CodeOf(err) != fault.LinkNotFound {
				t.Errorf("%q: %v", url, err)
			}
		}
		if _, err := s.Invitation("B", own); fault.CodeOf(err) != fault.LinkNotFound {
			t.Errorf("of another link: %v", err)
		}
	}
}

func TestCalendar(t *testing.T) {
	s, out := opened(hoststate.Settings{}, hoststate.Speech{})
	read := func(url string, wish hoststate.CalendarWish) (*ical.VEvent, string) {
		t.Helper()
		name, file, err := s.Calendar(t.Context(), "A", url, wish)
		if err != nil {
			t.Fatal(err)
		}
		if name != "Tea.ics" {
			t.Error(name)
		}
		parsed, err := ical.ParseCalendar(bytes.NewReader(file))
		if err != nil || len(parsed.Events()) != 1 {
			t.Fatal(err)
		}
		return parsed.Events()[0], string(file)
	}
	start := time.Date(2027, 5, 3, 16, 30, 0, 0, time.UTC)
	event, text := read(own, hoststate.CalendarWish{Start: start.UnixMilli(), Minutes: 45, Repeat: "weekly", Zone: "Europe/Berlin"})
	if at, err := event.GetStartAt(); err != nil || !at.Equal(start) {
		t.Errorf("%v, %v", at, err)
	}
	if at, err := event.GetEndAt(); err != nil || !at.Equal(start.Add(45*time.Minute)) {
		t.Errorf("%v, %v", at, err)
	}
	if event.Id() != "A@porch" || !strings.Contains(text, "RRULE:FREQ=WEEKLY") || !strings.Contains(text, "SEQUENCE:60\r\n") {
		t.Error(text)
	}
	if event, _ := read(choir, hoststate.CalendarWish{Zone: "Nowhere/Land"}); event.Id() != "A.k@porch" {
		t.Errorf("the copy's is %s", event.Id())
	}
	if len(*out) != 2 {
		t.Errorf("handed out: %v", *out)
	}
	for _, wish := range []hoststate.CalendarWish{{Repeat: "hourly"}, {Minutes: -1}, {Minutes: maxCallMinutes + 1}} {
		if _, _, err := s.Calendar(t.Context(), "A", own, wish); fault.CodeOf(err) != fault.MessageInvalid {
			t.Errorf("%+v: %v", wish, err)
		}
	}
}
