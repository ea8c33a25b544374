package notify

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// What follows writes a note as each system takes it. A note holds the text of
// somebody who has not been let in: no other way leads from a note to a system.

// Desktop returns a note for Linux (Desktop Notifications Specification 1.2):
// the summary is plain text, the body is markup where the server reads markup
// (the capability "body-markup").
func Desktop(n Note, markup bool) (summary, body string) {
	summary, body = line(n.Title), lines(n.Body)
	if markup {
		body = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(body)
	}
	return summary, body
}

// Apple returns a note for macOS, where Wails copies both texts as C strings
// into an NSString: a NUL would cut them, and what is not UTF-8 would be nil.
func Apple(n Note) (title, body string) {
	return line(n.Title), lines(n.Body)
}

// Toast returns a note for Windows: a document for
// Windows.Data.Xml.Dom.XmlDocument, schema "toast". launch gives the arguments
// that Windows hands back when an action, or the note itself (ActionOpen), is
// pressed.
//
// The document is ASCII, and everything in texts and arguments but letters and
// digits is a character reference. So no parser finds anything but text in them,
// and the length of the string is the same in runes and in UTF-16: go-ole takes
// one for the other, and would cut the document short for each emoji.
//
// A note with actions is a reminder: it stays until somebody deals with it, because
// somebody waits. By its schema Windows takes no reminder without an action that is
// activated in the background, which means that no window need come for it: that is
// every action but the one that lets in. The app hears of both alike.
func Toast(n Note, launch func(action string) string) string {
	var b strings.Builder
	scenario := ""
	if len(n.Actions) > 0 {
		scenario = ` scenario="reminder"`
	}
	fmt.Fprintf(&b, `<toast activationType="foreground" launch="%s" duration="long"%s><visual><binding template="ToastGeneric">`,
		references(launch(ActionOpen)), scenario)
	fmt.Fprintf(&b, `<text hint-maxLines="1">%s</text>`, references(line(n.Title)))
	fmt.Fprintf(&b, `<text>%s</text>`, references(lines(n.Body)))
	b.WriteString(`</binding></visual><audio src="ms-winsoundevent:Notification.Default" loop="false"/>`)
	if len(n.Actions) > 0 {
		b.WriteString(`<actions>`)
		for _, a := range n.Actions {
			activation := "background"
			if a.ID == ActionLetIn {
				activation = "foreground"
			}
			fmt.Fprintf(&b, `<action activationType="%s" content="%s" arguments="%s"/>`,
				activation, references(line(a.Label)), references(launch(a.ID)))
		}
		b.WriteString(`</actions>`)
	}
	b.WriteString(`</toast>`)
	return b.String()
}

// WailsLaunch returns the arguments of a toast as Wails reads them back
// (internal/frontend/desktop/windows/notifications.go, parseNotificationResponse).
func WailsLaunch(noteID, action string) string {
	type options struct {
		ID string `json:"id"`
	}
	b, _ := json.Marshal(struct { // strings always marshal
		Action  string  `json:"action"`
		Options options `json:"payload"`
	}{action, options{noteID}})
	return base64.StdEncoding.EncodeToString(b)
}

// references writes all of s but ASCII letters and digits as character
// references of XML.
func references(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "&#%d;", r)
		}
	}
	return b.String()
}

// line returns s as one line of what every system takes, see [lines].
func line(s string) string { return strings.ReplaceAll(lines(s), "\n", " ") }

// lines returns s as valid UTF-8 without what is no character of XML 1.0, of
// D-Bus or of a C string: noncharacters and control characters, but for line
// breaks. Nor does it leave anything that turns the direction of what comes
// after, but for isolates, which the app puts around names by itself.
func lines(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == firstStrongIsolate || r == popIsolate:
			return r
		case r == '\t' || r == '\r' || r == '\u2028' || r == '\u2029' || r == '\u0085':
			return ' '
		case unicode.In(r, unicode.Cc, unicode.Cs, unicode.Noncharacter_Code_Point, unicode.Bidi_Control):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

const (
	firstStrongIsolate = '\u2068'
	popIsolate         = '\u2069'
)

// isolated returns a name for a sentence, whose direction it doesn't change
// (UAX #9, first strong isolate).
func isolated(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, name)
	return string(firstStrongIsolate) + name + string(popIsolate)
}
