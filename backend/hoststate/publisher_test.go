package hoststate

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/porch-call/porch/backend/fault"
)

func TestChangesLeadFromOneRevisionToTheNext(t *testing.T) {
	p := NewPublisher()
	quick, slow := p.Watch(), p.Watch()
	p.Publish(State{Me: Me{Name: "a"}})
	first, err := quick.Next(t.Context())
	if err != nil || first["from"] != uint64(0) || first["revision"] != uint64(1) || len(first) != 3 {
		t.Fatalf("%v, %v", first, err)
	}
	p.Publish(State{Me: Me{Name: "a"}}) // no change
	p.Publish(State{Me: Me{Name: "b"}, Enter: &EnterView{LinkID: "x"}})
	p.Publish(State{Me: Me{Name: "b"}})
	second, err := quick.Next(t.Context())
	if err != nil || second["from"] != uint64(1) || second["revision"] != uint64(3) {
		t.Fatalf("%v, %v", second, err)
	}
	if enter, ok := second["enter"].(*EnterView); !ok || enter != nil {
		t.Fatalf("enter went away: %v", second)
	}
	merged, err := slow.Next(t.Context())
	if err != nil || merged["from"] != uint64(0) || merged["revision"] != uint64(3) || merged["me"] != (Me{Name: "b"}) {
		t.Fatalf("%v, %v", merged, err)
	}
	if first["from"] != uint64(0) || first["revision"] != uint64(1) {
		t.Fatalf("a change that was handed out has changed: %v", first)
	}
}

func TestWatcherEnds(t *testing.T) {
	p := NewPublisher()
	w := p.Watch()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	p.Publish(State{Me: Me{Name: "a"}})
	p.Close()
	if c, err := w.Next(t.Context()); err != nil || c["me"] != (Me{Name: "a"}) {
		t.Fatalf("what was pending is lost: %v, %v", c, err)
	}
	if _, err := w.Next(t.Context()); fault.CodeOf(err) != fault.ShuttingDown {
		t.Fatal(err)
	}
	w.Close()
	w.Close()
}

func requests(ids ...string) []RequestView {
	var rows []RequestView
	for _, id := range ids {
		rows = append(rows, RequestView{ID: id, Name: id, Picture: "data:" + id})
	}
	return rows
}

// TestRowsThatChange checks that only the rows of a list that changed are told, pictures once, and that merged changes
// lead to the same state.
func TestRowsThatChange(t *testing.T) {
	p := NewPublisher()
	quick, slow := p.Watch(), p.Watch()
	next := func() Change {
		t.Helper()
		c, err := quick.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	keys := func(c Change) string {
		var names []string
		for key := range c {
			if key != "from" && key != "revision" {
				names = append(names, key)
			}
		}
		slices.Sort(names)
		return strings.Join(names, " ")
	}
	publish := func(want string, rows []RequestView) Change {
		t.Helper()
		p.Publish(State{Requests: rows})
		c := next()
		if got := keys(c); got != want {
			t.Fatalf("told %q, want %q", got, want)
		}
		return c
	}
	publish("requests/a requests/a/picture requests/b requests/b/picture", requests("a", "b"))
	away := requests("a", "b")
	away[0].Away = true
	if c := publish("requests/a", away); c["requests/a"].(RequestView).Picture != "" {
		t.Fatal("the picture came again")
	}
	publish("requests/a requests/c requests/c/picture", requests("b", "c"))
	publish("requests", requests("c", "b"))
	gone := publish("requests/b requests/c", nil)
	if gone["requests/c"] != nil {
		t.Fatal("c is still there")
	}
	merged, err := slow.Next(t.Context())
	if err != nil || keys(merged) != "requests requests/b requests/c" {
		t.Fatalf("merged %q, %v", keys(merged), err)
	}
}

// TestPace checks that the first changes come at once, and that a flood of changes is merged.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPublisher()
		w := p.WatchPaced()
		begun := time.Now()
		p.Publish(State{Me: Me{Name: "first"}})
		if _, err := w.Next(t.Context()); err != nil || time.Since(begun) != 0 {
			t.Fatalf("the first after %v: %v", time.Since(begun), err)
		}
		stop := make(chan struct{})
		go func() {
			defer close(stop)
			for i := range 5000 {
				p.Publish(State{Me: Me{Name: strconv.Itoa(i)}})
				time.Sleep(time.Millisecond)
			}
		}()
		told, last := 0, ""
		for last != "4999" {
			c, err := w.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			told++
			last = c["me"].(Me).Name
		}
		<-stop
		if told > 5*10+paceBurst+1 {
			t.Errorf("told %d times in 5 s", told)
		}
	})
}

// TestNamesAreEscapedForTheWindow checks that a name can't end a script or a line of it, because changes are put into
// the window's page as JSON.
func TestNamesAreEscapedForTheWindow(t *testing.T) {
	p := NewPublisher()
	p.Publish(State{})
	w := p.Watch()
	defer w.Close()
	p.Publish(State{Me: Me{Name: "</script><!--&\u2028\u2029"}})
	change, err := w.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(change)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(b); strings.ContainsAny(s, "<>&\u2028\u2029") || !strings.Contains(s, `\u003c/script\u003e\u003c!--\u0026\u2028\u2029`) {
		t.Errorf("%s", s)
	}
}

// TestEveryKeyOfTheStateChanges fills each field of State with something else and looks whether a change names it.
func TestEveryKeyOfTheStateChanges(t *testing.T) {
	full := State{
		Me: Me{Name: "Ada"}, Reach: Reach{Kind: "network"}, Links: []LinkView{{ID: "A"}}, Requests: []RequestView{{ID: "Q"}},
		Calls: []CallView{{LinkID: "A"}}, Enter: &EnterView{LinkID: "A"}, Settings: Settings{Theme: "dark"},
		Engines: Engines{Native: true}, Notice: &Notice{ID: 1}, Deeds: []DeedView{{ID: 1}},
		Standings: []StandingView{{Browser: "B"}}, Arrival: &ArrivalView{ID: 1}, Recorded: &RecordedView{ID: 1},
	}
	v := reflect.ValueOf(full)
	change := diff(State{}, full)
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if field.Name == "Revision" {
			continue
		}
		if v.Field(i).IsZero() {
			t.Errorf("%s is not filled in this test", field.Name)
		}
		key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		found := false
		for k := range change {
			found = found || k == key || strings.HasPrefix(k, key+"/")
		}
		if !found {
			t.Errorf("a change of %q is not told", key)
		}
	}
}
