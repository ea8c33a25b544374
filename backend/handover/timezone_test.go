package handover

import (
	"bytes"
	"strings"
	"testing"
	"time"

	ical "github.com/arran4/golang-ical"
)

func TestCallThatRepeats(t *testing.T) {
	for _, c := range []struct {
		zone     string
		start    time.Time // UTC
		wantTime string
		want     []string // lines of the time zone
		not      string
	}{
		{"Europe/Berlin", time.Date(2026, 12, 24, 17, 30, 0, 0, time.UTC), "20261224T183000", []string{
			"BEGIN:DAYLIGHT", "DTSTART:20250330T020000", "TZOFFSETFROM:+0100", "TZOFFSETTO:+0200", "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU",
			"BEGIN:STANDARD", "DTSTART:20251026T030000", "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU", "TZNAME:CET", "TZNAME:CEST",
		}, ""},
		{"America/New_York", time.Date(2026, 7, 1, 22, 0, 0, 0, time.UTC), "20260701T180000", []string{
			"RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU", "RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU", "TZOFFSETTO:-0400",
		}, ""},
		{"Asia/Tokyo", time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC), "20260701T090000", []string{
			"BEGIN:STANDARD", "TZOFFSETFROM:+0900", "TZOFFSETTO:+0900",
		}, "RRULE:FREQ=YEARLY"},
		{"Africa/Casablanca", time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC), "20260701T010000", []string{"TZOFFSETTO:+0000"}, "RRULE:FREQ=YEARLY"},
		{"Asia/Kolkata", time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC), "20260701T053000", []string{"TZOFFSETTO:+0530"}, "RRULE:FREQ=YEARLY"},
	} {
		zone, ok := Zone(c.zone)
		if !ok {
			t.Fatalf("no zone %s", c.zone)
		}
		got := Calendar(Event{UID: "x", Name: "Tea", Address: address, Start: c.start, Repeat: RepeatWeekly, Zone: zone})
		file, err := ical.ParseCalendar(bytes.NewReader(got))
		if err != nil {
			t.Fatalf("%s: %v", c.zone, err)
		}
		lines := strings.Split(string(got), "\r\n")
		has := func(line string) bool {
			for _, l := range lines {
				if l == line {
					return true
				}
			}
			return false
		}
		for _, line := range append(c.want, "TZID:"+c.zone, "DTSTART;TZID="+c.zone+":"+c.wantTime, "RRULE:FREQ=WEEKLY") {
			if !has(line) {
				t.Errorf("%s: no line %s in\n%s", c.zone, line, got)
			}
		}
		if c.not != "" && strings.Contains(string(got), c.not) {
			t.Errorf("%s: %s in\n%s", c.zone, c.not, got)
		}
		if events := file.Events(); len(events) != 1 {
			t.Errorf("%s: %d events", c.zone, len(events))
		} else if start, err := events[0].GetStartAt(); err != nil || !start.Equal(c.start) {
			t.Errorf("%s: it starts at %v, %v", c.zone, start, err)
		}
	}
	for repeat, want := range map[Repeat]string{
		RepeatDaily: "RRULE:FREQ=DAILY", RepeatBiweekly: "RRULE:FREQ=WEEKLY;INTERVAL=2", RepeatMonthly: "RRULE:FREQ=MONTHLY",
	} {
		if got := string(Calendar(Event{Repeat: repeat, Start: time.Unix(0, 0)})); !strings.Contains(got, "\r\n"+want+"\r\n") || !strings.Contains(got, "DTSTART:19700101T000000Z") {
			t.Errorf("%s: %s", repeat, got)
		}
	}
	if Repeat("hourly").Valid() || !Repeat("").Valid() || !RepeatWeekly.Valid() {
		t.Error("valid")
	}
	for _, name := range []string{"", "Local", "../../etc/passwd", "Nowhere/Land", strings.Repeat("x", 100)} {
		if _, ok := Zone(name); ok {
			t.Errorf("a zone %q", name)
		}
	}
}

// ruled returns a zone whose file has a rule and no list of changes, as those that come with Go have it for all years from
// 2007 (RFC 9636 section 3.3).
func ruled(t *testing.T, name, rule string) *time.Location {
	t.Helper()
	part := "TZif2" + strings.Repeat("\x00", 15) + strings.Repeat("\x00", 4*4) + "\x00\x00\x00\x01" + "\x00\x00\x00\x04" +
		"\xff\xff\xb9\xb0\x00\x00" + "EST\x00"
	zone, err := time.LoadLocationFromTZData(name, []byte(part+part+"\n"+rule+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// TestAZoneOfRules has years whose end Go takes for a change.
func TestAZoneOfRules(t *testing.T) {
	zone := ruled(t, "America/New_York", "EST5EDT,M3.2.0,M11.1.0")
	for year := 2024; year < 2032; year++ {
		got := strings.Join(timezone(zone, time.Date(year, 7, 1, 18, 0, 0, 0, zone)), "\n")
		if n := strings.Count(got, "BEGIN:"); n != 3 {
			t.Errorf("%d: %d parts, and not the zone and two rules:\n%s", year, n, got)
		}
		for _, line := range []string{"RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU", "RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU"} {
			if !strings.Contains(got, line) {
				t.Errorf("%d: no %s", year, line)
			}
		}
	}
}
