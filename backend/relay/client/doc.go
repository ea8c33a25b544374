// Package client is the app's end of a public relay: one WebSocket, dialled
// out, that carries all links which live there (section 13 of
// docs/protocol.md).
//
// A [Client] keeps the line open for as long as it lives: it reconnects, and
// announces every link anew. Towards the host it is what the embedded relay
// is: guests arrive as [relay.Frames].
//
// The relay is a stranger. What it sends is checked for size, form and
// meaning; channels, their queues and the work that it can cause are bounded;
// and nothing that it says lets anybody in: frames are opened by the host.
package client
