// Package studio is the host's own engine in a call: it joins package call to
// package capture. What the call forwards is played, what the devices give goes
// to the call, and the window is sent the pictures.
package studio
