// Package figures is what the host's window shows of a call's lines: who is reached how, how much crosses the network, and
// in which size. It holds numbers since the call began, so that whoever looks twice knows what has happened in between.
// The window makes sentences of them.
package figures

// Call is a call at one moment. The types in this file become TypeScript models of the window.
type Call struct {
	At int64 `json:"at"` // Unix ms
	// Sent and Received count all guests, also those who have left, in bytes with all headers.
	Sent     uint64   `json:"sent"`
	Received uint64   `json:"received"`
	People   []Person `json:"people"`
	Uplink   *Uplink  `json:"uplink,omitempty"` // nil if nothing is sent to the internet
}

// Uplink is what the line to the internet carries.
type Uplink struct {
	Rate   int `json:"rate"`   // bit/s, to two digits; 0 as long as it had room for everything
	Height int `json:"height"` // lines in which most people are shown by it; 0 if most pictures pause
	Paused int `json:"paused"` // pictures for which it has no room
}

// Ways to a person.
const (
	WayComputer = "computer" // on this computer
	WayNetwork  = "network"  // on the local network
	WayInternet = "internet"
	WayRelay    = "relay" // through a TURN server
)

// Person is a participant as the host reaches them.
type Person struct {
	ID        string `json:"id"`
	Way       string `json:"way"`       // one of the ways, "" if there is none yet
	RoundTrip int64  `json:"roundTrip"` // microseconds, 0 while it is unknown
	// Out is what leaves for them, and In what comes from them. The host themselves has only Out, which is what they
	// send to the call.
	Out Flow `json:"out"`
	In  Flow `json:"in"`
}

// Flow is what goes one way since the participant came.
type Flow struct {
	Bytes   uint64 `json:"bytes"`   // with all headers
	Packets uint64 `json:"packets"` // that should arrive, retransmissions not counted
	Lost    uint64 `json:"lost"`    // of them
	Height  int    `json:"height"`  // of the picture, in lines; 0 without one, and for what leaves for guests
	Frames  uint64 `json:"frames"`  // of that picture
}
