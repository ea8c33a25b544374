// Package forward passes one sender's packets on to many receivers.
//
// A [Track] is what one participant sends of one kind. A [Slot] is one unbroken stream to one receiver, which carries
// one track at a time. [Inbound] is a connection's way in to the tracks of its participant, [Outbound] its way out with
// all its slots.
//
// The package knows no sockets and no peer connections, and starts no goroutines: packets are handled on the goroutine
// that has decrypted them. What waits for time is done by [Track.Tick], and by one timer for the first request of a gap.
package forward
