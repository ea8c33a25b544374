package recording

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/media/codec"
	"github.com/porch-call/porch/backend/media/frames"
	"github.com/porch-call/porch/backend/signalling"
)

const (
	// maxQueue is how many bytes wait for the disk: some seconds of a large call.
	maxQueue = 16 << 20
	// closePatience is how long Close waits for a disk that does not answer.
	closePatience = 10 * time.Second
)

// Options of a recording.
type Options struct {
	Folder string           // where the file is made; made itself if it is not there
	Now    func() time.Time // [time.Now] if nil

	// ScreenTitle returns the title of a participant's screen; nil names it in English.
	ScreenTitle func(name string) string

	// Create makes the file; nil makes one that only this user can read.
	Create func(path string) (File, error)

	// OnTrouble hears that the recording has ended by itself, with the fault's code, or that parts are missing
	// (RecordingBehind), once each. It runs on the recorder's goroutine and must not call Close.
	OnTrouble func(fault.Code)
}

// Recorder writes one file. Its methods may be called from any goroutine, and none but Close waits for the disk.
type Recorder struct {
	path        string
	began       time.Time
	now         func() time.Time
	onTrouble   func(fault.Code)
	screenTitle func(name string) string
	queue       *queue
	done        chan struct{} // closed when the file is closed

	mu      sync.Mutex
	people  map[string]*person // by id
	keyless func(name string)

	length atomic.Int64 // of what is written, in nanoseconds

	// Owned by run.
	file     *matroska
	sounds   map[string]*sound // by name: of a participant, or of its screen
	pictures map[string]*picture
	behind   bool
}

// person is a participant whose media may be written, as long as they agree.
type person struct {
	title  string
	agrees atomic.Bool
}

// Open begins a recording in a new file, which is named by the date. Faults: DiskFull, RecordingFailed.
func Open(o Options) (*Recorder, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Create == nil {
		o.Create = func(path string) (File, error) {
			return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		}
	}
	if o.OnTrouble == nil {
		o.OnTrouble = func(fault.Code) {}
	}
	if o.ScreenTitle == nil {
		o.ScreenTitle = func(name string) string { return name + " (screen)" }
	}
	r := &Recorder{
		screenTitle: o.ScreenTitle,
		now:         o.Now, began: o.Now(), onTrouble: o.OnTrouble,
		queue: newQueue(maxQueue), done: make(chan struct{}),
		people: make(map[string]*person), keyless: func(string) {},
		sounds: make(map[string]*sound), pictures: make(map[string]*picture),
	}
	if err := os.MkdirAll(o.Folder, 0o700); err != nil {
		return nil, troubleOf(err)
	}
	out, path, err := create(o.Folder, r.began, o.Create)
	if err != nil {
		return nil, troubleOf(err)
	}
	if r.file, err = newMatroska(out, r.began); err != nil {
		_ = out.Close()
		_ = os.Remove(path) // there is nothing in it
		return nil, troubleOf(err)
	}
	r.path = path
	go r.run()
	return r, nil
}

// create makes the file of a recording that began at a time. Names of people are in none.
func create(folder string, began time.Time, open func(string) (File, error)) (File, string, error) {
	base := "Porch " + began.Format("2006-01-02 15.04.05")
	for n := 1; ; n++ {
		name := base
		if n > 1 {
			name += " (" + string(rune('0'+n)) + ")"
		}
		path := filepath.Join(folder, name+".mkv")
		out, err := open(path)
		if !errors.Is(err, os.ErrExist) || n == 9 {
			return out, path, err
		}
	}
}

// troubleOf returns the fault that an error of the disk is.
func troubleOf(err error) error {
	for _, full := range diskFull {
		if errors.Is(err, full) {
			return fault.New(fault.DiskFull, err)
		}
	}
	return fault.New(fault.RecordingFailed, err)
}

// Path returns where the recording is written.
func (r *Recorder) Path() string { return r.path }

// Began returns when it began.
func (r *Recorder) Began() time.Time { return r.began }

// Written returns how long the recording is by now.
func (r *Recorder) Written() time.Duration { return time.Duration(r.length.Load()) }

// AskBy makes the recorder ask for keyframes by f, which gets the name of a participant or of its screen.
func (r *Recorder) AskBy(f func(name string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keyless = f
}

// Agree makes packets of the participant count from now on. title is shown by players.
func (r *Recorder) Agree(id, title string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.people[id]
	if p == nil {
		p = &person{title: title}
		r.people[id] = p
	}
	p.agrees.Store(true)
}

// Withdraw makes packets of the participant count no more, not even those that wait for the disk.
func (r *Recorder) Withdraw(id string) {
	if p := r.person(id); p != nil && p.agrees.Swap(false) {
		r.Dark(id)
		r.Dark(codec.ScreenOf(id))
	}
}

// Dark says that a participant's camera, or its screen, is off: what comes next begins with a keyframe.
func (r *Recorder) Dark(name string) {
	r.queue.push(item{name: name, kind: signalling.KindVideo, at: r.elapsed(), dark: true})
}

// ReceiveRTP takes a packet of a participant, or of its screen, as [call.LocalSink] says. Packets of those who have not
// agreed are dropped.
func (r *Recorder) ReceiveRTP(name string, kind signalling.Kind, pkt *rtp.Packet, roundTrip time.Duration) {
	if p := r.person(name); p == nil || !p.agrees.Load() {
		return
	}
	r.queue.push(item{name: name, kind: kind, at: r.elapsed(), packet: &rtp.Packet{
		Header: rtp.Header{
			SSRC: pkt.SSRC, SequenceNumber: pkt.SequenceNumber, Timestamp: pkt.Timestamp, Marker: pkt.Marker,
		},
		Payload: append([]byte(nil), pkt.Payload...),
	}, roundTrip: roundTrip})
}

// ReceiveClock says which RTP timestamp belongs to now, in a stream of a participant or of its screen.
func (r *Recorder) ReceiveClock(name string, kind signalling.Kind, timestamp uint32) {
	r.queue.push(item{name: name, kind: kind, at: r.elapsed(), timestamp: timestamp})
}

func (r *Recorder) elapsed() time.Duration { return r.now().Sub(r.began) }

// person returns whose packets have a name, or nil.
func (r *Recorder) person(name string) *person {
	id, _ := codec.OfScreen(name)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.people[id]
}

// Close ends the recording. It waits until all is written, but not longer than 10 s, and may be called twice.
func (r *Recorder) Close() {
	r.queue.close()
	select {
	case <-r.done:
	case <-time.After(closePatience):
	}
}

// run is the goroutine that writes.
func (r *Recorder) run() {
	defer close(r.done)
	var items []item
	for range r.queue.wake {
		var dropped uint64
		var over bool
		items, dropped, over = r.queue.take(items)
		if dropped > 0 && !r.behind {
			r.behind = true
			r.onTrouble(fault.RecordingBehind)
		}
		for i := range items {
			if err := r.write(&items[i]); err != nil {
				r.fail(err)
				return
			}
		}
		if over {
			if err := r.finish(); err != nil {
				r.fail(err)
			}
			return
		}
	}
}

// fail ends the recording because of the disk. What is written stays.
func (r *Recorder) fail(err error) {
	r.queue.close()
	_ = r.file.out.Close() // it has failed already
	r.onTrouble(fault.CodeOf(troubleOf(err)))
}

// finish ends the file.
func (r *Recorder) finish() error {
	err := r.file.finish()
	return errors.Join(err, r.file.out.Close())
}

// write writes what comes of an item.
func (r *Recorder) write(i *item) (err error) {
	p := r.person(i.name)
	switch {
	case p == nil:
		return nil
	case i.kind == signalling.KindAudio:
		err = r.hear(p, i)
	default:
		err = r.see(p, i)
	}
	if errors.Is(err, errTracks) { // there is room for hundreds; whoever comes after them is not recorded
		p.agrees.Store(false)
		err = nil
	}
	r.length.Store(int64(r.file.length))
	return err
}

// hear writes sound.
func (r *Recorder) hear(p *person, i *item) error {
	s := r.sounds[i.name]
	if i.packet == nil {
		if s != nil {
			s.timeline.report(s.clock.Next(uint64(i.timestamp), 32), i.at)
		}
		return nil
	}
	if s == nil {
		s = &sound{track: newTrack(codec.AudioClockRate)}
		r.sounds[i.name] = s
	}
	if s.ssrc != i.packet.SSRC {
		*s = sound{track: s.anew(i.packet.SSRC)}
	}
	return s.take(i.packet, i.at, func(ticks int64, at time.Duration, payload []byte) error {
		when := s.timeline.place(ticks, at)
		if !p.agrees.Load() {
			return nil
		}
		if s.entry == nil {
			s.entry = newAudioEntry(r.title(p, i.name))
			if err := r.file.addTrack(s.entry); err != nil {
				s.entry = nil
				return err
			}
		}
		return r.file.write(s.entry, when, true, payload)
	})
}

// see writes pictures.
func (r *Recorder) see(p *person, i *item) error {
	v := r.pictures[i.name]
	switch {
	case i.dark:
		return r.darken(v, i.at)
	case i.packet == nil:
		if v != nil {
			v.timeline.report(v.assembler.Ticks(i.timestamp), i.at)
		}
		return nil
	case v == nil:
		v = &picture{track: newTrack(codec.VideoClockRate)}
		r.pictures[i.name] = v
	}
	if v.ssrc != i.packet.SSRC {
		*v = picture{track: v.anew(i.packet.SSRC)}
	}
	whole, wanted := v.take(i.packet, i.at, i.roundTrip)
	for _, f := range whole {
		if err := r.show(p, v, i.name, f, i.at); err != nil {
			return err
		}
	}
	if wanted && p.agrees.Load() {
		r.ask(i.name)
	}
	return nil
}

// show writes a picture.
func (r *Recorder) show(p *person, v *picture, name string, f frames.Frame, now time.Duration) error {
	at := v.timeline.place(f.Ticks, now)
	if !p.agrees.Load() || v.dark && !f.Key {
		return nil
	}
	width, height, sized := sizeOf(f.Payload)
	if f.Key && !sized {
		return nil
	}
	switch {
	case v.entry != nil && f.Key:
		if err := r.file.grow(v.entry, width, height); err != nil {
			return err
		}
	case v.entry == nil && !f.Key:
		return nil
	case v.entry == nil:
		v.entry = newVideoEntry(r.title(p, name), width, height)
		if err := r.file.addTrack(v.entry); err != nil {
			v.entry = nil
			return err
		}
	}
	v.dark = false
	return r.file.write(v.entry, at, f.Key, f.Payload)
}

// darken writes a black picture, unless nothing of the track is written yet.
func (r *Recorder) darken(v *picture, now time.Duration) error {
	if v == nil || v.entry == nil || v.dark {
		return nil
	}
	v.dark = true
	at := max(now, v.timeline.last+time.Millisecond)
	v.timeline.last = at
	return r.file.write(v.entry, at, true, darkFrame)
}

func (r *Recorder) ask(name string) {
	r.mu.Lock()
	ask := r.keyless
	r.mu.Unlock()
	ask(name)
}

func newTrack(rate int64) track { return track{timeline: timeline{rate: rate}} }

// anew returns the track for another stream of the same participant: the same in the file, with a clock of its own.
func (t *track) anew(ssrc uint32) track {
	return track{
		timeline: timeline{rate: t.timeline.rate, last: t.timeline.last, given: t.timeline.given},
		entry:    t.entry, ssrc: ssrc, dark: t.dark,
	}
}

// title returns what players show of a participant's track, or of its screen's.
func (r *Recorder) title(p *person, name string) string {
	if _, screen := codec.OfScreen(name); screen {
		return r.screenTitle(p.title)
	}
	return p.title
}
