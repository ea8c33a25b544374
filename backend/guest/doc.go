// Package guest is a guest without a browser: it opens a link over the public
// path (WebSocket at the relay, sealed channel, Pion), knocks, and once let in
// publishes the tracks that it was given and hands out those it receives.
//
//	g, err := guest.Join(ctx, link, guest.Options{Name: "Robot", Tracks: tracks})
//
// It needs nothing of the host's program but docs/protocol.md: tests, measuring
// and other tools use it as they would use a browser.
package guest
