package turn

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/pion/stun/v4"
)

// handling keeps pion from closing an allocation while it handles a message of
// the same client. Pion 5.1 puts a permission into its table before it has
// started the permission's timer, and would then stop a timer that is nil.
type handling struct {
	mu   sync.Mutex // held while pion handles a message; acquired before allocation.changing
	busy bool       // only pion's reader uses it
}

// done is called when pion's reader comes back for the next message.
func (h *handling) done() {
	if h.busy {
		h.busy = false
		h.mu.Unlock()
	}
}

// begin is called when pion's reader has a message.
func (h *handling) begin() {
	h.mu.Lock()
	h.busy = true
}

// letGo waits until pion may close an allocation that has ended, and holds up
// pion's reader until it has closed it.
func (a *allocation) letGo() {
	h := a.handling()
	if h == nil {
		return // its client left before it was there
	}
	h.mu.Lock()
	a.changing.Lock()
	defer a.changing.Unlock()
	if a.gone {
		h.mu.Unlock()
		return
	}
	a.holding = h
}

// isGone records that pion has closed the allocation.
func (a *allocation) isGone() {
	a.changing.Lock()
	defer a.changing.Unlock()
	a.gone = true
	if a.holding != nil {
		a.holding.mu.Unlock()
		a.holding = nil
	}
}

func (a *allocation) handling() *handling {
	if a.front != nil {
		return &a.front.handling
	}
	if c := a.client.Load(); c != nil {
		return &c.stream.handling
	}
	return nil
}

// answered reads from pion's answer how long an allocation lives from now on. The
// allocation ends here, a little earlier than pion would end it, because pion's
// own timer knows nothing of handling.
func (a *allocation) answered(b []byte) {
	if len(b) < stunHeader {
		return
	}
	switch binary.BigEndian.Uint16(b) {
	case stun.NewType(stun.MethodAllocate, stun.ClassSuccessResponse).Value(),
		stun.NewType(stun.MethodRefresh, stun.ClassSuccessResponse).Value():
	default:
		return
	}
	m := stun.Message{Raw: b}
	if m.Decode() != nil {
		return
	}
	v, err := m.Get(stun.AttrLifetime)
	if err != nil || len(v) != 4 {
		return
	}
	life := time.Duration(binary.BigEndian.Uint32(v)) * time.Second
	a.changing.Lock()
	defer a.changing.Unlock()
	if a.ended.Load() {
		return
	}
	if a.life == nil {
		a.life = time.AfterFunc(life, a.end)
	}
	a.life.Reset(life - min(time.Second, life/2))
}
