// Package studio is the host's own engine in a call. It joins package call to
// package capture: it plays what the call forwards, sends the call what the
// devices give, and sends the window the pictures.
package studio
