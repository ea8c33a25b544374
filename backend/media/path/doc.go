// Package path carries packets to peers and from them: sockets that send and receive
// many datagrams at once, what STUN servers say of them, addresses at TURN servers, and
// SRTP, straight from a socket and straight into it. It knows nobody of a call: Pion's
// agents choose the ways, and whoever makes them says what is to be done with media.
package path
