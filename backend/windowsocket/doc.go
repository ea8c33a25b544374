// Package windowsocket is the socket between the host's window and its backend: a WebSocket (RFC 6455) on 127.0.0.1,
// because Wails' own asset server can't carry one. During a call, the window uses the same messages as a guest in the
// sealed channel, in plain JSON. It receives the pictures of the native engine as binary frames.
//
// The package knows nothing of calls. The owner that grants a ticket handles the [Conn].
//
// # Entering
//
// The backend grants a ticket ([Server.Grant]) and hands it to the window over
// Wails. The window opens Ticket.URL with the subprotocol [Subprotocol] and
// sends, as its first message and within 5 seconds,
//
//	{"type":"enter","payload":{"token":"…"}}
//
// A token works once and for 30 seconds. It is never part of a URL. The origin of the page is checked before the
// token. A wrong token closes the socket with code 4403 and the reason "token-refused"; a wrong origin gets HTTP 403.
//
// # Text messages
//
// After that, the window sends what guests send (signalling.DecodeFromGuest) and receives what hosts send. Each
// message is one text message. Eleven types exist only here:
//
//	window → backend  {"type":"enter","payload":{"token":string}}
//	backend → window  {"type":"source","payload":{"index":n,"participant":id}}
//	backend → window  {"type":"devices","payload":{"level":percent,"faults":[code]}}
//	window → backend  {"type":"taken","payload":{"index":n,"frames":k}}
//	window → backend  {"type":"keyframeWanted","payload":{"participant":id}}
//	window → backend  {"type":"screensWanted","payload":{}}
//	window → backend  {"type":"shareScreen","payload":{"id":id}}
//	backend → window  {"type":"screens","payload":{"screens":[{"id":id,"name":string,"width":n,"height":n}],"fault":code}}
//	backend → window  {"type":"ownScreen","payload":{"open":bool,"fault":code}}
//	window → backend  {"type":"saveFile","payload":{"line":id}}
//	backend → window  {"type":"fileSaved","payload":{"line":id,"bytes":n,"name":string,"fault":code}}
//
// source names the participant whose pictures have index n in binary frames. It is sent before the first such frame.
// Indexes count up from 0 and are not used again on the same socket.
//
// taken is flow control. It is needed because the frames of a slow page queue up inside the browser, where the
// backend can't see them. k is how many binary frames with index n the window has handled since the socket opened
// (decoded and drawn, or thrown away). k counts up, and one message may cover several frames. The window sends it at
// least every [TakenEvery] frames of a source. When more than [MaxOutstanding] frames of a source are not taken, the
// backend drops frames up to the next keyframe.
//
// devices is the state of the native engine's devices: the microphone's level, and faults of devices that can't be
// used now. Each message is the whole state. It is sent when the state changes, at most ten times a second.
//
// keyframeWanted says that the window needs a keyframe to go on with a participant's picture, for example after an
// error of the decoder. The backend gets it as [KeyframeWanted].
//
// screensWanted asks for screens, which names what the native engine can share, or says why there is nothing. shareScreen
// makes it open one of them, or none (""), and is answered by ownScreen, which also comes when a screen has ended by itself.
// The call is told by sharing, as by guests.
//
// saveFile makes the app save the file of a chat line in the folder for downloads. fileSaved tells how much of it is
// there, a few times a second, and at last under which name, or why not. take with "on" false gives it up.
//
// # Binary messages
//
// A binary message whose first byte is 2 is, behind that byte, a frame of a file, both ways, as docs/protocol.md has it of
// the data channel of guests. Any other is backend to window only: one VP8 frame (RFC 6386) of one participant. All
// numbers are big-endian.
//
//	byte  0      version: 1
//	byte  1      flags: bit 0 set on a keyframe; the others are 0 and ignored
//	bytes 2–3    index of the participant (uint16), see source
//	bytes 4–11   presentation time in microseconds (uint64); the zero point is
//	             the source's own
//	bytes 12–    the VP8 frame, at least one byte
//
// The first frame of an index is a keyframe, and so is the first one after a dropped frame. So the frames that arrive
// can always be decoded in order.
package windowsocket
