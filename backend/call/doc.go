// Package call carries calls: who is in, their peer connections, and the
// forwarding of their media (an SFU, selective forwarding unit).
//
// A [Call] is owned by one goroutine. Whoever wants something of it sends a
// request and waits for the answer or for the end of the call. The packet path
// takes no part in that: a packet is read, cached, rewritten for each receiver
// and written on the goroutine that decrypted it, against an immutable list
// that is swapped when people come and go.
//
// Nothing is decoded or transcoded. Video is VP8 (RFC 7741), audio is Opus
// (RFC 7587). Per receiver, sequence numbers, timestamps and VP8 picture ids
// are rewritten, so that one slot of a receiver's description can carry one
// participant after another without a new negotiation.
//
// Before somebody is admitted this package knows nothing of them: admission is
// [Call.Join]. Every write of media asks whether its receiver is admitted, and
// [Stats.UnadmittedMedia] counts the packets that were stopped there.
//
// It knows nothing of links, lobbies, sealed channels or sockets: an [Outbox]
// takes the messages, in order.
package call
