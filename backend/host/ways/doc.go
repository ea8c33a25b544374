// Package ways owns how guests reach the host's links: the relay inside the app,
// and public relays. It keeps the host's choice of reach, dials the relays,
// announces links at them, and says what a call needs to be reached from outside.
//
// Commands are methods of [Ways] whose first parameter is a context. They may be
// called from any goroutine. All other methods run on the host's loop, which owns
// the state here as well.
//
// It knows nothing of guests, seats or calls: package host accepts guests'
// channels and asks what they need.
package ways
