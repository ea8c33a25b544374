// Package host is the one owner of what the host's app is doing: its links, the
// guests at each of them, the calls, and what the host's window shows.
//
// Commands come in as methods of [Host] and are answered; what the window
// shows goes out as one snapshot ([Host.Snapshot]) and then changes
// ([Host.Watch]). One goroutine owns the state; guests' channels, the lobby and
// the call run in goroutines of their own and talk to it by request and reply.
//
// The package carries a guest from the first sealed frame to the last: secret,
// join request, admission, seat, call. It decides who is let in only when the
// host (or a policy that the host chose) says so: no time-out, race or restart
// admits anybody.
//
// It knows nothing of windows, Wails or notification daemons; see app.go and
// package backend for those.
package host
