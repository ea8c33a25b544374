// Package hoststate is what the host's window shows: [State], the [Change]s from
// one revision of it to the next, and the [Watcher] that delivers them. It holds
// what package host publishes, and decides nothing.
package hoststate
