package host

import (
	"maps"

	"github.com/porch-call/porch/backend/lobby"
	"github.com/porch-call/porch/backend/signalling"
)

// Two guests may give one name, or the host's. Where names are shown, in the
// call and at its door, each is read as one person's: a later one has a number.

// namesInCall are the names shown in a link's call. The host's is among them
// although the host may be outside.
func (o *openLink) namesInCall() []string {
	names := []string{o.host.me.Name}
	for st := range o.seats {
		names = append(names, st.shown)
	}
	return names
}

// maxGone is how many names of requests that wait no longer are kept: a guest
// who is let in takes up the seat a moment after the request has gone.
const maxGone = 64

// nameRequests gives new requests the names under which they are shown. A name
// stays: the host may be about to press a button that has it.
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

// nameSeat returns the name in the call for a guest who is let in: the one under
// which the request was shown, unless somebody in the call has got it meanwhile.
func (o *openLink) nameSeat(requestID, name string) string {
	if shown, ok := o.shown[requestID]; ok {
		name = shown
	}
	return signalling.Distinct(name, o.namesInCall())
}

// resembles tells whether somebody in the call gave a request's name, and
// otherwise whose name it may be taken for, "" for nobody's.
func (o *openLink) resembles(q lobby.Request) (inCall bool, looksLike string) {
	shape := signalling.ShapeOf(q.Name)
	for st := range o.seats {
		switch other := signalling.ShapeOf(st.name); {
		case other.Same(shape):
			return true, ""
		case other.Alike(shape) && (looksLike == "" || st.name < looksLike): // the same one each time
			looksLike = st.name
		}
	}
	host := signalling.ShapeOf(o.host.me.Name)
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
