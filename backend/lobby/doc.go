// Package lobby is the queue of join requests of one link: which guests wait, in which order, and how each request
// ended.
//
// One goroutine owns a lobby. A guest's side knocks, gets a [Ticket] and waits on it. The host's side admits,
// declines, asks to wait or blocks. Every ticket gets exactly one [Verdict]: a decision, a time-out, a newer page of
// the same device, or the end of the lobby. Nothing is admitted by default, because only [Lobby.Admit] and
// [Lobby.AdmitAll] make an [Admitted].
//
// [Options] bounds the memory, however many devices knock and however often.
//
// The package knows neither sockets nor the screen, and keeps nothing on disk.
package lobby
