// Package door is the direct door: a guest's page that came from anywhere connects straight to this app over WebRTC,
// through the media port, without a relay, a STUN server or a certificate authority. The address of the link holds what
// the page needs; see docs/protocol.md section 14.
//
// A door answers nobody who does not hold a link with a door: a datagram counts only if it is a connectivity check that
// names the link and is signed with a password made from the link's secret. Before that is proved, nothing is allocated
// and nothing is sent. What a proved guest gets is a channel of frames, as from a relay; whatever is said on it is
// sealed, and the package does not see it.
package door
