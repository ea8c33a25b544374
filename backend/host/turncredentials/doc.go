// Package turncredentials fetches credentials for a public relay's TURN early,
// hands them out, renews them, and takes them back.
package turncredentials
