package host

import (
	"maps"

	"github.com/porch-call/porch/backend/lobby"
	"github.com/porch-call/porch/backend/signalling"
)

// Two guests may give the same name, or the host's. Names are shown in the call
// and at its door, and one name must mean one person. So a later guest's name
// gets a number.

// namesInCall returns the names shown in a link's call. The host's is always
// among them, even if the host is not in the call.
func (o *openLink) namesInCall() []string {
	names := []string{o.host.me.Name}
	for st := range o.seats {
		names = append(names, st.shown)
	}
	return names
}

// maxGone is how many names of requests that no longer wait are kept. A guest
// who is let in takes the seat only after the request has gone.
const maxGone = 64

// nameRequests gives new requests the names under which they are shown. A name
// then stays, because the host may be about to press a button that shows it.
func (o *openLink) nameRequests() {
	shown := make(map[string]string, len(o.queue.Requests))
	taken := o.namesInCall()
	for _, q := range o.queue.Requests {
		if name, ok := o.shown[q.ID]; ok {
			shown[q.ID] = name
			taken = append(taken, name)
		}
	}
	gone := len(o.shown) - len(shown)
	for _, q := range o.queue.Requests {
		if _, ok := shown[q.ID]; !ok {
			shown[q.ID] = signalling.Distinct(q.Name, taken)
			taken = append(taken, shown[q.ID])
		}
	}
	if o.shown == nil || gone > maxGone {
		o.shown = shown
		return
	}
	maps.Copy(o.shown, shown)
}

// nameSeat returns the name in the call for a guest who is let in. It is the
// name under which the request was shown, unless another participant has it by
// then.
func (o *openLink) nameSeat(requestID, name string) string {
	if shown, ok := o.shown[requestID]; ok {
		name = shown
	}
	return signalling.Distinct(name, o.namesInCall())
}

// resembles reports whether a participant gave the same name as a request. If
// none did, looksLike is the name for which it may be mistaken, or "".
func (o *openLink) resembles(q lobby.Request) (inCall bool, looksLike string) {
	shape := signalling.ShapeOf(q.Name)
	for st := range o.seats {
		switch {
		case st.shape.Same(shape):
			return true, ""
		case st.shape.Alike(shape) && (looksLike == "" || st.name < looksLike): // picks the same name each time
			looksLike = st.name
		}
	}
	host := o.host.shape
	switch {
	case host.Same(shape) && o.hostSeat != nil:
		return true, ""
	case host.Alike(shape):
		return false, o.host.me.Name
	case looksLike == "" && q.Known.TimesLetIn == 0 && !q.Known.NameKnown:
		looksLike = q.Known.LooksLike
	}
	return false, looksLike
}
