package ownname

import (
	"strings"
	"testing"

	"github.com/porch-call/porch/backend/signalling"
)

// TestSystemNamesCanBeTold takes what systems call people and sees that guests
// can be told it.
func TestSystemNamesCanBeTold(t *testing.T) {
	long := strings.Repeat("é", signalling.MaxName+1)
	for _, c := range []struct{ full, login, want string }{
		{"Mara Lind", "mara", "Mara Lind"},
		{"", "mara", "mara"},
		{"root", "root", "Host"},
		{"\u202e \u200b", "", "Host"},
		{long, "mara", strings.Repeat("é", signalling.MaxName)},
	} {
		got := sayable(c.full, c.login)
		if got != c.want {
			t.Errorf("%q, %q: %q, want %q", c.full, c.login, got, c.want)
		}
		if _, err := signalling.Encode(signalling.Welcome{Version: signalling.ProtocolVersion, HostName: got}); err != nil {
			t.Errorf("%q: %v", got, err)
		}
	}
}
