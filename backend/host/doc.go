// Package host owns all that the host's app does: its links, the guests at each
// of them, the calls, and what the host's window shows.
//
// Commands are methods of [Host], which return an answer. What the window shows
// goes out as one snapshot ([Host.Snapshot]) and then as changes
// ([Host.Watch]). One goroutine owns the state. Guests' channels, the lobby and
// the call run in their own goroutines, and exchange requests and replies with
// it.
//
// The package takes a guest from the first sealed frame to the last: secret,
// join request, admission, seat, call. A guest is let in only when the host
// says so, or a policy that the host chose. No time-out, race or restart admits
// a guest.
//
// It knows nothing of windows, Wails or notification daemons. Those are in
// app.go and package backend.
package host
