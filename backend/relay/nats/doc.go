// Package nats is a [relay.Switchboard] that is spread over machines: any
// guest at any node reaches any host at any node. Between the nodes is NATS,
// of which it needs core subjects and nothing else: nothing is stored there.
//
// # Who owns what
//
// The hosts of a node are in a [relay.Memory] of that node, with its limits and
// queues. A guest of the same node is connected within it and NATS is not asked.
// For a guest of another node, each of the two nodes has a leg: a channel
// within the node, whose far end the board holds and carries over the bus.
//
// # Subjects
//
//	PREFIX.v1.link.TOKEN   who asks for a link, or claims it; heard by its holder
//	PREFIX.v1.node.NODE.*  what is for one node: answers and frames, in order
//	PREFIX.v1.all          what is for all: heartbeats, notes, revocations
//
// TOKEN is a keyed hash of a link's id, NODE is random and new at each start.
//
// # Messages
//
// Each message is sealed under a key of its sender that is derived from the
// secret of the cluster (wire.go). So whoever else is on the bus can drop and
// delay, and can neither read nor make up anything. A message that is played
// again does nothing that dropping could not do: channels are numbered and
// never reused, frames are numbered, claims are compared.
//
// # What is lost
//
// NATS core delivers at most once. A gap in the numbers of a channel closes
// that channel, with [signalling.CloseHostGone]: the page comes back by itself.
// Once a second each node tells the others how much it has sent, so a loss at
// the end shows as well. A node that has not been heard for some seconds is
// gone, with all its channels.
//
// # Several NATS servers
//
// The servers of a NATS cluster tell each other who listens to what, which takes a
// moment. So a node whose host has come asks each other node to answer, on the
// same wires, before the host is told that it is reachable; and says its claim
// once more then, for who came to hold the same link at the same time. Package
// embedded runs such a server in each node.
//
// # Claims
//
// Each hold on an id has an epoch: the time, or one more than the epoch that it
// takes over. The greater epoch wins; of two that are equal, the greater NODE.
// A node says its claims again whenever it may not have been heard: when it is
// back on the bus, when a node has appeared, and when messages were lost. Whoever
// knows a greater claim answers with it. Times are those of the machines' clocks,
// and matter only between two sides of a partition that both got a host for
// one link.
package nats
