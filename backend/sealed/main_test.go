package sealed

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newKeys returns a fresh key pair.
func newKeys(t testing.TB) LinkKeys {
	t.Helper()
	keys, err := NewLinkKeys()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}
