package forward

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtcp"
)

func TestLossThatAReceiverReports(t *testing.T) {
	o := NewOutbound(new(atomic.Bool), new(Counters), func() {})
	s := o.NewSlot("audio")
	o.Add(7, s)
	report := func(ssrc, total uint32) {
		o.Feedback(ssrc, Feedback{reported: true, block: rtcp.ReceptionReport{SSRC: ssrc, TotalLost: total}}, time.Now())
	}
	report(7, 12)
	report(8, 99) // not one of ours
	if f := o.Figures(); f.Lost != 12 {
		t.Errorf("%+v", f)
	}
	report(7, 0xfffffe) // -2: packets came twice
	if f := o.Figures(); f.Lost != 0 || len(o.lost) != 1 {
		t.Errorf("%+v of %d streams", f, len(o.lost))
	}
}

func TestThePictureOfASumIsTheLargest(t *testing.T) {
	small, large := Figures{Bytes: 1, Packets: 2, Lost: 3, Height: 180, Frames: 9}, Figures{Bytes: 10, Packets: 20, Lost: 30, Height: 720, Frames: 5}
	want := Figures{Bytes: 11, Packets: 22, Lost: 33, Height: 720, Frames: 5}
	if got := small.Plus(large); got != want {
		t.Errorf("%+v", got)
	}
	if got := large.Plus(small); got != want {
		t.Errorf("%+v", got)
	}
}
