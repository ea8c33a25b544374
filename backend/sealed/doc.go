// Package sealed holds a link's keys and the sealed channel between a guest and
// the host of that link. A relay passes the channel's frames, and can neither
// read nor make them.
//
// It is bytes in, bytes out: no sockets, no clocks, no messages. What a relay
// still learns, and what it can still do, is in docs/security.md. The wire
// format, byte by byte, is in docs/protocol.md.
package sealed
