package relay_test

import (
	"testing"

	"github.com/porch-call/porch/backend/relay"
	"github.com/porch-call/porch/backend/relay/switchboardtest"
)

func TestMemoryConforms(t *testing.T) {
	switchboardtest.Run(t, func(*testing.T) (guests, hosts relay.Switchboard) {
		m := relay.NewMemory(switchboardtest.PerLink, switchboardtest.PerAddress)
		return m, m
	})
}
