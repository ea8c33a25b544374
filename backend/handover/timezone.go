package handover

import (
	"fmt"
	"time"
	_ "time/tzdata" // for systems that have no time zones of their own, as Windows
)

// Zone returns the time zone of a name such as "Europe/Berlin". ok is false for a name that is unknown, or stands for no
// place.
func Zone(name string) (zone *time.Location, ok bool) {
	if name == "" || name == "Local" || len(name) > 64 {
		return nil, false
	}
	zone, err := time.LoadLocation(name)
	return zone, err == nil
}

// onset is a change of a zone's clocks.
type onset struct {
	at       time.Time
	from, to int // seconds east of UTC
	name     string
	summer   bool
}

// maxOnsets bounds how many changes are looked at: no zone has more than four a year.
const maxOnsets = 4 * ruleYears

// onsets returns the changes of a zone's clocks from one year to another, both included. Where a zone's file has a rule and
// no list, Go also sees a bound at the end of each year, where no clock changes, and on the last day of a leap year none
// that is later (go1.26, Time.ZoneBounds).
func onsets(zone *time.Location, from, to int) (all []onset) {
	at := time.Date(from, 1, 1, 0, 0, 0, 0, zone)
	for range 2 * maxOnsets {
		_, end := at.ZoneBounds()
		if end.IsZero() || len(all) == maxOnsets {
			break
		}
		if !end.After(at) {
			at = at.AddDate(0, 0, 1)
			continue
		}
		_, before := at.Zone()
		at = end.In(zone)
		name, after := at.Zone()
		if at.Year() > to {
			break
		}
		if before != after {
			all = append(all, onset{at: end, from: before, to: after, name: name, summer: at.IsDST()})
		}
	}
	return all
}

// local returns the time of the change on the clocks of before (RFC 5545 section 3.6.5).
func (o onset) local() time.Time { return o.at.UTC().Add(time.Duration(o.from) * time.Second) }

// rule returns the day of the change in each year, for example the last Sunday of March, if all years have it there.
func (o onset) rule(years []onset) (rule string, ok bool) {
	day := o.local()
	last := day.AddDate(0, 0, 7).Month() != day.Month()
	number := (day.Day()-1)/7 + 1
	for _, number := range []int{-1, number} {
		if number < 0 && !last {
			continue
		}
		found := 0
		for _, other := range years {
			d := other.local()
			if d.Month() != day.Month() || d.Weekday() != day.Weekday() || other.from != o.from || other.to != o.to || d.Format("150405") != day.Format("150405") {
				continue
			}
			if number < 0 && d.AddDate(0, 0, 7).Month() != d.Month() || number > 0 && (d.Day()-1)/7+1 == number {
				found++
			}
		}
		if found == ruleYears {
			weekday := [...]string{"SU", "MO", "TU", "WE", "TH", "FR", "SA"}[day.Weekday()]
			return fmt.Sprintf("RRULE:FREQ=YEARLY;BYMONTH=%d;BYDAY=%d%s", day.Month(), number, weekday), true
		}
	}
	return "", false
}

// ruleYears is for how many years a rule has to hold before it is believed.
const ruleYears = 8

// timezone returns the lines of a VTIMEZONE (RFC 5545 section 3.6.5) that is right from a year before at.
func timezone(zone *time.Location, at time.Time) []string {
	lines := []string{"BEGIN:VTIMEZONE", "TZID:" + zone.String()}
	from := at.In(zone).Year() - 1
	all := onsets(zone, from, from+ruleYears-1)
	if len(all) == 0 { // its clocks never change
		name, offset := at.In(zone).Zone()
		lines = append(lines, observance(onset{at: time.Unix(0, 0), from: offset, to: offset, name: name}, "")...)
	}
	var ruled []onset
	for _, o := range all {
		same := func(other onset) bool { return other.local().Month() == o.local().Month() && other.to == o.to }
		known := false
		for _, other := range ruled {
			known = known || same(other)
		}
		if known {
			continue
		}
		rule, ok := o.rule(all)
		if ok {
			ruled = append(ruled, o)
		}
		lines = append(lines, observance(o, rule)...)
	}
	return append(lines, "END:VTIMEZONE")
}

func observance(o onset, rule string) []string {
	kind := "STANDARD"
	if o.summer {
		kind = "DAYLIGHT"
	}
	lines := []string{
		"BEGIN:" + kind,
		"DTSTART:" + o.local().Format(localTime),
		"TZOFFSETFROM:" + offset(o.from),
		"TZOFFSETTO:" + offset(o.to),
		"TZNAME:" + calendarText(o.name),
	}
	if rule != "" {
		lines = append(lines, rule)
	}
	return append(lines, "END:"+kind)
}

// offset returns seconds east of UTC as a UTC-OFFSET (section 3.3.14).
func offset(seconds int) string {
	sign := '+'
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	return fmt.Sprintf("%c%02d%02d", sign, seconds/3600, seconds/60%60)
}
