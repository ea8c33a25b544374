// Package recordings records calls on this computer, at the wish of the host. It joins the call, which knows who has
// agreed and tells everybody, to the file. One call is recorded at a time, because the host is in one.
package recordings

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/porch-call/porch/backend/call"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/handover"
	"github.com/porch-call/porch/backend/host/loop"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/recording"
)

// Parts are what Recordings needs of its host.
type Parts struct {
	Folder string // where recordings are written
	Do     func(ctx context.Context, fn func() error) error
	Loop   *loop.Loop
	Touch  func()            // on the loop: the state has to be published
	Say    func(code string) // on the loop: the window says it once
	Speech func() hoststate.Speech
	Now    func() time.Time
	Logger *slog.Logger
}

// Recordings records calls. The loop owns what its methods read and change, unless they say otherwise.
type Recordings struct {
	parts   Parts
	running *running // nil while no call is recorded
	last    *hoststate.RecordedView
	path    string // of the last one
	count   uint64

	work sync.WaitGroup
}

// running is the recording under way.
type running struct {
	link   string
	call   *call.Call
	file   *recording.Recorder // nil while it is made
	people []call.Recorded
	failed fault.Code // why it ends by itself; "" if it does not
}

// New returns a Recordings with these parts.
func New(parts Parts) *Recordings { return &Recordings{parts: parts} }

// Begin records a call of a link, and asks all who are in it. It is not called on the loop, because it waits for the
// disk. Faults: RecordingRuns, NotInCall, DiskFull, RecordingFailed.
func (r *Recordings) Begin(ctx context.Context, link string, c *call.Call) error {
	now := &running{link: link, call: c}
	if err := r.parts.Do(ctx, func() error {
		if r.running != nil {
			return fault.New(fault.RecordingRuns, nil)
		}
		r.running = now
		return nil
	}); err != nil {
		return err
	}
	o := recording.Options{
		Folder: r.parts.Folder, Now: r.parts.Now,
		OnTrouble: func(code fault.Code) { r.parts.Loop.Post("recording trouble", func() { r.trouble(now, code) }) },
	}
	if named := r.parts.Speech().Screen; named != nil {
		o.ScreenTitle = named
	}
	file, err := recording.Open(o)
	if err == nil {
		file.AskBy(c.RequestRecordedKeyframe)
		// Known before the call tells who is recorded, which is queued behind it.
		err = r.parts.Do(ctx, func() error {
			now.file = file
			return nil
		})
		if err == nil {
			err = c.Record(file)
		}
		if err != nil {
			file.Close()
			_ = os.Remove(file.Path()) // nothing is in it
		}
	}
	if err != nil {
		r.parts.Loop.Post("recording not begun", func() {
			if r.running == now {
				r.running = nil
			}
		})
		r.parts.Logger.Info("recording", "code", fault.CodeOf(err), "error", err)
	}
	return err
}

// Changed takes who is recorded in a call, nil when it is over. The loop calls it.
func (r *Recordings) Changed(c *call.Call, people []call.Recorded) {
	now := r.running
	if now == nil || now.call != c || now.file == nil {
		return
	}
	now.people = people
	r.parts.Touch()
	if people != nil {
		return
	}
	r.running = nil
	r.work.Go(func() {
		now.file.Close()
		r.parts.Loop.Post("recording ended", func() { r.ended(now) })
	})
}

// ended shows a recording whose file is whole.
func (r *Recordings) ended(now *running) {
	r.count++
	r.path = now.file.Path()
	r.last = &hoststate.RecordedView{
		ID: r.count, Name: filepath.Base(r.path), Folder: filepath.Dir(r.path), Seconds: int(now.file.Written().Round(time.Second).Seconds()),
		Code: string(now.failed),
	}
	r.parts.Touch()
}

// trouble says what the disk does to a recording.
func (r *Recordings) trouble(now *running, code fault.Code) {
	if code == fault.RecordingBehind {
		r.parts.Say(string(code))
		return
	}
	now.failed = code
	if r.last != nil && r.path == now.file.Path() { // it failed at its end
		failed := *r.last
		failed.Code = string(code)
		r.last = &failed
		r.parts.Touch()
	}
	r.work.Go(now.call.StopRecording)
}

// View returns the recording of a link's call, nil for none.
func (r *Recordings) View(link string) *hoststate.RecordingView {
	now := r.running
	if now == nil || now.link != link || now.people == nil {
		return nil
	}
	v := &hoststate.RecordingView{StartedAt: hoststate.Millis(now.file.Began()), People: []hoststate.RecordedPersonView{}}
	for _, p := range now.people {
		v.People = append(v.People, hoststate.RecordedPersonView{ID: p.ID, Name: p.Name, State: string(p.State)})
	}
	return v
}

// Last returns the recording that has ended last, nil for none, or once the host has dismissed it.
func (r *Recordings) Last() *hoststate.RecordedView { return r.last }

// Dismiss makes the window show the last recording no more. It may be called from any goroutine.
func (r *Recordings) Dismiss(ctx context.Context) error {
	return r.parts.Do(ctx, func() error {
		r.last = nil
		r.parts.Touch()
		return nil
	})
}

// Show opens the folder of the last recording in the system's file manager. It may be called from any goroutine. Faults:
// RecordingFailed if there is none, OpenerUnavailable.
func (r *Recordings) Show(ctx context.Context) error {
	path, err := r.lastPath(ctx)
	if err != nil {
		return err
	}
	return handover.Reveal(ctx, path)
}

func (r *Recordings) lastPath(ctx context.Context) (path string, err error) {
	err = r.parts.Do(ctx, func() error {
		if path = r.path; path == "" {
			return fault.New(fault.RecordingFailed, nil)
		}
		return nil
	})
	return path, err
}

// Close waits until the file of the last recording is whole. It is called after all calls have ended, and not on the
// loop.
func (r *Recordings) Close() {
	_ = r.parts.Loop.Do(context.Background(), func() {}) // behind what the calls have posted
	r.work.Wait()
}
