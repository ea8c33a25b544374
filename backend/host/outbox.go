package host

import (
	"io"
	"sync"

	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// outbox seals messages to a guest and puts them on the guest's channel, in
// order. It is safe for concurrent use and never blocks. After Ended it takes
// no more messages, except after seat-gone, which keeps the channel.
type outbox struct {
	frames switchboard.Frames

	mu      sync.Mutex // guards the channel in both directions; no other lock is taken under it
	channel *sealed.Channel
	over    bool
}

// Send implements call.Outbox.
func (o *outbox) Send(m signalling.Message) error {
	plain, err := signalling.Encode(m)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over || o.channel == nil {
		return io.ErrClosedPipe
	}
	if e, ok := m.(signalling.Ended); ok && e.Reason != signalling.EndSeatGone {
		o.over = true
	}
	frame, err := o.channel.Seal(plain)
	if err != nil {
		return err
	}
	return o.frames.Send(frame)
}

// open opens a frame of the guest.
func (o *outbox) open(frame []byte) ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.channel.Open(frame)
}

// binding returns what only this channel has; see [sealed.Channel.Binding].
func (o *outbox) binding() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.channel.Binding()
}

// begin sets the channel that seals messages from now on.
func (o *outbox) begin(channel *sealed.Channel) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.channel = channel
}
