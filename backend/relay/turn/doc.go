// Package turn is a STUN and TURN server (RFC 8489, RFC 8656). It relays media over
// UDP, TCP and TLS for peers that can't reach each other directly, and for which a
// host has credentials ([Server.Credentials]).
//
// # Pion decides, packets go past it
//
// Pion's TURN server answers requests and keeps allocations, permissions and
// channels; its events fill small tables here. This package owns every socket.
// Nearly all packets are channel data. They are forwarded from socket to socket by
// those tables, many datagrams with one system call. All other messages go to
// pion. What pion lets expire leaves the tables at once.
//
// # What is relayed, and where to
//
// UDP only, and only to peers on the public internet, to ports from 1024 up.
// Addresses of private networks, of this computer and of anything that could lead
// there are refused, unless Options.AllowPeers names them. The relay's own address
// leads to the relayed sockets of other clients and to nothing else; what goes
// there never leaves the process.
//
// # Ending
//
// Revoking credentials, using up a quota, closing the connection: each closes
// the relayed socket before it returns. When credentials expire, their holder gets
// no new allocations; those that exist go on.
//
// # What it keeps out of the logs
//
// No address, no user name and nothing that a stranger sent is logged. Pion's log
// is discarded. Refusals are counted ([Server.Stats]).
package turn
