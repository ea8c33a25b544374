// Package links keeps the book of a host's links: it makes, names, lists, spends and removes them and their copies,
// and remembers which guests were let in.
//
// One pure table ([Next]) holds the states and the events that move a link between them. Every change is in the
// [Repository] before the Book shows it, so whatever the host saw survives any death of the app. A link's private key
// is destroyed when the link ends. Its secret stays, so that guests who hold the link can be told how it ended.
//
// The package opens no sockets and knows no calls. The owner of the call says when a participant enters and when the
// last one has left.
package links
