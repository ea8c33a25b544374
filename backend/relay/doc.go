// Package relay is the part that guests reach: it serves the guest page, passes
// sealed frames between guests and the host of a link, and knows nothing else.
// The app embeds it (Open); a public relay is the same package.
//
// # One port
//
// One TCP port speaks TLS and plain HTTP; the first byte of a connection tells
// which (package oneport). TLS is HTTPS with a certificate that this relay made
// for itself. Plain HTTP is for peers on this computer, where it is a secure
// context (W3C Secure Contexts section 3.1); all others are redirected to HTTPS.
// The port is remembered, because links name it.
//
// # The socket
//
// A guest opens a WebSocket (RFC 6455) at [switchboard.SocketPath] with the
// subprotocol [signalling.Subprotocol] and sends one text message,
// [signalling.Open]. The relay answers with text, [signalling.Opened] or
// [signalling.Unavailable]. After Opened there are only binary frames, which pass
// unchanged in both directions. Close codes are those of signalling.CloseCode,
// with a fault code as the reason.
//
// Unknown, removed, spent and offline links get one answer: Unavailable, with a
// note of one size, 40 ms after the question.
//
// # Hosts that dial in
//
// Options.Hosts lets hosts of other machines open a connection at
// [switchboard.HostPath]: one WebSocket for all links of an app (package hosts).
// A connection announces links at the switchboard and brings their guests to the
// host, as Announce does for the host in this process. [hosts.Policy] says which
// hosts may, and how much one may use.
//
// # A public relay
//
// Options.Domain makes a relay public: HTTPS with a certificate of that domain,
// for requests that name it, and nothing of this computer's network.
//
// # The switchboard
//
// Between the sockets and the hosts is a [switchboard.Switchboard]. The one in
// memory serves one process, package nats has one for several machines.
//
// # What it keeps out of the logs
//
// It never logs a link id, a path, an address of a guest, or anything that a
// stranger sent.
package relay
