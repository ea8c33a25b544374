// Package windowsocket is the socket between the host's window and its backend: a
// WebSocket (RFC 6455) on 127.0.0.1, because Wails' own asset server can't
// carry one. In a call, the window speaks over it the very messages that a
// guest speaks through the sealed channel, in plain JSON, and gets the
// pictures of the native engine as binary frames.
//
// It knows nothing of calls: whoever grants the ticket handles the [Conn].
//
// # Entering
//
// The backend grants a ticket ([Server.Grant]) and hands it to the window over
// Wails. The window opens Ticket.URL with the subprotocol [Subprotocol] and
// sends, as its first message and within 5 seconds,
//
//	{"type":"enter","payload":{"token":"…"}}
//
// A token works once and for 30 seconds; it never stands in a URL. The origin
// of the page is checked before that. Refusals close the socket with code 4403
// and the reason "token-refused"; a wrong origin gets HTTP 403.
//
// # Text messages
//
// Then the window sends what guests send (signalling.DecodeFromGuest) and
// receives what hosts send, each one text message. Five types exist only here:
//
//	window → backend  {"type":"enter","payload":{"token":string}}
//	backend → window  {"type":"source","payload":{"index":n,"participant":id}}
//	backend → window  {"type":"devices","payload":{"level":percent,"faults":[code]}}
//	window → backend  {"type":"taken","payload":{"index":n,"frames":k}}
//	window → backend  {"type":"keyframeWanted","payload":{"participant":id}}
//
// source names the participant whose picture carries index n in binary frames;
// it comes before the first such frame. Indexes count up from 0 and are not
// used again on the same socket.
//
// taken is flow control, because a page that is slow has its frames queued
// inside the browser, where the backend can't see them. k is how many binary
// frames with index n the window has handled (given to the decoder and drawn,
// or thrown away) since the socket opened; it counts up, and one message may
// stand for several frames. The window sends it at least every
// [TakenEvery] frames of a source. With more than [MaxOutstanding] frames of
// a source not taken, the backend drops frames up to the next keyframe.
//
// devices says how the native engine's devices are: the microphone's level and
// what can't be used now. It is the whole state, sent when that changes, at most
// ten times a second.
//
// keyframeWanted says that the window can't go on with a participant's picture
// without a keyframe, as after a decoder's error. It reaches the backend as
// [KeyframeWanted].
//
// # Binary messages
//
// Each binary message, backend to window only, is one VP8 frame (RFC 6386) of
// one participant. All numbers are big-endian.
//
//	byte  0      version: 1
//	byte  1      flags: bit 0 set on a keyframe; the others are 0 and ignored
//	bytes 2–3    index of the participant (uint16), see source
//	bytes 4–11   presentation time in microseconds (uint64); the zero point is
//	             the source's own
//	bytes 12–    the VP8 frame, at least one byte
//
// The first frame of an index is a keyframe, and so is the first after any
// dropped frame: what arrives can always be decoded in order.
package windowsocket
