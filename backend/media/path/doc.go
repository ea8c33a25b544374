// Package path carries packets to peers and from them: sockets that send and
// receive many datagrams at once, what STUN servers tell of them, addresses at TURN
// servers, and SRTP straight between a socket and the forwarder. It knows nothing
// of a call. Pion's agents choose the paths, and the caller decides what happens to
// media.
package path
