package asked

import (
	"slices"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/media/share"
	"github.com/porch-call/porch/backend/signalling"
)

func TestAPublisherIsToldWhatMatters(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	var last told
	for _, step := range []struct {
		after time.Duration
		asks  [share.MaxLayers]share.Ask
		want  bool
		what  string
	}{
		{0, [share.MaxLayers]share.Ask{{On: true, MaxBitrate: 500_000}}, true, "the first time"},
		{time.Second, [share.MaxLayers]share.Ask{{On: true, MaxBitrate: 500_000}}, false, "nothing new"},
		{time.Second, [share.MaxLayers]share.Ask{{On: true, MaxBitrate: 460_000}}, false, "a little less"},
		{time.Second, [share.MaxLayers]share.Ask{{On: true, MaxBitrate: 450_000}}, true, "clearly less"},
		{100 * time.Millisecond, [share.MaxLayers]share.Ask{{On: true, MaxBitrate: 900_000}}, false, "more, at once"},
		{tellEvery, [share.MaxLayers]share.Ask{{On: true, MaxBitrate: 900_000}}, true, "more, after a while"},
		{0, [share.MaxLayers]share.Ask{{MaxBitrate: 900_000}}, true, "off"},
		{time.Second, [share.MaxLayers]share.Ask{{MaxBitrate: 100_000}}, false, "another rate of a layer that is off"},
		{0, [share.MaxLayers]share.Ask{{}, {On: true}}, true, "another layer on"},
		{time.Second, [share.MaxLayers]share.Ask{{}, {On: true, MaxBitrate: 100_000}}, true, "a limit where there was none"},
	} {
		now = now.Add(step.after)
		if got := last.due(step.asks[:], false, now); got != step.want {
			t.Errorf("%s: %v", step.what, got)
		}
	}
}

func TestALimitIsTheSumOfWhatIsOn(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	var p Publisher
	if _, due := p.Limit(now); due {
		t.Error("a limit of nothing")
	}
	p.Ask([share.MaxLayers]share.Ask{{On: true, MaxBitrate: 100}, {MaxBitrate: 200}, {On: true, MaxBitrate: 400}}, share.Ask{On: true, MaxBitrate: 1000}, true)
	if rate, due := p.Limit(now); !due || rate != 1500 {
		t.Errorf("%d, %v", rate, due)
	}
	if _, due := p.Limit(now.Add(again / 2)); due {
		t.Error("the same again at once")
	}
	if rate, due := p.Limit(now.Add(again)); !due || rate != 1500 {
		t.Errorf("%d, %v: a limit is repeated", rate, due)
	}
}

func TestWhatAPageIsTold(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	var p Publisher
	p.Ask([share.MaxLayers]share.Ask{{On: true, MaxBitrate: 100}, {MaxBitrate: 200}, {On: true, MaxBitrate: 1 << 40}}, share.Ask{}, false)
	if l := p.Message(true, false); len(l.Video) != 1 || l.Video[0] != (signalling.VideoLayer{Active: true, MaxBitrate: 100}) {
		t.Errorf("%+v", l)
	}
	if !p.Layered(RIDs) || p.Layered(RIDs) || p.Layers() != len(RIDs) {
		t.Error("layers are not noted")
	}
	l, due := p.Tell(true, false, now)
	want := []signalling.VideoLayer{{RID: "q", Active: true, MaxBitrate: 100}, {RID: "h"}, {RID: "f", Active: true, MaxBitrate: signalling.MaxBitrate}}
	if !due || !slices.Equal(l.Video, want) || l.Validate() != nil {
		t.Errorf("%v: %+v", due, l)
	}
	if _, due = p.Tell(true, false, now); due {
		t.Error("the same again")
	}
	if l, due = p.Tell(false, false, now); !due || l.Video[0].Active || l.Video[2].Active {
		t.Errorf("%v: %+v", due, l)
	}
	if l, due = p.Tell(true, true, now); !due || !l.Video[1].Active {
		t.Errorf("%v: %+v: alone a page decides by itself", due, l)
	}
	p.Forget()
	if _, due = p.Tell(true, true, now); !due {
		t.Error("another page is told nothing")
	}
}

func TestAScreenIsTold(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	var p Publisher
	tell := func(screen share.Ask, presents bool) *signalling.ScreenLayer {
		t.Helper()
		p.Ask([share.MaxLayers]share.Ask{}, screen, presents)
		l, due := p.Tell(true, false, now)
		if !due || l.Validate() != nil {
			t.Errorf("%v: %+v", due, l)
		}
		if _, due := p.Tell(true, false, now); due {
			t.Error("the same again")
		}
		return l.Screen
	}
	if s := tell(share.Ask{}, false); s != nil {
		t.Errorf("%+v of nothing", s)
	}
	if s := tell(share.Ask{On: true, MaxBitrate: 1000}, true); s == nil || !s.Active || s.MaxBitrate != 1000 {
		t.Errorf("%+v", s)
	}
	if s := tell(share.Ask{MaxBitrate: 1000}, true); s == nil || s.Active {
		t.Errorf("%+v: nobody looks", s)
	}
	if s := tell(share.Ask{}, false); s != nil {
		t.Errorf("%+v: it is over", s)
	}
}
