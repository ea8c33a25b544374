// Package contain keeps a panic in the work for one client from ending the
// process. It repairs nothing: its user ends that client, and unlocks by defer
// whatever it locks around code that may panic.
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

// Run calls f and reports whether f returned. A panic of f ends f alone. It is
// counted, and logged without its value, which may hold what a client sent.
func (p *Panics) Run(f func()) (returned bool) {
	defer func() {
		if v := recover(); v != nil {
			p.note(v)
		}
	}()
	f()
	return true
}

// Count returns the number of panics. It may be called at any time.
func (p *Panics) Count() uint64 { return p.count.Load() }

func (p *Panics) note(v any) {
	p.count.Add(1)
	log := p.Log
	if log == nil {
		log = slog.Default()
	}
	log.Error(p.Part+": panic", "type", fmt.Sprintf("%T", v), "stack", string(debug.Stack()))
}
