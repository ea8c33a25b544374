// Package forward passes one sender's packets on to many receivers.
//
// A [Track] is one thing that a participant sends, such as sound or a camera's picture. A [Slot] is one unbroken
// stream to one receiver, and carries one track at a time. [Inbound] brings a connection's packets to its
// participant's tracks. [Outbound] holds all slots of one receiver.
//
// The package knows no sockets and no peer connections, and starts no goroutines of its own: packets are handled on
// the goroutine that decrypted them. [Track.Tick] and [Inbound.MendGaps] do what depends on time, when the owner of the
// connection calls them.
package forward
