// Package nats is a [switchboard.Switchboard] that is spread over machines: any
// guest at any node reaches any host at any node. Between the nodes is NATS. It
// needs only core subjects, and stores nothing there.
//
// # Who owns what
//
// The hosts of a node are in a [switchboard.Memory] of that node, with its limits
// and queues. A guest of the same node is connected within it, without NATS. For a
// guest of another node, each of the two nodes has a leg: a channel within the
// node, whose far end the board holds and carries over the bus.
//
// # Subjects
//
//	PREFIX.v1.link.TOKEN   asks for a link, and claims of it; its holder listens
//	PREFIX.v1.node.NODE.*  messages for one node: answers and frames, in order
//	PREFIX.v1.all          messages for all: heartbeats, notes, revocations
//
// TOKEN is a keyed hash of a link's id. NODE is random and new at each start.
//
// # Messages
//
// Each message is sealed under a key of its sender that is derived from the
// secret of the cluster (wire.go). Others on the bus can drop and delay messages,
// and can neither read nor make them. A message that is played again does nothing
// that dropping could not do, because channels are numbered and never reused,
// frames are numbered, and claims are compared.
//
// # What is lost
//
// NATS core delivers at most once. A gap in the numbers of a channel closes that
// channel with [signalling.CloseHostGone], and the page comes back by itself. Once
// a second each node tells the others how much it has sent, so a loss at the end
// shows as well. A node that has not been heard for 3.5 s is gone, with all its
// channels.
//
// # Several NATS servers
//
// The servers of a NATS cluster need some time to tell each other what their
// clients listen to. Therefore a node whose host has come asks each other node to
// answer, on the same connections, before it tells the host that it is reachable.
// Then it repeats its claim, for a node that took the same link at the same time.
// Package embedded runs such a server in each node.
//
// # Claims
//
// Each hold on an id has an epoch: the time, or one more than the epoch that it
// takes over. The greater epoch wins; of two that are equal, the greater NODE.
// A node repeats its claims whenever they may not have been heard: when it is back
// on the bus, when a node has appeared, and when messages were lost. A node that
// knows a greater claim answers with it. Times are those of the machines' clocks.
// They matter only between two sides of a partition that both got a host for one
// link.
package nats
