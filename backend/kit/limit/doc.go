// Package limit bounds what one stranger, or one address, may use: so many a
// second (token buckets) and so many at once (counts).
//
// Single buckets are golang.org/x/time/rate's. [Buckets] has one of them for each
// key. [Hashed] has one for each address, in memory that forged addresses can't
// fill. Package household says which addresses count as one.
package limit
