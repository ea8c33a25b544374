// Package links keeps the book of a host's links: it makes, names, lists,
// spends and removes them, and remembers who was let in.
//
// The states and the events that move a link between them are one pure table
// ([Next]). Every change is in the [Repository] before the Book shows it, so
// whatever a person saw survives any death of the app. A link's private key is
// destroyed when the link ends; its secret stays, so that those who hold the
// link can be told what became of it.
//
// The package opens no sockets and knows no calls: whoever runs the call says
// when somebody enters and when the last one has left.
package links
