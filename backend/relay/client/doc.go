// Package client is the app's end of a public relay: one outgoing WebSocket that
// carries all links which live there (section 13 of docs/protocol.md).
//
// A [Client] keeps this host connection open for as long as it lives: it
// reconnects, and announces every link anew. The host uses it like the embedded
// relay: guests arrive as [switchboard.Frames].
//
// The relay is a stranger. What it sends is checked for size, form and meaning.
// Channels, their queues and the work that it can cause are bounded. Nothing that
// it says lets a guest in, because only the host can open frames.
package client
