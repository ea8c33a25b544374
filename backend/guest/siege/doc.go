// Package siege holds no code but tests: programs that do, against a running
// porch-headless and porch-relay, whatever a stranger or an admitted guest could
// do to harm a call, beside an honest call of four.
package siege
