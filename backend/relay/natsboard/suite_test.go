package natsboard

import (
	"strconv"
	"testing"

	"github.com/porch-call/porch/backend/relay"
	"github.com/porch-call/porch/backend/relay/natsboard/natstest"
	"github.com/porch-call/porch/backend/relay/switchboardtest"
)

func TestConforms(t *testing.T) {
	s := natstest.Start(t)
	most := 3
	if testing.Short() {
		most = 2
	}
	for n := range most {
		t.Run(strconv.Itoa(n+1)+" nodes", func(t *testing.T) {
			switchboardtest.RunNodes(t, func(t *testing.T) []relay.Switchboard {
				boards := make([]relay.Switchboard, n+1)
				for i, node := range openNodes(t, s, n+1, nil) {
					boards[i] = node
				}
				return boards
			})
		})
	}
}
