// Package guest is a guest without a browser. It opens a link as browsers do (WebSocket to the relay, sealed channel,
// Pion) and knocks. Once it is let in, it publishes the tracks that it was given and passes on those that it
// receives.
//
//	g, err := guest.Join(ctx, link, guest.Options{Name: "Robot", Tracks: tracks})
//
// It depends on docs/protocol.md and on nothing else of the host's program. Tests, measurements and other tools use
// it in place of a browser.
package guest
