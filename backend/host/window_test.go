package host

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/links"
	"github.com/porch-call/porch/backend/media/capture"
	"github.com/porch-call/porch/backend/notify"
	"github.com/porch-call/porch/backend/signalling"
	"github.com/porch-call/porch/backend/windowsocket"
)

func TestHostEntersAndLeaves(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	w := f.window(l, hoststate.EngineWebview)
	if roster := w.message("roster"); !strings.Contains(roster, `"id":"host"`) {
		t.Fatal(roster)
	}
	w.message("offer")
	f.untilLink(l.ID, "the host is in", func(l hoststate.LinkView) bool { return l.HostInCall && l.Group == hoststate.GroupLive })
	w.send(signalling.Leave{})
	after := f.untilLink(l.ID, "the host is out", func(l hoststate.LinkView) bool { return !l.HostInCall && l.InCall == 0 })
	if after.State == "spent" || after.Group != hoststate.GroupUpcoming {
		t.Fatalf("a host who looked in alone spent the link: %+v", after)
	}

	ada := f.enter(l, "Ada")
	w = f.window(l, hoststate.EngineWebview)
	w.message("roster")
	f.must(f.host.LeaveCall(f.ctx, l.ID)) // the others go on
	f.untilLink(l.ID, "the host is out", func(l hoststate.LinkView) bool { return !l.HostInCall })
	ada.send(signalling.Say{Text: "alone"})
	expect[signalling.Chat](ada)
	if err := f.host.LeaveCall(f.ctx, l.ID); fault.CodeOf(err) != fault.NotInCall {
		t.Fatalf("left twice: %v", err)
	}
	ada.send(signalling.Leave{})
	f.untilLink(l.ID, "the link is spent", func(l hoststate.LinkView) bool { return l.State == "spent" })
	if _, err := f.host.EnterCall(f.ctx, l.ID, "window", hoststate.EngineWebview); fault.CodeOf(err) != fault.LinkSpent {
		t.Fatalf("entering a spent link: %v", err)
	}
}

func TestTheLastToLeaveIsTheHost(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	w := f.window(l, hoststate.EngineWebview)
	w.message("roster")
	ada := f.enter(l, "Ada")
	ada.send(signalling.Leave{})
	f.untilLink(l.ID, "the host is alone", func(l hoststate.LinkView) bool { return l.InCall == 1 })
	w.send(signalling.Leave{})
	f.untilLink(l.ID, "the link is spent", func(l hoststate.LinkView) bool { return l.State == "spent" })
}

func TestLettingInBringsTheHostIn(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	f.host.Attend("first")
	f.host.Attend("second")
	ada := f.enter(l, "Ada")
	s := f.until("the window is asked to enter", func(s hoststate.State) bool { return s.Enter != nil })
	if *s.Enter != (hoststate.EnterView{LinkID: l.ID, Client: "second"}) {
		t.Fatalf("enter: %+v", s.Enter)
	}
	w := f.window(l, hoststate.EngineWebview)
	w.message("roster")
	if s := f.host.Snapshot(); s.Enter != nil {
		t.Fatalf("enter: %+v", s.Enter)
	}
	f.enter(l, "Boris") // the host is in already
	if s := f.host.Snapshot(); s.Enter != nil {
		t.Fatalf("enter: %+v", s.Enter)
	}
	_ = ada
}

func TestWindowComesBackOrIsGone(t *testing.T) {
	f := start(t, setup{timing: Timing{Window: 50 * time.Millisecond}})
	l := f.link()
	ada := f.enter(l, "Ada")
	w := f.window(l, hoststate.EngineWebview)
	w.message("roster")
	newer := f.window(l, hoststate.EngineWebview) // reloaded before the loss of the old socket was noticed
	newer.message("roster")
	if got := f.linkNow(l.ID); !got.HostInCall {
		t.Fatalf("link: %+v", got)
	}
	_ = newer.ws.CloseNow()
	f.untilLink(l.ID, "the host has left", func(l hoststate.LinkView) bool { return !l.HostInCall && l.InCall == 1 })
	ada.send(signalling.Say{Text: "still on"})
	expect[signalling.Chat](ada)
}

// TestAReplacedWindowHasNothingToSay delivers a Leave that the old window sent
// before it knew of the newer one.
func TestAReplacedWindowHasNothingToSay(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	f.window(l, hoststate.EngineWebview).message("roster")
	var s *hostSeat
	var old *windowsocket.Conn
	f.must(f.host.doLink(f.ctx, l.ID, func(o *openLink) error {
		s, old = o.hostSeat, o.hostSeat.window
		return nil
	}))
	f.window(l, hoststate.EngineWebview).message("roster")
	f.must(f.host.doLink(f.ctx, l.ID, func(o *openLink) error {
		s.leaveBy(o.id, old)
		if o.hostSeat == nil {
			t.Error("the newer window is out of the call")
		}
		return nil
	}))
}

func TestHostIsInOneCallAtATime(t *testing.T) {
	f := start(t, setup{})
	first, second := f.link(), f.link()
	ada := f.enter(first, "Ada")
	w := f.window(first, hoststate.EngineWebview)
	w.message("roster")
	w = f.window(second, hoststate.EngineWebview)
	w.message("roster")
	f.untilLink(first.ID, "the host has left the first", func(l hoststate.LinkView) bool { return !l.HostInCall && l.InCall == 1 })
	f.untilLink(second.ID, "the host is in the second", func(l hoststate.LinkView) bool { return l.HostInCall })
	_ = ada
}

func TestNativeEngineFeedsTheWindow(t *testing.T) {
	if !capture.Available() {
		t.Skip("this build has no native engine")
	}
	f := start(t, setup{})
	l := f.link()
	w := f.window(l, hoststate.EngineNative)
	w.message("roster")
	w.message("source")
	if b := w.picture(); len(b) < 13 || b[0] != 1 || b[1]&1 == 0 {
		t.Fatalf("first picture: % x", b[:min(len(b), 16)])
	}
	f.until("the engine is shown", func(s hoststate.State) bool { return len(s.Calls) == 1 && s.Calls[0].Engine == hoststate.EngineNative })
	w.send(signalling.MediaState{Muted: true, CameraOff: true})
	f.until("muted", func(s hoststate.State) bool {
		p := s.Calls[0].Participants
		return len(p) == 1 && p[0].Muted && p[0].CameraOff
	})
	again := f.window(l, hoststate.EngineNative) // a reloaded window
	again.message("roster")
	again.send(signalling.MediaState{})
	again.picture()
	again.send(signalling.Leave{})
	f.untilLink(l.ID, "the host is out", func(l hoststate.LinkView) bool { return !l.HostInCall })
}

func TestEnginesAreChosen(t *testing.T) {
	f := start(t, setup{})
	for _, c := range []struct {
		setting, able, want string
		code                fault.Code
	}{
		{hoststate.EngineAuto, hoststate.EngineWebview, hoststate.EngineWebview, ""},
		{hoststate.EngineWebview, hoststate.EngineWebview, hoststate.EngineWebview, ""},
		{hoststate.EngineNative, hoststate.EngineWebview, orElse(capture.Available(), hoststate.EngineNative, hoststate.EngineWebview), ""},
		{hoststate.EngineAuto, hoststate.EngineNative, hoststate.EngineNative, orElse(capture.Available(), "", fault.EngineUnavailable)},
		{hoststate.EngineAuto, "steam", "", fault.MessageInvalid},
	} {
		s := hoststate.DefaultSettings()
		s.Engine = c.setting
		f.must(f.host.SetSettings(f.ctx, s))
		got, err := f.host.EnterCall(f.ctx, f.link().ID, "w", c.able)
		if fault.CodeOf(err) != c.code || err == nil && got.Engine != c.want {
			t.Errorf("setting %s, page %s: %s, %v", c.setting, c.able, got.Engine, err)
		}
	}
}

func orElse[T any](ok bool, yes, no T) T {
	if ok {
		return yes
	}
	return no
}

// mute is a notifier that can't show anything.
type mute struct{ *recorder }

func (mute) Show(notify.Note) error { return errors.New("no service") }

func TestTroubleIsSaid(t *testing.T) {
	said := func(f *fixture, code string) {
		t.Helper()
		n := f.until(code, func(s hoststate.State) bool { return s.Notice != nil && s.Notice.Code == code }).Notice
		if n.Message == "" || n.Message == fault.Sentence(fault.Internal) {
			t.Errorf("%s: %q", code, n.Message)
		}
		f.must(f.host.DismissNotice(f.ctx, n.ID))
	}
	f := start(t, setup{notifier: mute{newRecorder()}})
	l := f.link()
	f.knock(l, "Ada")
	said(f, hoststate.NoticeNotifications)
	f.knock(l, "Boris") // once, not with each knock
	f.request("Boris")
	if n := f.host.Snapshot().Notice; n != nil {
		t.Errorf("%+v", n)
	}

	dir := t.TempDir()
	f = start(t, setup{dir: dir})
	f.link()
	f.close()
	f = start(t, setup{dir: dir, disk: func(r links.Repository) links.Repository { return damaged{r} }})
	said(f, hoststate.NoticeDamaged)
}

// damaged is a repository whose links can't be read.
type damaged struct{ links.Repository }

func (d damaged) Links() ([]links.LinkRecord, error) {
	records, err := d.Repository.Links()
	for i := range records {
		records[i].Secret = nil
	}
	return records, err
}

// recorder is a notifier that remembers notes.
type recorder struct {
	mu    sync.Mutex
	shown map[string]notify.Note
	press func(noteID, action string)
	more  chan struct{}
}

func newRecorder() *recorder {
	return &recorder{shown: make(map[string]notify.Note), more: make(chan struct{}, 64)}
}

func (r *recorder) Show(n notify.Note) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shown[n.ID] = n
	r.more <- struct{}{}
	return nil
}

func (r *recorder) Withdraw(id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.shown, id)
	r.more <- struct{}{}
	return nil
}

func (r *recorder) OnAction(f func(noteID, action string)) { r.press = f }

func (r *recorder) until(t *testing.T, ok func(map[string]notify.Note) bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		done := ok(r.shown)
		r.mu.Unlock()
		if done {
			return
		}
		select {
		case <-r.more:
		case <-deadline:
			t.Fatalf("notifications: %+v", r.shown)
		}
	}
}

func TestNotificationsLetIn(t *testing.T) {
	r := newRecorder()
	f := start(t, setup{notifier: r})
	l := f.link()
	f.must(f.host.RenameLink(f.ctx, l.ID, "Tea"))
	f.host.Attend("window")
	ada, boris := f.knock(l, "Ada"), f.knock(l, "Boris")
	a, b := f.request("Ada"), f.request("Boris")
	r.until(t, func(shown map[string]notify.Note) bool {
		return shown[a.ID].Title == "Ada" && shown[a.ID].Body == "Tea" && shown[b.ID].Title == "Boris"
	})
	r.press(a.ID, notify.ActionLetIn)
	ada.seated()
	<-f.attended // the window comes to the front
	f.until("the window is asked to enter", func(s hoststate.State) bool { return s.Enter != nil })
	r.until(t, func(shown map[string]notify.Note) bool { _, still := shown[a.ID]; return !still })
	r.press(a.ID, notify.ActionDecline) // an old note decides nothing
	r.press(b.ID, notify.ActionDecline)
	expect[signalling.Declined](boris)
	r.until(t, func(shown map[string]notify.Note) bool { return len(shown) == 0 })
	ada.send(signalling.Say{Text: "in"})
	expect[signalling.Chat](ada)

	f.must(f.host.SilenceRequests(f.ctx, l.ID, true))
	quiet := f.knock(l, "Quiet")
	_ = quiet
	f.request("Quiet")
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.shown) != 0 {
		t.Fatalf("silenced, and yet: %+v", r.shown)
	}
}
