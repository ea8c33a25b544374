//go:build !race

package door

const race = false
