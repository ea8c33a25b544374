// Package wire is a relay's end of a WebSocket (RFC 6455), a guest's or a host's:
// its deadlines, its small buffers, its pings and its close codes.
package wire
