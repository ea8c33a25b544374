//go:build race

package rate_test

// raced says that the race detector makes everything slow, and runs is how often a simulation is run.
const (
	raced = true
	runs  = 1
)
