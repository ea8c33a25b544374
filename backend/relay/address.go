package relay

// Reach says from where an address can be opened.
type Reach string

// The reaches.
const (
	ReachComputer Reach = "computer" // this computer only
	ReachNetwork  Reach = "network"  // this network
	ReachAnywhere Reach = "anywhere" // a public relay
)

// Address is where guests find this relay.
type Address struct {
	Base  string `json:"base"` // scheme, host and port: "http://localhost:7674"
	Reach Reach  `json:"reach"`
}
