package share

import (
	"context"
	"time"
)

// Copy puts text on the system's clipboard. Fault: ClipboardUnavailable.
func Copy(ctx context.Context, text string) error { panic("unwritten") }

// Mail opens the system's mail program with a new letter (RFC 6068). Fault:
// OpenerUnavailable.
func Mail(ctx context.Context, subject, body string) error { panic("unwritten") }

// Messages opens the system's message program with a new message (RFC 5724).
// Fault: OpenerUnavailable.
func Messages(ctx context.Context, body string) error { panic("unwritten") }

// QR returns text as a QR code: an SVG with a quiet zone, one module a unit,
// dark on white whatever the theme, as scanners need it.
func QR(text string) (svg string, err error) { panic("unwritten") }

// Event is a call in a calendar.
type Event struct {
	UID     string // the same for the same link, so that a second file replaces the first
	Name    string // "" is "Porch call"
	Address string // location and URL
	Start   time.Time
	Length  time.Duration // 0 is one hour
	Made    time.Time     // when the file is written
}

// Calendar returns e as an iCalendar file (RFC 5545), UTF-8 with CRLF.
func Calendar(e Event) []byte { panic("unwritten") }

// FileName returns name as a file name with ext (".ics") that every system
// takes: no separators, no reserved names, no leading dot or dash.
func FileName(name, ext string) string { panic("unwritten") }
