// Package notify decides which operating-system notifications are shown for
// join requests, and what pressing their buttons means.
//
// It knows no operating system: whoever owns the window hands in a [Notifier].
// [Center] keeps what is shown in step with what waits: one notification a
// request, withdrawn when the request is gone, a summary when many come at
// once. Late and repeated presses decide nothing.
package notify
