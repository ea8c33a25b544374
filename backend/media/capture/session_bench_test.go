//go:build cgo && linux

package capture

import (
	"log/slog"
	"syscall"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/signalling"
)

// BenchmarkSession measures the cost of a session that sends 640×360 at 30 pictures a second and sound, in percent of
// a core.
func BenchmarkSession(b *testing.B) {
	e, err := Open(Options{Synthetic: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	e.audio = noSound{}
	pictures := make(chan int, 100)
	s, err := e.Start(b.Context(), Setup{}, countingSink{pictures})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for range 30 {
		<-pictures
	}
	began, cpu, size := time.Now(), cpuTime(b), 0
	for b.Loop() {
		size += <-pictures
	}
	took := time.Since(began)
	b.ReportMetric(100*float64(cpuTime(b)-cpu)/float64(took), "%core")
	b.ReportMetric(float64(size)*8/took.Seconds()/1000, "kbit/s")
}

// countingSink counts the bytes of pictures.
type countingSink struct{ pictures chan int }

func (countingSink) WriteRTP(signalling.Kind, *rtp.Packet) error { return nil }
func (countingSink) RequestKeyframe(string)                      {}
func (countingSink) State(State)                                 {}
func (s countingSink) Frame(f Frame)                             { s.pictures <- len(f.Payload) }

func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
