// Package notify decides which operating-system notifications are shown for
// join requests, and what pressing their buttons means.
//
// It knows no operating system: whoever owns the window hands in a [Notifier].
// [Center] keeps what is shown in step with what waits: one notification a
// request, withdrawn when the request is gone or decided elsewhere, and one
// summary for those that come too fast for that. Late and repeated presses
// decide nothing, and nobody can be let in who was not named on the
// notification that was pressed.
package notify
