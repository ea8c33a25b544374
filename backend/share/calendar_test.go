package share

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestCalendar(t *testing.T) {
	start := time.Date(2026, 12, 24, 18, 30, 0, 0, time.FixedZone("CET", 3600))
	got := Calendar(Event{
		UID: "jTPd1CHjS1a8m3t7vVQxYw@porch", Name: "Grandma's 80th; cake, candles\\songs 🎂🎂🎂🎂🎂🎂🎂🎂🎂🎂🎂🎂\nEND:VEVENT\rx",
		Address: address, Start: start, Made: start.Add(-time.Hour),
	})
	want := strings.Join([]string{
		"BEGIN:VCALENDAR",
		"VERSION:2.0",
		"PRODID:-//Porch//Porch//EN",
		"BEGIN:VEVENT",
		"UID:jTPd1CHjS1a8m3t7vVQxYw@porch",
		"DTSTAMP:20261224T163000Z",
		"DTSTART:20261224T173000Z",
		"DTEND:20261224T183000Z",
		`SUMMARY:Grandma's 80th\; cake\, candles\\songs 🎂🎂🎂🎂🎂🎂🎂`,
		` 🎂🎂🎂🎂🎂\nEND:VEVENTx`,
		"LOCATION:https://porch.example:7674/j/jTPd1CHjS1a8m3t7vVQxYw#q83vASNFZ4mrze",
		" 8BI0VniQ",
		"DESCRIPTION:https://porch.example:7674/j/jTPd1CHjS1a8m3t7vVQxYw#q83vASNFZ4m",
		" rze8BI0VniQ",
		"URL:https://porch.example:7674/j/jTPd1CHjS1a8m3t7vVQxYw#q83vASNFZ4mrze8BI0V",
		" niQ",
		"END:VEVENT",
		"END:VCALENDAR",
		"",
	}, "\r\n")
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestCalendarDefaults(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	got := string(Calendar(Event{Start: start, Address: "https://a/\r\nATTACH:x y", Length: 15 * time.Minute}))
	for _, line := range []string{"SUMMARY:Porch call", "DTEND:20260102T031905Z", "URL:https://a/ATTACH:xy"} {
		if !strings.Contains(got, "\r\n"+line+"\r\n") {
			t.Errorf("no %q in\n%s", line, got)
		}
	}
}

func FuzzCalendar(f *testing.F) {
	f.Add("Porch call", address)
	f.Add("\r\nEND:VCALENDAR\r\n", "\xff\x00\u2028🎂")
	f.Fuzz(func(t *testing.T, name, address string) {
		got := Calendar(Event{UID: name, Name: name, Address: address})
		if !utf8.Valid(got) {
			t.Error("not UTF-8")
		}
		properties := 0
		for line := range bytes.Lines(got) {
			text, ok := bytes.CutSuffix(line, []byte("\r\n"))
			if !ok || len(text) > 75 || bytes.ContainsAny(text, "\r\n") || !utf8.Valid(text) {
				t.Errorf("line %q", line)
			}
			if !bytes.HasPrefix(text, []byte(" ")) {
				properties++
			}
		}
		if properties != 14 {
			t.Errorf("%d properties in %q", properties, got)
		}
	})
}
