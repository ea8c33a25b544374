package mediatest

import (
	"testing"
	"time"
)

// Patience is how long tests wait for what should take milliseconds.
const Patience = 60 * time.Second

// Eventually waits until ok.
func Eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	deadline := time.Now().Add(Patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			tb.Fatal("waited in vain for: " + what)
		}
		<-tick.C
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
