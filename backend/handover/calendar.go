package handover

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Event is a call in a calendar.
type Event struct {
	UID     string // the same for each file of one link, so that a second file replaces the first
	Name    string // "" for "Porch call"
	Address string // used as location and as URL
	Start   time.Time
	Length  time.Duration  // 0 for one hour
	Repeat  Repeat         // "" for once
	Zone    *time.Location // of a call that repeats, whose hour then follows the clocks of this place; nil for UTC
	Begun   time.Time      // when the link was made; never after Made
	Made    time.Time      // when the file is written
}

// Repeat is how often a call comes again.
type Repeat string

// The ways to repeat.
const (
	RepeatDaily    Repeat = "daily"
	RepeatWeekly   Repeat = "weekly"
	RepeatBiweekly Repeat = "biweekly"
	RepeatMonthly  Repeat = "monthly"
)

// rules are the recurrence rules (RFC 5545 section 3.3.10).
var rules = map[Repeat]string{
	RepeatDaily: "FREQ=DAILY", RepeatWeekly: "FREQ=WEEKLY", RepeatBiweekly: "FREQ=WEEKLY;INTERVAL=2", RepeatMonthly: "FREQ=MONTHLY",
}

// Valid reports whether r is a way to repeat, or "" for once.
func (r Repeat) Valid() bool { return r == "" || rules[r] != "" }

// revision returns the SEQUENCE of a file (RFC 5545 section 3.8.7.4). Calendars replace an earlier file with a later
// one if SEQUENCE has grown. Seconds since a fixed time grow across restarts of the app, without a counter on disk.
func (e Event) revision() int64 { return max(0, int64(e.Made.Sub(e.Begun)/time.Second)) }

// FullHour returns the next time after now at which clocks in now's location show a full hour. When clocks change,
// that may be more than an hour away.
func FullHour(now time.Time) time.Time {
	for {
		_, minute, second := now.Clock()
		past := time.Duration(minute)*time.Minute + time.Duration(second)*time.Second + time.Duration(now.Nanosecond())
		now = now.Add(time.Hour - past)
		if now.Minute() == 0 && now.Second() == 0 {
			return now
		}
	}
}

// Calendar returns e as an iCalendar file (RFC 5545), UTF-8 with CRLF.
func Calendar(e Event) []byte {
	if e.Name == "" {
		e.Name = unnamed
	}
	if e.Length <= 0 {
		e.Length = time.Hour
	}
	lines := []string{
		"BEGIN:VCALENDAR",
		"VERSION:2.0",
		"PRODID:-//Porch//Porch//EN",
		"METHOD:PUBLISH",
	}
	start, end := "DTSTART:"+calendarTime(e.Start), "DTEND:"+calendarTime(e.Start.Add(e.Length))
	rule := rules[e.Repeat]
	if rule != "" && e.Zone != nil {
		lines = append(lines, timezone(e.Zone, e.Start)...)
		id, local := ";TZID="+e.Zone.String()+":", e.Start.In(e.Zone)
		start, end = "DTSTART"+id+local.Format(localTime), "DTEND"+id+local.Add(e.Length).Format(localTime)
	}
	lines = append(lines,
		"BEGIN:VEVENT",
		"UID:"+calendarText(e.UID),
		"SEQUENCE:"+strconv.FormatInt(e.revision(), 10),
		"DTSTAMP:"+calendarTime(e.Made),
		"LAST-MODIFIED:"+calendarTime(e.Made),
		start,
		end,
	)
	if rule != "" {
		lines = append(lines, "RRULE:"+rule)
	}
	lines = append(lines,
		"SUMMARY:"+calendarText(e.Name),
		"LOCATION:"+calendarText(e.Address),
		"DESCRIPTION:"+calendarText(e.Address),
		"URL:"+calendarURI(e.Address),
		"END:VEVENT",
		"END:VCALENDAR",
	)
	var b strings.Builder
	for _, line := range lines {
		fold(&b, line)
	}
	return []byte(b.String())
}

// localTime is the form of a time on the clocks of a place (section 3.3.5, forms 1 and 3).
const localTime = "20060102T150405"

// calendarTime returns t in UTC (RFC 5545 section 3.3.5, form 2).
func calendarTime(t time.Time) string { return t.UTC().Format("20060102T150405Z") }

// calendarText returns s as a TEXT value (section 3.3.11).
func calendarText(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return strings.NewReplacer(`\`, `\\`, `;`, `\;`, `,`, `\,`, "\n", `\n`).Replace(s)
}

// calendarURI returns s as a URI value (section 3.3.13). URIs are not escaped, so it removes what could end the line.
func calendarURI(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f {
			return -1
		}
		return r
	}, s)
}

// fold writes a content line as lines of at most 75 octets (section 3.1), broken between characters.
func fold(b *strings.Builder, line string) {
	const most = 75
	room := most
	for _, r := range line {
		if n := utf8.RuneLen(r); n > room {
			b.WriteString("\r\n ")
			room = most - 1 - n
		} else {
			room -= n
		}
		b.WriteRune(r)
	}
	b.WriteString("\r\n")
}
