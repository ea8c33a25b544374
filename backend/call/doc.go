// Package call carries calls: who is in, their peer connections, and the
// forwarding of their media. It is an SFU, a selective forwarding unit.
//
// One goroutine owns a [Call]. Other goroutines send it a request and wait for
// the answer or for the end of the call. Packets do not pass that goroutine.
// The goroutine that decrypted a packet also caches it, rewrites it for each
// receiver and writes it. It finds the receivers in an immutable list, which is
// swapped when participants join or leave.
//
// Nothing is decoded or transcoded. Video is VP8 (RFC 7741), audio is Opus (RFC
// 7587). Sequence numbers, timestamps and VP8 picture ids are rewritten for
// each receiver, so that one slot of a receiver's description can carry one
// participant after another without a new negotiation.
//
// This package knows nothing of guests who are not admitted, because
// [Call.Join] is the admission. Every write of media checks that its receiver
// is admitted, and [Stats.UnadmittedMedia] counts the packets that were stopped
// there.
//
// The package knows nothing of links, lobbies, sealed channels or sockets. An
// [Outbox] takes the messages, in order.
package call
