package call

import (
	"time"

	"github.com/porch-call/porch/backend/signalling"
)

// How much of the chat is kept for participants who come back. A roster with
// all of it stays below signalling.MaxFrame.
const (
	maxLines     = 500
	maxChatBytes = 96 << 10 // bytes of names and text as JSON
	chatEvery    = 500 * time.Millisecond
	chatBurst    = 10
)

// chat is the written conversation of a call.
type chat struct {
	last  uint64
	lines []signalling.ChatLine
	size  int
}

// add appends a line and gives it its number.
func (c *chat) add(l signalling.ChatLine) signalling.ChatLine {
	c.last++
	l.ID = c.last
	c.lines = append(c.lines, l)
	c.size += lineSize(l)
	for len(c.lines) > maxLines || c.size > maxChatBytes && len(c.lines) > 1 {
		c.size -= lineSize(c.lines[0])
		c.lines = c.lines[1:]
	}
	return l
}

// again returns the line that was said with a token, if it is still kept.
func (c *chat) again(token string) (signalling.ChatLine, bool) {
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

// since returns a copy of the lines from number first on.
func (c *chat) since(first uint64) []signalling.ChatLine {
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
	for _, s := range []string{l.Name, l.Text} {
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
