// Package acquaintances knows the browsers that the host has let in before, and what the host has decided about guests
// for good: who is always let in, which doors are locked, and who was declined.
//
// A browser is known by a key that it keeps for this host and proves with each knock, never by a name. What is said of
// a name is a hint for the host. Nothing here lets a guest in but a decision of the host, which [Book.Always] records and
// [Book.Stop] takes back.
package acquaintances
