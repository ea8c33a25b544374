// Package contain keeps the panic of what serves one client from ending the
// process. It mends nothing: whoever uses it ends that client, and holds no
// lock across what may panic but by defer.
package contain

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
)

// Panics counts the panics of one part of the program. The zero value logs to
// slog.Default().
type Panics struct {
	Log  *slog.Logger
	Part string // names the part in the log: "turn"

	count atomic.Uint64
}

// Run calls f, and reports whether it returned. A panic of f ends f alone: it
// is counted and logged, without its value, which may hold what a client sent.
func (p *Panics) Run(f func()) (returned bool) {
	defer func() {
		if v := recover(); v != nil {
			p.note(v)
		}
	}()
	f()
	return true
}

// Count is how many panics there were. It may be called at any time.
func (p *Panics) Count() uint64 { return p.count.Load() }

func (p *Panics) note(v any) {
	p.count.Add(1)
	log := p.Log
	if log == nil {
		log = slog.Default()
	}
	log.Error(p.Part+": panic", "type", fmt.Sprintf("%T", v), "stack", string(debug.Stack()))
}
