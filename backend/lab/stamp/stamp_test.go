package stamp

import (
	"testing"
	"time"
)

func TestAStampIsReadAsItWasWritten(t *testing.T) {
	want := Stamp{Sender: 7, Flags: Repairs | Voice, Frame: 70_000, Needs: 69_999, Index: 2, Count: 5, At: 1_800_000_000 * time.Second}
	b := make([]byte, 100)
	want.Put(b)
	if got, ok := Read(b); !ok || got != want {
		t.Errorf("%+v, %v", got, ok)
	}
	for _, b := range [][]byte{nil, b[:20], make([]byte, 100)} {
		if _, ok := Read(b); ok {
			t.Errorf("a stamp in %d bytes", len(b))
		}
	}
}
