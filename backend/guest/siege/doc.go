// Package siege contains only tests. They attack a running porch-headless and porch-relay in all the ways in which a
// stranger or an admitted guest could harm a call, next to an honest call of four.
package siege
