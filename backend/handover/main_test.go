package handover

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// address is as long as real addresses get, and contains the characters that break programs.
const address = "https://porch.example:7674/j/jTPd1CHjS1a8m3t7vVQxYw#q83vASNFZ4mrze8BI0VniQ"
