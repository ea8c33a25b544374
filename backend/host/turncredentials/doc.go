// Package turncredentials fetches the credentials for a public relay's TURN ahead
// of time, hands them out, renews them, and takes them back.
package turncredentials
