// Porch-relay is a public relay: it makes call links open from anywhere. It
// serves the guest page under a domain of its own, passes sealed frames between
// guests and the hosts that dial in, and relays media by TURN. Packages relay and
// relay/turn do that. Package relayd has the program's settings, its certificate,
// its metrics, and its life from start to drain.
//
// docs/relay.md is the operator's page; "porch-relay -help" is its short form.
package main

import (
	"os"
	"strings"

	"github.com/porch-call/porch/backend/cmd/porch-relay/relayd"
)

func main() {
	os.Exit(relayd.Run(os.Args[1:], environment(), os.Stdout, os.Stderr))
}

// environment returns the process's environment, by name.
func environment() map[string]string {
	out := map[string]string{}
	for _, e := range os.Environ() {
		if name, value, ok := strings.Cut(e, "="); ok {
			out[name] = value
		}
	}
	return out
}
