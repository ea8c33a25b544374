// Package chat keeps the written conversation of a call. It does no I/O and is not safe for concurrent use.
package chat

import (
	"time"

	"github.com/porch-call/porch/backend/signalling"
)

// How much of the chat is kept for participants who come back. A roster with
// all of it stays below signalling.MaxFrame.
const (
	maxLines = 500
	maxBytes = 96 << 10 // bytes of names and text as JSON
)

// How often one participant may say something.
const (
	Every = 500 * time.Millisecond
	Burst = 10
)

// Log is the written conversation of a call. The zero value is empty.
type Log struct {
	last  uint64
	lines []signalling.ChatLine
	size  int
}

// Last returns the number of the newest line, 0 before the first.
func (c *Log) Last() uint64 { return c.last }

// Add appends a line and gives it its number.
func (c *Log) Add(l signalling.ChatLine) signalling.ChatLine {
	c.last++
	l.ID = c.last
	c.lines = append(c.lines, l)
	c.size += lineSize(l)
	for len(c.lines) > maxLines || c.size > maxBytes && len(c.lines) > 1 {
		c.size -= lineSize(c.lines[0])
		c.lines = c.lines[1:]
	}
	return l
}

// Again returns the line that was said with a token, if it is still kept.
func (c *Log) Again(token string) (signalling.ChatLine, bool) {
	if token == "" {
		return signalling.ChatLine{}, false
	}
	for _, l := range c.lines {
		if l.Token == token {
			return l, true
		}
	}
	return signalling.ChatLine{}, false
}

// Over notes that the file of a line can't be had any more.
func (c *Log) Over(line uint64, why string) {
	for i, l := range c.lines {
		if l.ID == line && l.File != nil {
			f := *l.File // lines that were given out stay as they were
			f.Over = why
			c.lines[i].File = &f
		}
	}
}

// Since returns a copy of the lines from number first on.
func (c *Log) Since(first uint64) []signalling.ChatLine {
	lines := []signalling.ChatLine{}
	for _, l := range c.lines {
		if l.ID >= first {
			lines = append(lines, l)
		}
	}
	return lines
}

// lineSize is about the number of bytes that a line takes in JSON, or more.
func lineSize(l signalling.ChatLine) int {
	n := 128 + len(l.Participant) + len(l.Token)
	said := []string{l.Name, l.Text}
	if l.File != nil {
		n += 128
		said = append(said, l.File.Name)
	}
	for _, s := range said {
		for i := range len(s) {
			if b := s[i]; b < 0x20 || b == '"' || b == '\\' || b == '<' || b == '>' || b == '&' {
				n += 6
			} else {
				n++
			}
		}
	}
	return n
}
