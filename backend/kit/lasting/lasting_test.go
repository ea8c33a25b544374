package lasting

import (
	"testing"
	"time"
)

var times = Times{Begin: 3 * time.Second, Gap: 5 * time.Second, End: 15 * time.Second}

func TestWhatLastsAndWhatFlickers(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(1000+int64(s), 0) }
	for _, c := range []struct {
		name string
		held []int  // seconds in which it holds
		want string // of each second from 0 on
	}{
		{"never", nil, "........"},
		{"a blink", []int{1}, "........"},
		{"some blinks that are far apart", []int{0, 6, 12, 18}, "...................."},
		{"for long", []int{1, 2, 3, 4, 5}, "....################.."},
		{"with gaps", []int{0, 4}, "....###############.."},
		{"again while it counts", []int{0, 1, 2, 3, 12, 20}, "...################################.."},
	} {
		var condition Condition
		got := ""
		for s := range len(c.want) {
			holds := false
			for _, h := range c.held {
				holds = holds || h == s
			}
			if condition.See(holds, at(s), times) {
				got += "#"
			} else {
				got += "."
			}
		}
		if got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.name, got, c.want)
		}
	}
}

func FuzzNothingLastsThatWasNotSeen(f *testing.F) {
	f.Add([]byte{1, 1, 1, 1, 0, 0, 9})
	f.Fuzz(func(t *testing.T, steps []byte) {
		var c Condition
		now, seen := time.Unix(1000, 0), time.Time{}
		for _, step := range steps {
			now = now.Add(time.Duration(step>>1) * 100 * time.Millisecond)
			holds := step&1 == 1
			if holds {
				seen = now
			}
			if c.See(holds, now, times) && (seen.IsZero() || now.Sub(seen) >= times.End) {
				t.Fatal("it lasts though it was not seen")
			}
		}
	})
}
