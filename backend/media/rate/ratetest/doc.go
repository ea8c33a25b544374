// Package ratetest simulates lines for tests of media/rate: links with rate, queue, delay, jitter, loss and reordering,
// receivers that report what arrives as browsers do, senders that follow an estimate, and a TCP upload beside them. All
// of it is computed from a seed and needs no time.
package ratetest
