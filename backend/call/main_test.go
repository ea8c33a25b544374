package call

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	costRoleIfChild()
	goleak.VerifyTestMain(m)
}
