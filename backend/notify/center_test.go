package notify

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// system is an operating system that records what it is asked, and when.
type system struct {
	start   time.Time
	press   func(noteID, action string)
	failing error
	stuck   chan struct{} // if it is set, Show waits for it

	failures int // how often OnFailing was called

	mu    sync.Mutex
	lines []string
	shown map[string]Note
}

func newSystem() *system { return &system{start: time.Now(), shown: make(map[string]Note)} }

func (s *system) OnAction(pressed func(string, string)) { s.press = pressed }

func (s *system) Show(n Note) error {
	if s.stuck != nil {
		<-s.stuck
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var actions []string
	for _, a := range n.Actions {
		actions = append(actions, a.Label)
	}
	s.write("show %s: %s / %s %v", n.ID, n.Title, n.Body, actions)
	if s.failing == nil {
		s.shown[n.ID] = n
	}
	return s.failing
}

func (s *system) Withdraw(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write("withdraw %s", id)
	delete(s.shown, id)
	return s.failing
}

func (s *system) decided(d Decision) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write("decision %s %s", d.Action, d.Request)
}

func (s *system) write(format string, args ...any) {
	s.lines = append(s.lines, fmt.Sprintf("%v ", time.Since(s.start))+fmt.Sprintf(format, args...))
}

// wants compares the records since the last call.
func (s *system) wants(t *testing.T, lines ...string) {
	t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.lines, lines) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(s.lines, "\n\t"), strings.Join(lines, "\n\t"))
	}
	s.lines = nil
}

// timeline runs f in a synctest bubble with a center and its system.
func timeline(t *testing.T, f func(t *testing.T, c *Center, s *system)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newSystem()
		c := NewCenter(Options{Notifier: s, OnDecision: s.decided, OnFailing: func() { s.failures++ }})
		f(t, c, s)
		c.Close()
		<-c.done
	})
}

var (
	ann = Request{ID: "a", Name: "Ann", LinkName: "Birthday"}
	bob = Request{ID: "b", Name: "Bob"}
)

func crowd(from, to int) (requests []Request) {
	for i := from; i <= to; i++ {
		requests = append(requests, Request{ID: fmt.Sprint(i), Name: fmt.Sprint("Guest ", i)})
	}
	return requests
}

func TestComeAndGo(t *testing.T) {
	timeline(t, func(t *testing.T, c *Center, s *system) {
		s.wants(t)
		c.Update([]Request{ann})
		s.wants(t, "0s show a: Ann / Birthday [Let in Decline]")
		time.Sleep(time.Second)
		c.Update([]Request{ann}) // nothing new
		s.wants(t)
		c.Update([]Request{ann, bob})
		s.wants(t, "1s show b: Bob / Porch call [Let in Decline]")
		time.Sleep(time.Second)
		c.Update([]Request{bob}) // decided in the window, or left
		s.wants(t, "2s withdraw a")
		quiet := bob
		quiet.Quiet = true // asked to wait, or silenced
		c.Update([]Request{quiet})
		s.wants(t, "2s withdraw b")
		c.Update([]Request{bob}) // the silence is over
		s.wants(t, "2s show b: Bob / Porch call [Let in Decline]")
		c.Update(nil)
		s.wants(t, "2s withdraw b")
	})
}

func TestPresses(t *testing.T) {
	timeline(t, func(t *testing.T, c *Center, s *system) {
		c.Update([]Request{ann, bob})
		s.wants(t, "0s show a: Ann / Birthday [Let in Decline]", "0s show b: Bob / Porch call [Let in Decline]")
		s.press("a", ActionLetIn)
		s.wants(t, "0s decision let-in a", "0s withdraw a")
		s.press("a", ActionLetIn) // a second press
		s.press("a", ActionDecline)
		s.wants(t)
		c.Update([]Request{ann, bob}) // the lobby has not processed it yet
		s.press("a", ActionDecline)
		s.wants(t)
		c.Update([]Request{bob})
		s.press("a", ActionLetIn) // the request is gone
		s.press("of an earlier run", ActionLetIn)
		s.press("b", "snooze")
		s.press(SummaryID+"x", ActionDecline)
		s.wants(t)
		s.press("b", ActionOpen)
		s.press("a", ActionOpen) // opens the window and decides nothing
		s.press("b", ActionDecline)
		s.wants(t, "0s decision open b", "0s decision open ", "0s decision decline b", "0s withdraw b")
		again := ann
		again.ID = "a2"
		c.Update([]Request{again}) // the same guest, another request
		s.wants(t, "0s show a2: Ann / Birthday [Let in Decline]")
		s.press("a2", ActionLetIn)
		s.wants(t, "0s decision let-in a2", "0s withdraw a2")
	})
}

func TestPressesAtOnce(t *testing.T) {
	timeline(t, func(t *testing.T, c *Center, s *system) {
		c.Update(crowd(1, 3))
		synctest.Wait()
		s.lines = nil
		var wg sync.WaitGroup
		for i := range 30 {
			wg.Go(func() { s.press(fmt.Sprint(i%3+1), []string{ActionLetIn, ActionDecline}[i%2]) })
		}
		wg.Wait()
		synctest.Wait()
		decisions := slices.DeleteFunc(slices.Clone(s.lines), func(l string) bool { return !strings.Contains(l, "decision") })
		if len(decisions) != 3 {
			t.Errorf("%d decisions on three requests: %q", len(decisions), decisions)
		}
	})
}

func TestFloodIsOneNote(t *testing.T) {
	timeline(t, func(t *testing.T, c *Center, s *system) {
		c.Update(crowd(1, 50))
		s.wants(t,
			"0s show 1: Guest 1 / Porch call [Let in Decline]", "0s show 2: Guest 2 / Porch call [Let in Decline]",
			"0s show 3: Guest 3 / Porch call [Let in Decline]", "0s show 4: Guest 4 / Porch call [Let in Decline]",
			"0s show porch-summary: 50 people are waiting / Open Porch to see who. []")
		for _, action := range []string{ActionLetIn, ActionDecline, ActionOpen} {
			s.press(SummaryID, action) // it can't let in guests that it does not name
		}
		s.wants(t, "0s decision open ", "0s decision open ", "0s decision open ")

		time.Sleep(time.Second)
		c.Update(crowd(1, 60))
		s.wants(t)
		time.Sleep(time.Second)
		c.Update(crowd(1, 61))
		s.wants(t)
		time.Sleep(8 * time.Second)
		s.wants(t, "10s show porch-summary: 61 people are waiting / Open Porch to see who. []")

		time.Sleep(9 * time.Second)
		c.Update(crowd(5, 61)) // a smaller number is not shown again
		s.wants(t, "19s withdraw 1", "19s withdraw 2", "19s withdraw 3", "19s withdraw 4")
		time.Sleep(time.Second)
		c.Update(crowd(60, 62)) // quiet enough for a note of its own again
		s.wants(t, "20s show 62: Guest 62 / Porch call [Let in Decline]")
		c.Update(crowd(62, 62))
		s.wants(t, "20s withdraw porch-summary")
		c.Update(nil)
		s.wants(t, "20s withdraw 62")
	})
}

func TestFloodOfKnockAndRun(t *testing.T) {
	timeline(t, func(t *testing.T, c *Center, s *system) {
		for i := range 600 { // ten a second for a minute
			c.Update(crowd(i, i))
			time.Sleep(100 * time.Millisecond)
		}
		c.Update(nil)
		synctest.Wait()
		shown := len(slices.DeleteFunc(s.lines, func(l string) bool { return !strings.Contains(l, "show") }))
		if most := 3*burst + 6 + 1; shown > most {
			t.Errorf("%d notifications in a minute, want at most %d", shown, most)
		}
		if len(s.shown) > 0 {
			t.Errorf("left: %v", s.shown)
		}
	})
}

func TestSummaryOfOne(t *testing.T) {
	timeline(t, func(t *testing.T, c *Center, s *system) {
		for i := range burst {
			c.Update(crowd(i, i))
			synctest.Wait()
		}
		s.lines = nil
		c.Update(crowd(9, 9))
		s.wants(t, "0s withdraw 3", "0s show porch-summary: 1 person is waiting / Open Porch to see who. []")
	})
}

func TestSystemFails(t *testing.T) {
	timeline(t, func(t *testing.T, c *Center, s *system) {
		s.failing = errors.New("no notification daemon")
		c.Update([]Request{ann})
		s.wants(t, "0s show a: Ann / Birthday [Let in Decline]")
		c.Update([]Request{ann})
		time.Sleep(time.Hour)
		s.wants(t) // not tried again and again
		s.failing = nil
		c.Update([]Request{ann, bob})
		s.wants(t, "1h0m0s show b: Bob / Porch call [Let in Decline]")
		if s.failures != 1 {
			t.Errorf("said %d times", s.failures)
		}
	})
}

// macOS first asks the user, which can take minutes.
func TestSystemIsStuck(t *testing.T) {
	timeline(t, func(t *testing.T, c *Center, s *system) {
		s.stuck = make(chan struct{})
		c.Update(crowd(1, 1))
		synctest.Wait()
		for i := 2; i < 50; i++ {
			c.Update(crowd(i, i)) // Update does not wait for the system
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		close(s.stuck)
		s.wants(t,
			"1m0s show 1: Guest 1 / Porch call [Let in Decline]", "1m0s withdraw 1",
			"1m0s show 49: Guest 49 / Porch call [Let in Decline]") // only what is wanted by then
	})
}

func TestClose(t *testing.T) {
	timeline(t, func(t *testing.T, c *Center, s *system) {
		c.Update(crowd(1, 6))
		synctest.Wait()
		s.lines = nil
		c.Close()
		s.wants(t, "0s withdraw 1", "0s withdraw 2", "0s withdraw 3", "0s withdraw 4", "0s withdraw porch-summary")
		c.Close()
		c.Update(crowd(7, 7))
		s.press("7", ActionLetIn)
		s.press("1", ActionOpen)
		s.wants(t)
	})
	t.Run("stuck", func(t *testing.T) {
		timeline(t, func(t *testing.T, c *Center, s *system) {
			s.stuck = make(chan struct{})
			c.Update([]Request{ann})
			synctest.Wait()
			start := time.Now()
			c.Close()
			if d := time.Since(start); d != closePatience {
				t.Errorf("waited %v", d)
			}
			close(s.stuck)
			s.wants(t, "2s show a: Ann / Birthday [Let in Decline]", "2s withdraw a")
		})
	})
}

func TestTexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSystem()
		c := NewCenter(Options{Notifier: s, OnDecision: s.decided, Texts: func() Texts {
			return Texts{
				LetIn: "Einlassen", Decline: "Ablehnen", Unnamed: "Porch-Anruf", SummaryBody: "Öffne Porch.",
				SummaryTitle: func(n int) string { return fmt.Sprint(n, " warten") },
			}
		}})
		defer c.Close()
		c.Update(crowd(1, 5))
		s.wants(t,
			"0s show 1: Guest 1 / Porch-Anruf [Einlassen Ablehnen]", "0s show 2: Guest 2 / Porch-Anruf [Einlassen Ablehnen]",
			"0s show 3: Guest 3 / Porch-Anruf [Einlassen Ablehnen]", "0s show 4: Guest 4 / Porch-Anruf [Einlassen Ablehnen]",
			"0s show porch-summary: 5 warten / Öffne Porch. []")
		if a := s.shown["1"].Actions; len(a) != 2 || a[0].ID != ActionLetIn || a[1].ID != ActionDecline {
			t.Errorf("%+v", a)
		}
	})
}

// TestANameIsNotAPerson: a note says the same about a name as the card.
func TestANameIsNotAPerson(t *testing.T) {
	timeline(t, func(t *testing.T, c *Center, s *system) {
		c.Update([]Request{
			{ID: "1", Name: "Anna (2)", LinkName: "Birthday", NameInCall: true, NameKnown: true},
			{ID: "2", Name: "Bob", NameKnown: true},
			{ID: "3", Name: "\u0410nna", LooksLike: "Anna"},
		})
		s.wants(t,
			"0s show 1: Anna (2) / Birthday\nA name that is in the call already [Let in Decline]",
			"0s show 2: Bob / Porch call\nNew browser using a name you know [Let in Decline]",
			"0s show 3: \u0410nna / Porch call\nLooks like \u2068Anna\u2069 [Let in Decline]")
		c.Update(nil)
		synctest.Wait()
		s.lines = nil
	})
}

// Some systems remove a note after a while. It is shown again while its guest waits, and not after a decision.
func TestShownAgainUntilDecided(t *testing.T) {
	timeline(t, func(t *testing.T, c *Center, s *system) {
		c.Update([]Request{ann, bob})
		s.wants(t, "0s show a: Ann / Birthday [Let in Decline]", "0s show b: Bob / Porch call [Let in Decline]")
		time.Sleep(5 * time.Second)
		s.press("a", ActionExpired)
		s.press("b", ActionExpired)
		s.press("unknown", ActionExpired)
		s.wants(t)
		time.Sleep(5 * time.Second)
		c.Update([]Request{ann})
		s.wants(t) // the system has removed b already
		rung := ann
		rung.Rings++
		c.Update([]Request{rung})
		s.wants(t, "10s show a: Ann / Birthday [Let in Decline]")
		rung.Rings++
		c.Update([]Request{rung})
		s.wants(t) // it is shown
		s.press("a", ActionDismiss)
		s.wants(t, "10s decision dismiss a")
		rung.Rings++
		seen := rung
		seen.Seen = true
		c.Update([]Request{seen})
		s.wants(t)
		c.Update([]Request{rung})
		s.wants(t, "10s show a: Ann / Birthday [Let in Decline]")
		s.press("a", ActionLetIn)
		s.wants(t, "10s decision let-in a", "10s withdraw a")
		s.press("a", ActionExpired)
		time.Sleep(time.Minute)
		s.wants(t)
	})
}

func TestTheSummaryIsShownAgain(t *testing.T) {
	timeline(t, func(t *testing.T, c *Center, s *system) {
		c.Update(crowd(1, burst+2))
		synctest.Wait()
		s.mu.Lock()
		s.lines = nil
		s.mu.Unlock()
		s.press(SummaryID, ActionExpired)
		s.wants(t)
		time.Sleep(2 * summaryPause)
		s.wants(t)
		rung := crowd(1, burst+2)
		rung[burst].Rings++
		c.Update(rung)
		s.wants(t, "20s show porch-summary: 6 people are waiting / Open Porch to see who. []")
		c.Update(nil)
		s.mu.Lock()
		s.lines = nil
		s.mu.Unlock()
	})
}
