package nats

import (
	"fmt"
	"testing"

	"github.com/porch-call/porch/backend/relay/nats/natstest"
	"github.com/porch-call/porch/backend/relay/switchboard"
	"github.com/porch-call/porch/backend/relay/switchboard/switchboardtest"
)

func TestConforms(t *testing.T) {
	s := natstest.Start(t)
	most := 3
	if testing.Short() {
		most = 2
	}
	run := func(name string, n int, open func(t *testing.T) []*Board) {
		t.Run(fmt.Sprint(n, " nodes, ", name), func(t *testing.T) {
			switchboardtest.RunNodes(t, func(t *testing.T) []switchboard.Switchboard {
				boards := make([]switchboard.Switchboard, n)
				for i, node := range open(t) {
					boards[i] = node
				}
				return boards
			})
		})
	}
	for n := 1; n <= most; n++ {
		run("one NATS server", n, func(t *testing.T) []*Board { return openNodes(t, s, n, nil) })
		run("a NATS server in each", n, func(t *testing.T) []*Board { return openOwn(t, n, nil) })
	}
}
