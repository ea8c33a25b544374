package notify

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// The following functions write a note as each system takes it. A note contains text from a guest who has not been
// let in, so notes reach a system only through these functions.

// Desktop returns a note for Linux (Desktop Notifications Specification 1.2). The summary is plain text. The body is
// markup if the server has the capability "body-markup".
func Desktop(n Note, markup bool) (summary, body string) {
	summary, body = line(n.Title), lines(n.Body)
	if markup {
		body = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(body)
	}
	return summary, body
}

// Apple returns a note for macOS, where Wails copies both texts as C strings into an NSString. A NUL would cut them
// off, and invalid UTF-8 would become nil.
func Apple(n Note) (title, body string) {
	return line(n.Title), lines(n.Body)
}

// Toast returns a note for Windows: a document for Windows.Data.Xml.Dom.XmlDocument, schema "toast". launch returns
// the arguments that Windows hands back when an action or the note itself (ActionOpen) is pressed.
//
// The document is ASCII. Everything in texts and arguments except letters and digits is a character reference, so
// that no parser finds anything but text in them. It also makes the string as long in runes as in UTF-16. go-ole
// confuses the two, and would cut the document short for each emoji.
//
// A note with actions is a reminder: it stays until the host deals with it, because a guest waits. The schema
// requires that a reminder has an action with background activation, which means that no window needs to come forward
// for it. That is every action except the one that lets the guest in. The app gets both kinds in the same way.
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

// WailsLaunch returns the arguments of a toast in the form that Wails reads
// (internal/frontend/desktop/windows/notifications.go, parseNotificationResponse).
func WailsLaunch(noteID, action string) string {
	type options struct {
		ID string `json:"id"`
	}
	b, _ := json.Marshal(struct { // strings can always be marshalled
		Action  string  `json:"action"`
		Options options `json:"payload"`
	}{action, options{noteID}})
	return base64.StdEncoding.EncodeToString(b)
}

// references replaces all of s except ASCII letters and digits with XML character references.
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

// line returns s as one line that every system accepts; see [lines].
func line(s string) string { return strings.ReplaceAll(lines(s), "\n", " ") }

// lines returns s as valid UTF-8, without characters that XML 1.0, D-Bus or C strings can't hold: noncharacters and
// control characters, except line breaks. It also removes characters that change the direction of the text after
// them, except isolates, which the app itself puts around names.
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

// isolated returns a name for use in a sentence, so that it does not change the sentence's direction (UAX #9, first
// strong isolate).
func isolated(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, name)
	return string(firstStrongIsolate) + name + string(popIsolate)
}
