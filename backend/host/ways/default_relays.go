package ways

// DefaultRelays are relays for everybody, by their addresses, the best first. The
// list is empty: docs/relay.md says what running one for strangers takes. An empty
// address in AddRelay and TestRelay stands for the first.
var DefaultRelays = []string{}

// pasted returns the address that an empty one stands for.
func pasted(address string) string {
	if address == "" && len(DefaultRelays) > 0 {
		return DefaultRelays[0]
	}
	return address
}
