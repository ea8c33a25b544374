package ownline

import (
	"testing"
	"time"

	"github.com/porch-call/porch/backend/signalling"
)

// look is one look at a line.
type look struct {
	full   bool
	pauses []signalling.Pause
	sent   uint64 // packets since the look before
	lost   uint64 // of them
}

// line is looked at once a second.
type line struct {
	Line
	now           time.Time
	packets, lost uint64
	told          int
}

func (l *line) look(times int, k look) signalling.Line {
	if l.now.IsZero() {
		l.now = time.Unix(1000, 0)
	}
	for range times {
		l.packets, l.lost = l.packets+k.sent, l.lost+k.lost
		l.Begin()
		for _, p := range k.pauses {
			l.Pause(p)
		}
		if _, news := l.End(k.full, l.packets, l.lost, l.now); news {
			l.told++
		}
		l.now = l.now.Add(time.Second)
	}
	return l.Told()
}

func TestAPoorLineIsToldOnce(t *testing.T) {
	var l line
	if told := l.look(3, look{full: true}); told.SlowDown || l.told != 0 {
		t.Errorf("after two seconds: %+v", told)
	}
	if told := l.look(20, look{full: true}); !told.SlowDown || told.SlowUp || l.told != 1 {
		t.Errorf("full for long: %+v, told %d times", told, l.told)
	}
	for range 20 { // it comes and goes
		l.look(3, look{full: true})
		l.look(6, look{})
	}
	if l.told != 1 {
		t.Errorf("told %d times", l.told)
	}
	if told := l.look(20, look{}); told.SlowDown || l.told != 2 {
		t.Errorf("well again: %+v", told)
	}
}

func TestLossOfWhatAGuestSends(t *testing.T) {
	for _, c := range []struct {
		name string
		look look
		want bool
	}{
		{"none", look{sent: 100}, false},
		{"two of a hundred", look{sent: 100, lost: 2}, false},
		{"ten of a hundred", look{sent: 100, lost: 10}, true},
		{"too few to judge", look{sent: 1, lost: 1}, false},
		{"few, but for long enough", look{sent: 9, lost: 3}, true},
	} {
		var l line
		l.look(5, look{sent: 100})
		if told := l.look(12, c.look); told.SlowUp != c.want || told.SlowDown {
			t.Errorf("%s: %+v", c.name, told)
		}
	}
	var l line
	l.look(10, look{sent: 100, lost: 10})
	l.packets, l.lost = 0, 0 // another connection
	if l.look(20, look{sent: 100}); l.Told().SlowUp {
		t.Error("the loss of an earlier connection counts")
	}
}

func TestPausesAreToldAtOnce(t *testing.T) {
	var l line
	own, host := signalling.Pause{Participant: "a", Reason: signalling.PauseLine}, signalling.Pause{Participant: "b", Reason: signalling.PauseHost}
	if told := l.look(1, look{pauses: []signalling.Pause{own, host}}); len(told.Paused) != 2 || told.Paused[0] != own || told.Paused[1] != host || told.SlowDown {
		t.Errorf("%+v", told)
	}
	if l.look(2, look{pauses: []signalling.Pause{own, host}}); l.told != 1 {
		t.Errorf("told %d times", l.told)
	}
	if told := l.look(5, look{pauses: []signalling.Pause{own}}); len(told.Paused) != 1 || !told.SlowDown {
		t.Errorf("a picture that waits for the own line shows that it is poor: %+v", told)
	}
	var other line
	if told := other.look(9, look{pauses: []signalling.Pause{host}}); told.SlowDown {
		t.Errorf("a picture that waits for the host's line: %+v", told)
	}
	if told := other.look(1, look{}); told.Paused == nil || len(told.Paused) != 0 {
		t.Errorf("%+v", told)
	}
}
