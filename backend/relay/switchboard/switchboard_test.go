package switchboard_test

import (
	"testing"

	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/relay/switchboard/switchboardtest"
)

func TestMemoryConforms(t *testing.T) {
	switchboardtest.RunNodes(t, func(*testing.T) []switchboard.Switchboard {
		return []switchboard.Switchboard{switchboard.NewMemory(switchboardtest.PerLink, switchboardtest.PerAddress)}
	})
}
