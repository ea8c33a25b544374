package oneport

// protocol is what a connection speaks, by its first byte.
type protocol int

const (
	unknownProtocol protocol = iota
	plainHTTP
	tlsHandshake
)

// sniff tells a connection's protocol by its first byte: a TLS record of type
// handshake (RFC 8446 section 5.1), or a capital letter, with which every HTTP
// method of a browser begins (RFC 9110 section 9).
func sniff(first byte) protocol {
	switch {
	case first == 22:
		return tlsHandshake
	case first >= 'A' && first <= 'Z':
		return plainHTTP
	}
	return unknownProtocol
}
