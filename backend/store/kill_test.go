package store

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/links"
)

// killedDirVariable makes the test binary write into that folder until the test kills it.
const killedDirVariable = "PORCH_TEST_WRITE_UNTIL_KILLED"

// writeUntilKilled makes links and changes their states as fast as it can. It prints each change once it is
// committed.
func writeUntilKilled(dir string) {
	s, err := Open(dir)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	run := time.Now().UnixNano()
	for i := 0; ; i++ {
		l := links.LinkRecord{ID: fmt.Sprintf("%d-%d", run, i), State: "open", Keys: make([]byte, 32), Secret: make([]byte, 16), CreatedAt: time.Now()}
		say := func(err error) {
			if err != nil {
				fmt.Println("error", err)
				os.Exit(1)
			}
			fmt.Println(l.ID, l.State)
		}
		say(s.PutLink(l))
		l.State, l.UsedAt = "live", time.Now()
		say(s.PutLink(l))
		if err := s.PutVisitor(links.VisitorRecord{LinkID: l.ID, Device: "a", Name: "Ann", Times: i, FirstSeen: l.UsedAt, LastSeen: l.UsedAt}); err != nil {
			say(err)
		}
		if i%3 == 0 {
			l.State, l.Keys, l.EndedAt = "spent", nil, time.Now()
			say(s.PutLink(l))
		}
	}
}

// Killing the process at any time loses no change that was printed, and leaves no half-written one.
func TestKilledAtAnyMoment(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	dir := dataDir(t)
	rank := map[string]int{"open": 1, "live": 2, "spent": 3}
	said := make(map[string]int) // the last state of each link that was printed
	for round := range rounds {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), killedDirVariable+"="+dir)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		must(t, err)
		must(t, child.Start())
		lines := bufio.NewScanner(out)
		first := true
		for lines.Scan() {
			id, state, ok := strings.Cut(lines.Text(), " ")
			if !ok || rank[state] == 0 {
				t.Errorf("child: %s", lines.Text())
				break
			}
			if first { // kill it at any time from here on
				first = false
				time.AfterFunc(time.Duration(rand.Int64N(int64(120*time.Millisecond))), func() { _ = child.Process.Kill() })
			}
			said[id] = max(said[id], rank[state])
		}
		_ = child.Process.Kill()
		_ = child.Wait() // an error, because it was killed
		if t.Failed() || first {
			t.Fatalf("round %d: the child wrote nothing", round)
		}

		s, err := Open(dir)
		must(t, err)
		var verdict string
		must(t, s.db.QueryRow("PRAGMA integrity_check").Scan(&verdict))
		if verdict != "ok" {
			t.Fatalf("round %d: %s", round, verdict)
		}
		links, err := s.Links()
		must(t, err)
		kept := make(map[string]int)
		for _, l := range links {
			kept[l.ID] = rank[l.State]
			if (l.State == "spent") != (len(l.Keys) == 0) || len(l.Secret) != 16 {
				t.Errorf("round %d: half a link: %s %s", round, l.ID, l.State)
			}
		}
		for id, state := range said {
			if kept[id] < state {
				t.Errorf("round %d: link %s is in state %d, state %d was shown", round, id, kept[id], state)
			}
		}
		must(t, s.Close())
	}
	t.Logf("%d links said to be kept, killed %d times", len(said), rounds)
}
