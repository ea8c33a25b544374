package call

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/vp8"
	"github.com/porch-call/porch/backend/signalling"
)

// tape is what a recording would hold.
type tape struct {
	t  *testing.T
	mu sync.Mutex

	agreed  map[string]bool
	packets map[string]int // by participant and kind
	clocks  map[string]int
	dark    []string
	changed chan struct{}
}

func newTape(t *testing.T) *tape {
	return &tape{t: t, agreed: map[string]bool{}, packets: map[string]int{}, clocks: map[string]int{}, changed: make(chan struct{})}
}

func (r *tape) update(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *tape) Agree(id, _ string) { r.update(func() { r.agreed[id] = true }) }
func (r *tape) Withdraw(id string) { r.update(func() { r.agreed[id] = false }) }
func (r *tape) Dark(name string)   { r.update(func() { r.dark = append(r.dark, name) }) }

func (r *tape) ReceiveRTP(name string, kind signalling.Kind, p *rtp.Packet, _ time.Duration) {
	r.update(func() {
		key := name + " " + string(kind)
		if !r.agreed[name] {
			r.t.Errorf("a packet of %s, who has not agreed", key)
		}
		if kind == signalling.KindVideo && r.packets[key] == 0 && !vp8.Parse(p.Payload).Keyframe {
			r.t.Errorf("%s begins without a keyframe", key)
		}
		r.packets[key]++
	})
}

func (r *tape) ReceiveClock(name string, kind signalling.Kind, _ uint32) {
	r.update(func() { r.clocks[name+" "+string(kind)]++ })
}

// until waits until ok, which is called with the tape's lock held.
func (r *tape) until(what string, ok func() bool) {
	r.t.Helper()
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		done, changed := ok(), r.changed
		r.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			r.t.Fatal("waited in vain for: " + what)
		}
	}
}

// has waits for more sound and pictures of a participant, with their clocks.
func (r *tape) has(id string) {
	r.t.Helper()
	var before [2]int
	r.update(func() { before = [...]int{r.packets[id+" audio"], r.packets[id+" video"]} })
	r.until("media of "+id, func() bool {
		return r.packets[id+" audio"] > before[0]+3 && r.packets[id+" video"] > before[1]+3 &&
			r.clocks[id+" audio"] > 0 && r.clocks[id+" video"] > 0
	})
}

// shows says that a guest's page shows the mark of a recording.
func shows(t *testing.T, g *guest) {
	t.Helper()
	must(t, g.p.Handle(signalling.View{Takes: []string{signalling.TakesRecording}}))
}

func (g *guest) untilTold(on bool, answer signalling.ConsentAnswer) signalling.Recording {
	g.t.Helper()
	g.until("the recording is told", func() bool { return g.recording.On == on && g.recording.Answer == answer && g.recordings > 0 })
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.recording
}

// TestOnlyThoseWhoAgreeAreRecorded checks who is asked, told and recorded: those who agree, refuse, say nothing, have an
// older page, come later, and take it back.
func TestOnlyThoseWhoAgreeAreRecorded(t *testing.T) {
	var mu sync.Mutex
	var states []Recorded
	c := newHookedCall(t, Options{}, Hooks{OnRecording: func(people []Recorded) {
		mu.Lock()
		defer mu.Unlock()
		states = people
	}})
	is := func(id string, want RecordState) {
		t.Helper()
		must(t, c.do(func() {}))
		mu.Lock()
		defer mu.Unlock()
		i := slices.IndexFunc(states, func(r Recorded) bool { return r.ID == id })
		if i < 0 || states[i].State != want {
			t.Errorf("%s: %+v, want %s", id, states, want)
		}
	}
	r := newTape(t)
	codeIs(t, c.Record(r), fault.NotInCall)
	host, a, b, silent, old := join(t, c, asHost()), join(t, c, as("a")), join(t, c, as("b")), join(t, c, as("c")), join(t, c, as("old"))
	everybody := []*guest{host, a, b, silent, old}
	for _, g := range everybody {
		if g != old {
			shows(t, g)
		}
		g.send()
	}
	must(t, old.p.Handle(signalling.View{}))
	must(t, a.p.Handle(signalling.Consent{Recording: 1, Agree: true})) // there is none yet
	must(t, c.Record(r))
	codeIs(t, c.Record(newTape(t)), fault.RecordingRuns)

	asked := a.untilTold(true, signalling.ConsentNone)
	b.untilTold(true, signalling.ConsentNone)
	silent.untilTold(true, signalling.ConsentNone)
	host.untilTold(true, signalling.ConsentAgreed)
	r.has("host")
	is("a", RecordAsked)
	is("old", RecordOld)
	must(t, a.p.Handle(signalling.Consent{Recording: asked.Number + 1, Agree: true})) // of another one
	must(t, a.p.Handle(signalling.Consent{Recording: asked.Number, Agree: true}))
	must(t, b.p.Handle(signalling.Consent{Recording: asked.Number}))
	a.untilTold(true, signalling.ConsentAgreed)
	b.untilTold(true, signalling.ConsentDeclined)
	r.has("a")
	is("b", RecordDeclined)

	old.p.Leave("") // from six on, only the loudest are heard, and recorded
	late := join(t, c, as("late"))
	late.send()
	shows(t, late)
	late.untilTold(true, signalling.ConsentNone)
	is("late", RecordAsked)
	must(t, late.p.Handle(signalling.Consent{Recording: asked.Number, Agree: true}))
	r.has("late")

	must(t, a.p.Handle(signalling.Consent{Recording: asked.Number}))
	r.until("a's withdrawal", func() bool { return !r.agreed["a"] }) // each packet of a from here on is an error
	a.untilTold(true, signalling.ConsentDeclined)
	r.has("host")
	must(t, a.p.Handle(signalling.Consent{Recording: asked.Number, Agree: true}))
	r.has("a")

	must(t, late.p.Handle(signalling.MediaState{CameraOff: true}))
	r.until("the camera is off", func() bool { return slices.Contains(r.dark, "late") })
	c.StopRecording()
	a.untilTold(false, signalling.ConsentNone)
	b.untilTold(false, signalling.ConsentNone)
	r.update(func() {
		for _, id := range []string{"b", "c", "old"} {
			if r.packets[id+" audio"]+r.packets[id+" video"] > 0 {
				t.Errorf("%s is recorded: %v", id, r.packets)
			}
		}
		if r.agreed["host"] || r.agreed["a"] || r.agreed["late"] {
			t.Errorf("still agreed: %v", r.agreed)
		}
	})
	old.mu.Lock()
	if old.recordings > 0 {
		t.Error("an older page was told")
	}
	old.mu.Unlock()
	if states != nil {
		t.Errorf("after the end: %+v", states)
	}

	must(t, c.Record(newTape(t))) // another recording needs another answer
	if again := a.untilTold(true, signalling.ConsentNone); again.Number == asked.Number {
		t.Error("one number for two recordings")
	}
	is("a", RecordAsked)
}

// TestNothingIsRecordedWithoutTheMark checks that a page which is loaded anew is recorded only once it shows the mark
// again, and that a recording ends when the host leaves.
func TestNothingIsRecordedWithoutTheMark(t *testing.T) {
	over := make(chan struct{}, 1)
	c := newHookedCall(t, Options{}, Hooks{OnRecording: func(people []Recorded) {
		if people == nil {
			over <- struct{}{}
		}
	}})
	host, a := join(t, c, asHost()), join(t, c, as("a"))
	shows(t, a)
	a.send()
	host.send()
	r := newTape(t)
	must(t, c.Record(r)) // the host's page has not said yet that it shows the mark
	told := a.untilTold(true, signalling.ConsentNone)
	must(t, a.p.Handle(signalling.Consent{Recording: told.Number, Agree: true}))
	r.has("a")
	r.update(func() {
		if r.agreed["host"] {
			t.Error("the host is recorded without a mark")
		}
	})
	shows(t, host)
	r.has("host")

	again := newGuest(t, c, as("a"))
	if _, err := a.p.Attach(again.out, false); err != nil {
		t.Fatal(err)
	}
	again.p = a.p
	again.start()
	r.update(func() {
		if r.agreed["a"] {
			t.Error("a new page is recorded before it shows the mark")
		}
	})
	shows(t, again)
	again.untilTold(true, signalling.ConsentAgreed) // the answer stays with the seat
	r.until("a goes on", func() bool { return r.agreed["a"] })

	host.p.Leave("")
	<-over
	again.untilTold(false, signalling.ConsentNone)
	c.StopRecording()
}

// TestConsentIsBounded checks that a guest can't make the recording begin anew all the time, and can always withdraw.
func TestConsentIsBounded(t *testing.T) {
	c := newTestCall(t, Options{})
	host, a := join(t, c, asHost()), join(t, c, as("a"))
	shows(t, host)
	shows(t, a)
	r := newTape(t)
	must(t, c.Record(r))
	var refused error
	for range 50 {
		if err := a.p.Handle(signalling.Consent{Recording: 1, Agree: true}); err != nil {
			refused = err
		}
		must(t, a.p.Handle(signalling.Consent{Recording: 1}))
	}
	codeIs(t, refused, fault.TooFast)
	r.update(func() {
		if r.agreed["a"] {
			t.Error("a has not withdrawn")
		}
	})
}
