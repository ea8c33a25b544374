// Package notify decides which operating-system notifications are shown for join requests, and what pressing their
// buttons means.
//
// It knows no operating system: the owner of the window passes in a [Notifier]. [Center] keeps the notifications in
// step with the waiting requests. Each request gets one notification, which is withdrawn when the request is gone or
// decided elsewhere. Requests that come too fast for that share one summary. Late and repeated presses decide
// nothing. A press can only let in the guest whom the notification names.
package notify
