package store

import (
	"bufio"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/acquaintances"
	"github.com/porch-call/porch/backend/doormessages"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/sealed"
)

// killedDirVariable makes the test binary write into that folder until the test kills it.
const killedDirVariable = "PORCH_TEST_WRITE_UNTIL_KILLED"

// writeUntilKilled does with links what a host does with them, as fast as it can, and beside them with browsers and door
// messages. It prints each change once the book
// shows it: what has changed, of which link, and a word or a number that only grows.
func writeUntilKilled(dir string) {
	say := func(what string, id sealed.LinkID, value any, err error) {
		if err != nil {
			fmt.Println("error", what, err)
			os.Exit(1)
		}
		fmt.Println(what, id, value)
	}
	s, err := Open(dir)
	if err != nil {
		say("open", "", "", err)
	}
	b, err := links.Open(s, time.Now)
	if err != nil || b.Damaged() > 0 {
		say("read", "", "", fmt.Errorf("%d damaged, %w", b.Damaged(), err))
	}
	go meetUntilKilled(s, b, say)
	go leaveUntilKilled(dir, say)
	for i := 0; ; i++ {
		l, err := b.Create("")
		say("link", l.ID, "open", err)
		for n := 1; n <= 3; n++ {
			c, err := b.NewCopy(l.ID, fmt.Sprint("copy ", n), n == 3)
			say("copy", l.ID, c.ID, err)
			_, err = b.RecordBrowser(l.ID, c.ID, fmt.Sprint(n))
			say("browser", l.ID, c.ID, err)
			switch n {
			case 2:
				say("removed", l.ID, c.ID, b.RemoveCopy(l.ID, c.ID))
			case 3:
				say("used", l.ID, c.ID, b.UseCopy(l.ID, c.ID, "a"))
			}
			_, err = b.NewAddress(l.ID)
			say("address", l.ID, n, err)
			_, err = b.Rename(l.ID, strconv.Itoa(n))
			say("name", l.ID, n, err)
		}
		_, err = b.SetTimes(l.ID, links.Times{Ends: links.EndsNever})
		say("kept", l.ID, 1, err)
		_, err = b.Enter(l.ID)
		say("link", l.ID, "live", err)
		say("visitor", l.ID, 1, b.RecordVisitor(l.ID, "a", "Ann"))
		say("visitor", l.ID, 2, b.RecordVisitor(l.ID, "a", "Ann"))
		say("blocked", l.ID, 1, b.Block(l.ID, "c"))
		began := time.Now()
		visit, err := b.Come(l.ID, began, "Ann")
		say("came", l.ID, 1, err)
		say("gone", l.ID, 1, b.Go(l.ID, began, visit))
		say("call", l.ID, 1, b.EndCall(l.ID, began, 1, 2))
		if i%3 == 0 {
			say("erased", l.ID, 1, b.EraseHistory(l.ID))
			_, err = b.Remove(l.ID)
			say("link", l.ID, "removed", err)
		}
	}
}

// said is what a child has said to be kept, by link: for each kind of change the last word or number of it.
type said map[sealed.LinkID]map[string][]string

// Killing the process at any time loses no change that the book has shown, leaves no half of one, and the store opens.
func TestKilledAtAnyMoment(t *testing.T) {
	lanes, rounds := 4, 50
	if testing.Short() {
		lanes, rounds = 1, 3
	}
	var all sync.WaitGroup
	for range lanes {
		dir := dataDir(t)
		all.Go(func() {
			shown := make(said)
			for round := range rounds {
				if err := killOnce(dir, shown); err != nil {
					t.Errorf("round %d: %v", round, err)
					return
				}
			}
			t.Logf("%d links, browsers and messages said to be kept, killed %d times", len(shown), rounds)
		})
	}
	all.Wait()
}

// killOnce lets a child write and kills it, and compares what is kept with all that was shown so far.
func killOnce(dir string, shown said) error {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), killedDirVariable+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	first := true
	var failed error
	for failed == nil && lines.Scan() {
		words := strings.SplitN(lines.Text(), " ", 3)
		if len(words) != 3 || words[0] == "error" {
			failed = fmt.Errorf("child: %s", lines.Text())
			continue
		}
		if first { // kill it at any time from here on
			first = false
			time.AfterFunc(time.Duration(rand.Int64N(int64(120*time.Millisecond))), func() { _ = child.Process.Kill() })
		}
		id := sealed.LinkID(words[1])
		if shown[id] == nil {
			shown[id] = make(map[string][]string)
		}
		shown[id][words[0]] = append(shown[id][words[0]], words[2])
	}
	_ = child.Process.Kill()
	_ = child.Wait() // an error, because it was killed
	switch {
	case failed != nil:
		return failed
	case first:
		return fmt.Errorf("the child wrote nothing")
	}

	s, err := Open(dir)
	if err != nil {
		return err
	}
	defer s.Close()
	var verdict string
	if err := s.db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		return fmt.Errorf("%s, %w", verdict, err)
	}
	b, err := links.Open(s, time.Now)
	if err != nil || b.Damaged() > 0 {
		return fmt.Errorf("%d records are damaged, %w", b.Damaged(), err)
	}
	return compareAll(dir, s, b, shown)
}

// compareAll returns the first thing that was shown and is not kept.
func compareAll(dir string, s *Store, b *links.Book, shown said) error {
	known, err := acquaintances.Open(s, time.Now)
	if err != nil {
		return err
	}
	messages, err := doormessages.Open(filepath.Join(dir, "doormessages"), time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	for id, of := range shown {
		switch {
		case len(of["met"]) > 0:
			err = compareBrowser(known, string(id), of)
		case len(of["message"]) > 0 || len(of["deleting"]) > 0:
			err = compareMessage(messages, string(id), of)
		default:
			err = compare(b, id, of)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
	}
	return nil
}

// compare returns what of a link was shown and is not kept.
func compare(b *links.Book, id sealed.LinkID, of map[string][]string) error {
	l, err := b.Get(id)
	if err != nil {
		return err
	}
	rank := map[links.State]int{links.StateOpen: 1, links.StateLive: 2, links.StateRemoved: 3}
	if state := of["link"][len(of["link"])-1]; rank[l.State] < rank[links.State(state)] {
		return fmt.Errorf("is %s, was %s", l.State, state)
	}
	moved, browsers := 0, 0
	for _, c := range l.Copies {
		if c.End == links.CopyMoved {
			moved++
		}
		browsers += b.Browsers(id, c.ID)
	}
	calls := b.History(id)
	gone, ended := 0, 0
	for _, c := range calls {
		for _, v := range c.Visits {
			if !v.Gone.IsZero() {
				gone++
			}
		}
		if !c.Ended.IsZero() && c.Sent == 1 && c.Received == 2 {
			ended++
		}
	}
	visitors := 0
	for _, v := range b.Visitors(id) {
		visitors += v.Times
	}
	name, _ := strconv.Atoi(l.Name)
	kept := map[string]int{
		"name": name, "address": moved, "browser": browsers, "visitor": visitors, "came": len(calls), "gone": gone, "call": ended,
	}
	if b.Blocked(id, "c") {
		kept["blocked"] = 1
	}
	if l.Ends == links.EndsNever {
		kept["kept"] = 1
	}
	// A child that is killed while it erases has erased all or nothing.
	history := kept["browser"] + kept["visitor"] + kept["came"]
	if l.State == links.StateRemoved || len(of["call"]) > 0 && history == 0 {
		for _, what := range []string{"browser", "visitor", "came", "gone", "call"} {
			if kept[what] > 0 {
				return fmt.Errorf("%s is kept of a history that was erased", what)
			}
			delete(kept, what)
		}
	}
	for what, n := range kept {
		if n < len(of[what]) {
			return fmt.Errorf("%s: %d kept, %d shown", what, n, len(of[what]))
		}
	}
	for what, ok := range map[string]func(links.Copy) bool{
		"copy":    func(links.Copy) bool { return true },
		"removed": func(c links.Copy) bool { return c.End == links.CopyRemoved },
		"used":    func(c links.Copy) bool { return c.End == links.CopyUsed && c.Opens("a") && !c.Opens("b") },
	} {
		for _, copyID := range of[what] {
			if c, found := l.Copy(copyID); !found || !ok(c) {
				return fmt.Errorf("copy %s is not %s", copyID, what)
			}
		}
	}
	return nil
}
