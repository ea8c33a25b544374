package host

import (
	"context"
	"reflect"
	"testing"

	"github.com/porch-call/porch/backend/call"
	"github.com/porch-call/porch/backend/call/totals"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/sealed"
	"github.com/porch-call/porch/backend/signalling"
)

func TestStory(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	f.must(f.host.RenameLink(f.ctx, l.ID, "Tea"))
	f.must(f.host.SetName(f.ctx, "Mara"))
	if l.State != "open" || l.Group != hoststate.GroupUpcoming || len(l.Addresses) != 2 || l.Addresses[0].Reach != "network" {
		t.Fatalf("new link: %+v", l)
	}

	ada := f.dial(l)
	_, secret := secretOf(t, l)
	f.must(ada.frames.Send(ada.opening))
	ada.send(signalling.Hello{Version: 1, Secret: secret.Reveal(), Device: ada.device})
	if w := expect[signalling.Welcome](ada); w.LinkName != "Tea" || w.HostName != "Mara" {
		t.Fatalf("welcome: %+v", w)
	}
	ada.send(signalling.Knock{Name: "Ada", CameraOff: true})
	if w := expect[signalling.Waiting](ada); w.Bell != signalling.BellRung || w.Since == 0 || w.Ago < 0 {
		t.Fatalf("waiting: %+v", w)
	}
	q := f.request("Ada")
	if q.Known != hoststate.KnownFirst || q.LinkID != l.ID || q.LinkName != "Tea" {
		t.Fatalf("request: %+v", q)
	}
	f.must(f.host.See(f.ctx, []string{q.ID, "unknown"}))
	if w := expect[signalling.Waiting](ada); !w.Seen || w.Rings != 1 || w.Bell != signalling.BellRung {
		t.Fatalf("seen: %+v", w)
	}
	f.must(f.host.AskToWait(f.ctx, q.ID, 5))
	if w := expect[signalling.Waiting](ada); w.Bell != signalling.BellAskWait || w.Minutes != 5 {
		t.Fatalf("asked to wait: %+v", w)
	}
	if code := fault.CodeOf(f.host.AskToWait(f.ctx, q.ID, 1000)); code != fault.MessageInvalid {
		t.Fatalf("asked to wait for ever: %s", code)
	}
	f.must(f.host.Admit(f.ctx, q.ID))
	ada.seated()
	if len(ada.roster.Participants) != 1 || ada.roster.You != ada.seat.Participant || !ada.roster.Participants[0].CameraOff {
		t.Fatalf("roster: %+v", ada.roster)
	}
	if err := f.host.Admit(f.ctx, q.ID); fault.CodeOf(err) != fault.RequestGone {
		t.Fatalf("second admission: %v", err)
	}

	boris := f.enter(l, "Boris")
	if len(boris.roster.Participants) != 2 {
		t.Fatalf("roster: %+v", boris.roster)
	}
	boris.send(signalling.Say{Text: "hello"})
	if c := expect[signalling.Chat](ada); c.Line.Text != "hello" || c.Line.Name != "Boris" {
		t.Fatalf("chat: %+v", c)
	}
	live := f.untilLink(l.ID, "two in the call", func(l hoststate.LinkView) bool { return l.InCall == 2 && len(l.Visitors) == 2 })
	if live.State != "live" || live.Group != hoststate.GroupLive || live.HostInCall {
		t.Fatalf("live link: %+v", live)
	}

	ada.send(signalling.Leave{})
	f.untilLink(l.ID, "one in the call", func(l hoststate.LinkView) bool { return l.InCall == 1 })
	late := f.knock(l, "Late") // waits while the last one leaves
	boris.send(signalling.Leave{})
	late.ended(signalling.EndSpent)
	spent := f.untilLink(l.ID, "the link is spent", func(l hoststate.LinkView) bool { return l.State == "spent" })
	if spent.Group != hoststate.GroupEarlier || spent.Waiting != 0 || spent.InCall != 0 || len(spent.Addresses) != 0 {
		t.Fatalf("spent link: %+v", spent)
	}
	id := sealed.LinkID(l.ID)
	note, ok := Note(f.book, id)
	if !ok {
		t.Fatal("a spent link leaves no note")
	}
	if reason, err := sealed.OpenNote(secret, id, note[:]); err != nil || reason != "spent" {
		t.Fatalf("note: %q, %v", reason, err)
	}
	if f.host.Stats().UnadmittedMedia != 0 {
		t.Fatal("media to the unadmitted")
	}
}

func TestKnownGuests(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	stays := f.enter(l, "Stays") // keeps the link alive
	_ = stays
	ada := f.enter(l, "Ada")
	f.untilLink(l.ID, "both are written down", func(l hoststate.LinkView) bool { return len(l.Visitors) == 2 })
	ada.send(signalling.Leave{})
	again := f.greet(l, func(h *signalling.Hello) { h.Device = ada.device })
	again.send(signalling.Knock{Name: "Ada"})
	if q := f.request("Ada"); q.Known != hoststate.KnownReturning || q.TimesLetIn != 1 {
		t.Fatalf("returning: %+v", q)
	}
	again.send(signalling.Leave{})
	f.until("nobody waits", func(s hoststate.State) bool { return len(s.Requests) == 0 })
	other := f.knock(l, "Ada")
	_ = other
	if q := f.request("Ada"); q.Known != hoststate.KnownName {
		t.Fatalf("new device, known name: %+v", q)
	}
}

// slowDisk writes visitors down only once it is open.
type slowDisk struct {
	links.Repository
	open chan struct{}
}

func (d slowDisk) PutVisitor(v links.VisitorRecord) error {
	<-d.open
	return d.Repository.PutVisitor(v)
}

func TestTheDiskKeepsNobodyWaiting(t *testing.T) {
	open := make(chan struct{})
	f := start(t, setup{disk: func(r links.Repository) links.Repository { return slowDisk{r, open} }})
	t.Cleanup(func() { close(open) })
	ada := f.enter(f.link(), "Ada")
	ada.send(signalling.Say{Text: "in"})
	expect[signalling.Chat](ada)
}

func TestRemoveLinkTellsEverybody(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	inside := f.enter(l, "Inside")
	waiting := f.knock(l, "Waiting")
	looking := f.greet(l, nil)
	f.must(f.host.Link(l.ID).Remove(f.ctx))
	inside.ended(signalling.EndRemoved)
	waiting.ended(signalling.EndRemoved)
	looking.ended(signalling.EndRemoved)
	if got := f.linkNow(l.ID); got.State != "removed" || got.Waiting != 0 || got.InCall != 0 {
		t.Fatalf("link: %+v", got)
	}
	s := f.host.Snapshot()
	if len(s.Requests) != 0 || len(s.Calls) != 0 {
		t.Fatalf("state: %+v", s)
	}
	id, _ := secretOf(t, l)
	if _, _, err := f.board.Dial(f.ctx, id, f.remote); fault.CodeOf(err) != fault.LinkUnavailable {
		t.Fatalf("dialling a removed link: %v", err)
	}
	f.must(f.host.Link(l.ID).Remove(f.ctx)) // twice is fine
	if err := f.host.LockCall(f.ctx, l.ID, true); fault.CodeOf(err) != fault.LinkRemoved {
		t.Fatalf("command on a removed link: %v", err)
	}
}

func TestLockAndSilence(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	f.must(f.host.SilenceRequests(f.ctx, l.ID, true))
	quiet := f.greet(l, nil)
	quiet.send(signalling.Knock{Name: "Quiet"})
	if w := expect[signalling.Waiting](quiet); w.Bell != signalling.BellSilenced {
		t.Fatalf("waiting: %+v", w)
	}
	f.must(f.host.SilenceRequests(f.ctx, l.ID, false))
	if w := expect[signalling.Waiting](quiet); w.Bell != signalling.BellRung {
		t.Fatalf("waiting: %+v", w)
	}
	f.must(f.host.LockCall(f.ctx, l.ID, true))
	f.untilLink(l.ID, "locked", func(l hoststate.LinkView) bool { return l.Locked && !l.Silenced })
	late := f.greet(l, nil)
	late.send(signalling.Knock{Name: "Late"})
	late.ended(signalling.EndLocked)
	f.admit("Quiet") // who waits stays
	quiet.seated()
}

func TestAdmitAllAndDeclineAll(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	names := []string{"A", "B", "C"}
	var guests []*visitor
	for _, n := range names {
		guests = append(guests, f.knock(l, n))
	}
	shown := func(s hoststate.State) (ids []string) {
		for _, q := range s.Requests {
			ids = append(ids, q.ID)
		}
		return ids
	}
	three := f.until("three wait", func(s hoststate.State) bool { return len(s.Requests) == 3 })
	d := f.knock(l, "D") // too late to be shown when the button was pressed
	f.request("D")
	f.must(f.host.AdmitAll(f.ctx, l.ID, shown(three)))
	for _, g := range guests {
		g.seated()
	}
	one := f.until("one waits", func(s hoststate.State) bool { return len(s.Requests) == 1 })
	f.must(f.host.DeclineAll(f.ctx, l.ID, shown(one)))
	expect[signalling.Declined](d)
	for _, late := range []error{f.host.AdmitAll(f.ctx, l.ID, shown(three)), f.host.DeclineAll(f.ctx, l.ID, shown(one))} {
		if fault.CodeOf(late) != fault.RequestGone {
			t.Errorf("too late: %v", late)
		}
	}
}

func TestEndCallSpends(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	ada := f.enter(l, "Ada")
	w := f.window(l, hoststate.EngineWebview)
	w.message("roster")
	f.must(f.host.EndCall(f.ctx, l.ID))
	ada.ended(signalling.EndEnded)
	w.message("ended")
	f.untilLink(l.ID, "spent", func(l hoststate.LinkView) bool { return l.State == "spent" })

	fresh := f.link() // ended before anybody was in
	f.must(f.host.EndCall(f.ctx, fresh.ID))
	f.untilLink(fresh.ID, "spent", func(l hoststate.LinkView) bool { return l.State == "spent" })
}

func TestMuteAsksTheGuest(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	if err := f.host.MuteParticipant(f.ctx, l.ID, "x"); fault.CodeOf(err) != fault.NotInCall {
		t.Fatalf("nobody in: %v", err)
	}
	ada := f.enter(l, "Ada")
	f.must(f.host.MuteParticipant(f.ctx, l.ID, ada.seat.Participant))
	expect[signalling.Mute](ada)
	if err := f.host.MuteParticipant(f.ctx, l.ID, "x"); fault.CodeOf(err) != fault.ParticipantGone {
		t.Fatalf("no such participant: %v", err)
	}
	if err := f.host.RemoveParticipant(f.ctx, l.ID, "x", false); fault.CodeOf(err) != fault.ParticipantGone {
		t.Fatalf("no such participant: %v", err)
	}
}

func TestSettingsAreKept(t *testing.T) {
	dir := t.TempDir()
	f := start(t, setup{dir: dir})
	if err := f.host.SetName(f.ctx, " \t"); fault.CodeOf(err) != fault.NameInvalid {
		t.Fatalf("empty name: %v", err)
	}
	if err := f.host.SetSettings(f.ctx, hoststate.Settings{Engine: "steam", Theme: "dark"}); fault.CodeOf(err) != fault.MessageInvalid {
		t.Fatalf("bad settings: %v", err)
	}
	want := hoststate.Settings{Engine: hoststate.EngineWebview, Camera: "c", Theme: "dark"}
	f.must(f.host.SetSettings(f.ctx, want))
	f.must(f.host.SetName(f.ctx, " Mara "))
	f.must(f.host.WindowHidden(f.ctx))
	n := f.host.Snapshot().Notice
	if n == nil || n.Code != hoststate.NoticeBackground || n.Message == "" {
		t.Fatalf("notice: %+v", n)
	}
	f.must(f.host.DismissNotice(f.ctx, n.ID+1))
	if f.host.Snapshot().Notice == nil {
		t.Fatal("another notice's id dismissed it")
	}
	f.must(f.host.DismissNotice(f.ctx, n.ID))
	f.close()

	f = start(t, setup{dir: dir})
	s := f.host.Snapshot()
	if s.Settings != want || s.Me.Name != "Mara" || s.Notice != nil {
		t.Fatalf("after a restart: %+v", s)
	}
	f.must(f.host.WindowHidden(f.ctx)) // said once ever
	if n := f.host.Snapshot().Notice; n != nil {
		t.Fatalf("notice: %+v", n)
	}
}

func TestClosedHostAnswers(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	w := f.host.Watch()
	f.close()
	for {
		if _, err := w.Next(context.Background()); err != nil {
			if fault.CodeOf(err) != fault.ShuttingDown {
				t.Fatalf("watcher: %v", err)
			}
			break
		}
	}
	if err := f.host.Link(l.ID).Remove(context.Background()); fault.CodeOf(err) != fault.ShuttingDown {
		t.Fatalf("command: %v", err)
	}
	f.host.Attend("x")
	f.host.Close() // twice is fine
	if _, err := f.host.Watch().Next(context.Background()); fault.CodeOf(err) != fault.ShuttingDown {
		t.Fatalf("late watcher: %v", err)
	}
}

func TestSumAddsEveryCount(t *testing.T) {
	var a call.Stats
	fields := reflect.ValueOf(&a).Elem()
	for i := range fields.NumField() {
		switch field := fields.Field(i); field.Kind() {
		case reflect.Int:
			field.SetInt(int64(i + 1))
		case reflect.Uint64:
			field.SetUint(uint64(i + 1))
		}
	}
	got := reflect.ValueOf(totals.Plus(a, a))
	for i := range fields.NumField() {
		switch field := fields.Field(i); field.Kind() {
		case reflect.Int:
			if got.Field(i).Int() != 2*field.Int() {
				t.Errorf("%s is not summed", fields.Type().Field(i).Name)
			}
		case reflect.Uint64:
			if got.Field(i).Uint() != 2*field.Uint() {
				t.Errorf("%s is not summed", fields.Type().Field(i).Name)
			}
		}
	}
}
