// Package turn is a STUN and TURN server (RFC 8489, RFC 8656): it relays media
// for those who can't reach each other directly, over UDP, TCP and TLS, for
// whom a host has got credentials ([Server.Credentials]).
//
// # Pion decides, packets go past it
//
// Pion's TURN server answers requests and keeps allocations, permissions and
// channels; its events fill small tables here. This package owns every socket.
// Channel data, which is nearly all there is, is forwarded from socket to socket by
// those tables, many datagrams with one system call; all other messages are
// handed to pion. What pion lets expire leaves the tables at once.
//
// # What is relayed, and where to
//
// UDP only, and only to peers on the public internet, to ports from 1024 up.
// Addresses of private networks, of this computer and of anything that could lead there
// are refused, unless Options.AllowPeers names them. The relay's own address
// leads to the relayed sockets of other clients and to nothing else; what goes
// there never leaves the process.
//
// # Ending
//
// Revoking credentials, using up a quota, closing the connection: each closes
// the relayed socket before it returns. Credentials that expire only keep
// their holder from new allocations.
//
// # What it keeps from the logs
//
// No address, no user name and nothing that a stranger sent. Pion's log is
// discarded. Refusals are counted ([Server.Stats]).
package turn
