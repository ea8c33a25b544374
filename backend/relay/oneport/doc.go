// Package oneport lets one TCP port speak TLS and plain HTTP, and TURN within
// TLS.
//
// A [Port] counts connections by address, reads the header of a proxy that it
// trusts, and looks at the first byte: TLS and HTTP have a listener each. A
// [TLSDemux] ends TLS and separates TURN from HTTP, by the protocol that was
// agreed on or by the first bytes.
package oneport
