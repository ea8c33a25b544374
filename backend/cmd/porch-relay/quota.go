package main

import (
	"sync"
	"time"
)

// maxAccounts bounds the memory of accounts: about 10 MB.
const maxAccounts = 65536

// accounts add up what is relayed for each host on this machine in a day (UTC).
// They are in memory: a restart begins the day anew.
type accounts struct {
	allowance func(owner string) int64
	now       func() time.Time

	mu   sync.Mutex
	day  int64
	used map[string]int64
}

func newAccounts(allowance func(owner string) int64) *accounts {
	return &accounts{allowance: allowance, now: time.Now, used: make(map[string]int64)}
}

// take adds bytes to an owner's account, and reports whether more may follow.
// It fits turn.Options.Quota.
func (a *accounts) take(owner string, bytes int64) bool {
	most := a.allowance(owner)
	a.mu.Lock()
	defer a.mu.Unlock()
	if day := a.now().Unix() / (24 * 60 * 60); day != a.day {
		a.day = day
		clear(a.used)
	}
	used, known := a.used[owner]
	if !known && len(a.used) >= maxAccounts {
		return true // more hosts than fit: their share of all is small
	}
	if known || bytes > 0 {
		a.used[owner] = used + bytes
	}
	return used+bytes < most
}
