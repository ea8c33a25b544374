package handover

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	ical "github.com/arran4/golang-ical"
)

func TestCalendar(t *testing.T) {
	start := time.Date(2026, 12, 24, 18, 30, 0, 0, time.FixedZone("CET", 3600))
	got := Calendar(Event{
		UID: "jTPd1CHjS1a8m3t7vVQxYw@porch", Name: "Grandma's 80th; cake, candles\\songs 🎂🎂🎂🎂🎂🎂🎂🎂🎂🎂🎂🎂\nEND:VEVENT\rx",
		Address: address, Start: start, Made: start.Add(-time.Hour), Begun: start.Add(-25 * time.Hour),
	})
	want := strings.Join([]string{
		"BEGIN:VCALENDAR",
		"VERSION:2.0",
		"PRODID:-//Porch//Porch//EN",
		"METHOD:PUBLISH",
		"BEGIN:VEVENT",
		"UID:jTPd1CHjS1a8m3t7vVQxYw@porch",
		"SEQUENCE:86400",
		"DTSTAMP:20261224T163000Z",
		"LAST-MODIFIED:20261224T163000Z",
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
		if properties != 17 {
			t.Errorf("%d properties in %q", properties, got)
		}
	})
}

// UID and SEQUENCE tell a calendar that the second file replaces the first, even after a restart of the app.
func TestCalendarReplaces(t *testing.T) {
	made := time.Date(2026, 12, 24, 18, 30, 0, 0, time.UTC)
	var before *ical.VEvent
	for _, e := range []Event{
		{Name: "Tea", Start: made.Add(time.Hour), Made: made},
		{Name: "Tea; at five, 茶を飲みながら年末の話をする会です、どうぞよろしく🍵🍵🍵", Start: made.Add(2 * time.Hour), Made: made.Add(time.Minute)},
		{Name: "Tea\nBEGIN:VALARM", Start: made.Add(2 * time.Hour), Made: made.Add(400 * 24 * time.Hour)},
	} {
		e.UID, e.Address, e.Begun = "jTPd1CHjS1a8m3t7vVQxYw@porch", address, made.Add(-time.Hour)
		file, err := ical.ParseCalendar(bytes.NewReader(Calendar(e)))
		if err != nil {
			t.Fatal(err)
		}
		events := file.Events()
		if len(events) != 1 || len(file.Alarms()) != 0 || len(events[0].Alarms()) != 0 {
			t.Fatalf("%d events", len(events))
		}
		got := events[0]
		text := func(p ical.ComponentProperty) string {
			if property := got.GetProperty(p); property != nil {
				return property.Value
			}
			return ""
		}
		if method := file.CalendarProperties; !slices.ContainsFunc(method, func(p ical.CalendarProperty) bool {
			return p.IANAToken == string(ical.PropertyMethod) && p.Value == string(ical.MethodPublish)
		}) {
			t.Errorf("no METHOD:PUBLISH in %v", method)
		}
		start, err := got.GetStartAt()
		if err != nil || !start.Equal(e.Start) {
			t.Errorf("it starts at %v, %v", start, err)
		}
		if name := text(ical.ComponentPropertySummary); name != e.Name {
			t.Errorf("it is called %q, want %q", name, e.Name)
		}
		if where := text(ical.ComponentPropertyLocation); where != address {
			t.Errorf("it is at %q", where)
		}
		stamp, err := got.GetDtStampTime()
		if err != nil || !stamp.Equal(e.Made) || text(ical.ComponentPropertyLastModified) != text(ical.ComponentPropertyDtstamp) {
			t.Errorf("it was written at %v, %v", stamp, err)
		}
		if before != nil {
			was, _ := strconv.Atoi(before.GetProperty(ical.ComponentPropertySequence).Value)
			is, err := strconv.Atoi(text(ical.ComponentPropertySequence))
			if got.Id() != before.Id() || err != nil || is <= was {
				t.Errorf("%s, revision %d, does not replace %s, revision %d (%v)", got.Id(), is, before.Id(), was, err)
			}
		}
		before = got
	}
}

func TestFullHour(t *testing.T) {
	for _, c := range []struct{ zone, now, want string }{
		{"UTC", "2026-11-29T06:49:37Z", "2026-11-29T07:00:00Z"},
		{"UTC", "2026-11-29T07:00:00Z", "2026-11-29T08:00:00Z"},
		{"UTC", "2026-12-31T23:59:59.999999999Z", "2027-01-01T00:00:00Z"},
		{"Asia/Kolkata", "2026-11-29T12:19:00+05:30", "2026-11-29T13:00:00+05:30"},
		{"Asia/Kathmandu", "2026-11-29T12:46:00+05:45", "2026-11-29T13:00:00+05:45"},
		{"Australia/Eucla", "2026-11-29T12:46:00+08:45", "2026-11-29T13:00:00+08:45"},
		{"Asia/Yangon", "2026-11-29T12:31:00+06:30", "2026-11-29T13:00:00+06:30"},
		{"America/St_Johns", "2026-11-29T12:46:00-03:30", "2026-11-29T13:00:00-03:30"},
		{"Pacific/Chatham", "2026-11-29T12:59:59+13:45", "2026-11-29T13:00:00+13:45"},
		{"Pacific/Marquesas", "2026-11-29T23:30:00-09:30", "2026-11-30T00:00:00-09:30"},
		{"Europe/Berlin", "2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00"},       // there is no two o'clock
		{"Europe/Berlin", "2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+01:00"},       // two o'clock comes twice
		{"Australia/Lord_Howe", "2026-10-04T01:45:00+10:30", "2026-10-04T03:00:00+11:00"}, // there is no two, only half past
		{"Australia/Lord_Howe", "2026-04-05T01:15:00+11:00", "2026-04-05T02:00:00+10:30"}, // half past one comes twice
		{"Asia/Beirut", "2026-03-28T23:10:00+02:00", "2026-03-29T01:00:00+03:00"},         // there is no midnight
		{"Pacific/Apia", "2011-12-29T23:10:00-10:00", "2011-12-31T00:00:00+14:00"},        // there is no such day
		{"Africa/Monrovia", "1971-06-01T12:20:00-00:44", "1971-06-01T13:00:00-00:44"},     // the offset is -00:44:30
		{"America/Caracas", "2016-05-01T02:10:00-04:30", "2016-05-01T04:00:00-04:00"},     // half past two becomes three
	} {
		zone, err := time.LoadLocation(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		now, err := time.Parse(time.RFC3339Nano, c.now)
		if err != nil {
			t.Fatal(err)
		}
		got := FullHour(now.In(zone))
		if _, minute, second := got.Clock(); minute != 0 || second != 0 || !got.After(now) {
			t.Errorf("%s %s: %v", c.zone, c.now, got)
		}
		if text := got.Format(time.RFC3339); text != c.want {
			t.Errorf("%s %s: %s, want %s", c.zone, c.now, text, c.want)
		}
	}
}
