package desktop

import (
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"github.com/porch-call/porch/backend/atlogin"
)

// afterVariable names the process that has to end before this one begins: they would not share the data folder.
const afterVariable = "PORCH_AFTER"

// startAgain starts this program once more, to begin when this one has ended.
func startAgain() error {
	path, err := atlogin.Program()
	if err != nil {
		return err
	}
	again := exec.Command(path, os.Args[1:]...) //nolint:gosec // this program
	again.Env = append(os.Environ(), afterVariable+"="+strconv.Itoa(os.Getpid()))
	again.Stdout, again.Stderr = os.Stdout, os.Stderr
	return again.Start()
}

// patience is how long a predecessor may take to end.
const patience = 15 * time.Second

// AwaitPredecessor waits until the process has ended that started this one in its own place.
func AwaitPredecessor() {
	pid, err := strconv.Atoi(os.Getenv(afterVariable))
	_ = os.Unsetenv(afterVariable)
	if err != nil {
		return
	}
	for begun := time.Now(); time.Since(begun) < patience && runs(pid); {
		time.Sleep(20 * time.Millisecond) // the system tells nobody but a parent that a process has ended
	}
}

// Background reports whether the system starts the app at login, so that its window stays out of the way.
func Background(args []string) bool { return slices.Contains(args, atlogin.Background) }
