package call

import (
	"testing"

	"go.uber.org/goleak"
)

// childRole is what a process does that a test has started.
var childRole = func() {}

func TestMain(m *testing.M) {
	childRole()
	goleak.VerifyTestMain(m)
}
