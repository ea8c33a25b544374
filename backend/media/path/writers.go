package path

import "github.com/pion/interceptor"

// Writers tells of the writers of a peer connection's streams. It is what Pion takes for an interceptor, and leaves the
// packets alone.
type Writers struct {
	interceptor.NoOp
	Bound func(ssrc uint32, w interceptor.RTPWriter)
}

// NewInterceptor implements [interceptor.Factory].
func (w Writers) NewInterceptor(string) (interceptor.Interceptor, error) { return &w, nil }

// BindLocalStream implements [interceptor.Interceptor].
func (w *Writers) BindLocalStream(info *interceptor.StreamInfo, out interceptor.RTPWriter) interceptor.RTPWriter {
	w.Bound(info.SSRC, out)
	return out
}
