// Package media is the laboratory's table: calls on lines of many kinds, and what must be true of them. A [Scenario] is
// a value that says who is in the call, on what lines, and what is checked. A [Runner] plays it with a real host
// (porch-headless) and guests of package person, each in a namespace of its own.
package media
