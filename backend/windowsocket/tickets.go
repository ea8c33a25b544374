package windowsocket

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"sync"
	"time"
)

// ticketLife is how long a ticket is valid.
const ticketLife = 30 * time.Second

// maxTickets is how many unused tickets are kept. A further one replaces the oldest. A window uses one.
const maxTickets = 16

// Ticket lets one window enter, once.
type Ticket struct {
	URL   string `json:"url"` // ws://127.0.0.1:PORT/window
	Token string `json:"token"`
}

// tickets are the tickets that were granted and not used yet.
type tickets struct {
	mu   sync.Mutex
	open []ticket // oldest first
}

type ticket struct {
	token  string
	claims any
	until  time.Time
}

// grant makes a ticket and returns its token: 32 random bytes in base64url.
func (t *tickets) grant(claims any, now time.Time) string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	token := base64.RawURLEncoding.EncodeToString(b[:])
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire(now)
	if len(t.open) == maxTickets {
		t.open = slices.Delete(t.open, 0, 1)
	}
	t.open = append(t.open, ticket{token: token, claims: claims, until: now.Add(ticketLife)})
	return token
}

// use removes a ticket. Its time depends on the number of tickets and not on their content.
func (t *tickets) use(token string, now time.Time) (claims any, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire(now)
	found := -1
	for i := range t.open {
		equal := subtle.ConstantTimeCompare([]byte(token), []byte(t.open[i].token))
		found = subtle.ConstantTimeSelect(equal, i, found)
	}
	if found < 0 {
		return nil, false
	}
	claims = t.open[found].claims
	t.open = slices.Delete(t.open, found, found+1)
	return claims, true
}

func (t *tickets) expire(now time.Time) {
	t.open = slices.DeleteFunc(t.open, func(k ticket) bool { return !now.Before(k.until) })
}
