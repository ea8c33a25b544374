package awake

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
)

// take starts the system's caffeinate(8), which holds a power assertion (PreventUserIdleSystemSleep) until it or this
// process ends.
func take(context.Context) (func(), error) {
	// -i: no sleep when idle; -w: until this process ends
	caffeinate := exec.Command("/usr/bin/caffeinate", "-i", "-w", strconv.Itoa(os.Getpid()))
	if err := caffeinate.Start(); err != nil {
		return nil, fmt.Errorf("awake: %w", err)
	}
	return func() {
		_ = caffeinate.Process.Kill()
		_ = caffeinate.Wait() // an error, because it was killed
	}, nil
}
