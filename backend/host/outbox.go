package host

import (
	"io"
	"sync"

	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

// outbox seals what a guest is told and puts it on the guest's channel, in
// order. It is safe for concurrent use and never blocks. After Ended (but for
// seat-gone, which keeps the channel) it takes nothing more.
type outbox struct {
	frames switchboard.Frames

	mu      sync.Mutex // a leaf; also guards opening frames, since a Channel is for one at a time
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

// begin makes channel the one to seal with.
func (o *outbox) begin(channel *sealed.Channel) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.channel = channel
}
