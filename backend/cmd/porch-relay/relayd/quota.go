package relayd

import (
	"sync"
	"time"

	"github.com/porch-call/porch/backend/kit/household"
	"github.com/porch-call/porch/backend/relay/hosts"
)

// maxAccounts bounds the memory of each kind of account: about 10 MB.
const maxAccounts = 65536

// accounts add up what is relayed in a day (UTC) on this machine for each host,
// and for all open hosts of one address. They are in memory, so a restart begins
// the day anew.
type accounts struct {
	allowance  func(host string) int64
	perAddress int64
	now        func() time.Time

	mu        sync.Mutex // guards what follows
	day       int64
	invited   map[string]int64 // by host; separate from strangers, who could fill it
	strangers map[string]int64 // by host
	addresses map[string]int64 // of strangers' addresses, by household.Key and household.WideKey
}

func newAccounts(allowance func(host string) int64, perAddress int64) *accounts {
	return &accounts{
		allowance: allowance, perAddress: perAddress, now: time.Now,
		invited: make(map[string]int64), strangers: make(map[string]int64), addresses: make(map[string]int64),
	}
}

// take adds bytes to an owner's accounts, and reports whether more may follow. It
// fits turn.Options.Quota.
func (a *accounts) take(owner string, bytes int64) bool {
	host, address := hosts.SplitOwner(owner)
	most := a.allowance(host)
	a.mu.Lock()
	defer a.mu.Unlock()
	if day := a.now().Unix() / (24 * 60 * 60); day != a.day {
		a.day = day
		clear(a.invited)
		clear(a.strangers)
		clear(a.addresses)
	}
	if address == "" {
		return add(a.invited, host, bytes, most)
	}
	ok := add(a.strangers, host, bytes, most)
	ok = add(a.addresses, address, bytes, a.perAddress) && ok
	if wide, is := household.WideKey(address); is {
		ok = add(a.addresses, wide, bytes, household.WideFactor*a.perAddress) && ok
	}
	return ok
}

// add adds bytes and reports whether the account stays below most. An account
// that no longer fits gets nothing.
func add(to map[string]int64, key string, bytes, most int64) bool {
	used, known := to[key]
	if !known && len(to) >= maxAccounts {
		return false
	}
	if known || bytes > 0 {
		to[key] = used + bytes
	}
	return used+bytes < most
}
