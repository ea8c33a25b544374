package relay_test

import (
	"testing"

	"github.com/porch-call/porch/backend/relay"
	"github.com/porch-call/porch/backend/relay/switchboardtest"
)

func TestMemoryConforms(t *testing.T) {
	switchboardtest.RunNodes(t, func(*testing.T) []relay.Switchboard {
		return []relay.Switchboard{relay.NewMemory(switchboardtest.PerLink, switchboardtest.PerAddress)}
	})
}
