package path

import (
	"context"
	"io"
)

// Tap is what Pion takes for the buffer of a stream. It gives every packet to a function at once, and there is nothing to
// read.
type Tap struct {
	take   func([]byte)
	closed context.Context
	close  context.CancelFunc
}

// NewTap returns a tap. take must not keep the packet.
func NewTap(take func([]byte)) *Tap {
	t := &Tap{take: take}
	t.closed, t.close = context.WithCancel(context.Background())
	return t
}

// Write implements [io.Writer].
func (t *Tap) Write(b []byte) (int, error) {
	t.take(b)
	return len(b), nil
}

// Read waits for Close. Pion would read the first packet of a stream to find out its codec, which the payload type tells us
// already.
func (t *Tap) Read([]byte) (int, error) {
	<-t.closed.Done()
	return 0, io.EOF
}

// Close implements [io.Closer].
func (t *Tap) Close() error {
	t.close()
	return nil
}
