// Package lobby is the queue of join requests of one link: who waits, in which
// order, and what became of them.
//
// One goroutine owns a lobby. A guest's side knocks, gets a [Ticket] and parks
// on it; the host's side admits, declines, asks to wait or blocks. Every ticket
// gets exactly one [Verdict], whatever happens: a decision, a time-out, a newer
// page of the same device, or the end of the lobby. Nothing is admitted by
// default: only [Lobby.Admit] and [Lobby.AdmitAll] make an [Admitted].
//
// Memory is bounded by [Options], however many devices knock however often.
//
// The package knows neither sockets nor the screen; it keeps nothing on disk.
package lobby
