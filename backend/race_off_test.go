//go:build !race

package backend_test

const race = false
