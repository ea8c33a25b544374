package doormessages

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/porch-call/porch/backend/fault"
)

// Names of files. A message's name without its end is its id.
const (
	keyName  = "key"
	endSaved = ".message"
	endKept  = ".kept"
	endPart  = ".part"
)

// Box holds all messages. It is safe for concurrent use, and a nil box holds none. Its errors are faults:
// StoreUnavailable, MessageGone, and those of Begin.
type Box struct {
	dir string
	key []byte
	now func() time.Time
	log *slog.Logger

	// saved are the messages, the oldest first. A list that was stored never changes, so that who reads one does not
	// wait for the disk.
	saved atomic.Pointer[[]Message]

	mu       sync.Mutex // held while saved is changed, with the files; no other lock is taken under it
	arriving map[*Writer]struct{}
}

// Open opens the messages in a folder, which it makes, and deletes those that have expired or were never whole.
func Open(dir string, now func() time.Time, log *slog.Logger) (*Box, error) {
	b := &Box{dir: dir, now: now, log: log, arriving: make(map[*Writer]struct{})}
	saved, err := b.load()
	if err != nil {
		return nil, unavailable("open", err)
	}
	b.saved.Store(&saved)
	b.Expire()
	return b, nil
}

func unavailable(what string, err error) error {
	return fault.New(fault.StoreUnavailable, fmt.Errorf("doormessages: %s: %w", what, err))
}

func (b *Box) load() (saved []Message, err error) {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return nil, err
	}
	if err := b.loadKey(); err != nil {
		return nil, err
	}
	files, err := os.ReadDir(b.dir)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		id, end := f.Name(), filepath.Ext(f.Name())
		id = strings.TrimSuffix(id, end)
		switch end {
		case endPart: // its guest was told of no success
			_ = os.Remove(filepath.Join(b.dir, f.Name())) // the next start tries again
		case endSaved, endKept:
			m, err := b.read(id, end == endKept)
			if err != nil { // it stays, for whoever has the key that it was sealed with
				b.log.Warn("a door message can't be read", "err", err)
				continue
			}
			saved = append(saved, m)
		}
	}
	slices.SortFunc(saved, func(x, y Message) int { return cmp.Or(x.At.Compare(y.At), strings.Compare(x.ID, y.ID)) })
	return saved, nil
}

// loadKey reads the key, and makes it at the first start.
func (b *Box) loadKey() error {
	path := filepath.Join(b.dir, keyName)
	key, err := os.ReadFile(path)
	if err == nil && len(key) == 32 {
		b.key = key
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b.key = make([]byte, 32)
	rand.Read(b.key) // never fails
	f, err := os.OpenFile(path+endPart, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b.key)
	return errors.Join(err, b.finish(f, keyName))
}

// finish closes a file that is whole, and gives it its name for good.
func (b *Box) finish(f *os.File, name string) error {
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return b.rename(filepath.Base(f.Name()), name)
}

// rename renames a file, and puts that on the disk.
func (b *Box) rename(from, to string) error {
	if err := os.Rename(filepath.Join(b.dir, from), filepath.Join(b.dir, to)); err != nil {
		return err
	}
	syncDir(b.dir)
	return nil
}

// syncDir puts the names in a folder on the disk, where the system can.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync() // Windows can't, and writes names through
		_ = d.Close()
	}
}

// read reads the description of a message, and checks that the message is whole.
func (b *Box) read(id string, kept bool) (m Message, err error) {
	o, err := open(b.path(id, kept), b.key)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, o.file.Close()) }()
	d, err := o.description()
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(d, &m); err != nil {
		return m, err
	}
	if !o.whole(m.Size) {
		return m, errDamaged
	}
	first, err := o.chunk(1)
	if err != nil {
		return m, err
	}
	m.ID, m.Kept, m.Type = id, kept, typeOf(m.Kind, first)
	return m, nil
}

func (b *Box) path(id string, kept bool) string {
	if kept {
		return filepath.Join(b.dir, id+endKept)
	}
	return filepath.Join(b.dir, id+endSaved)
}

// List returns all messages, the oldest first. The list is not to be changed. It never waits.
func (b *Box) List() []Message {
	if b == nil {
		return nil
	}
	return *b.saved.Load()
}

// change stores what do makes of a copy of the list. mu is held.
func (b *Box) change(do func(saved []Message) []Message) {
	saved := do(slices.Clone(b.List()))
	b.saved.Store(&saved)
}

// Expire deletes the messages whose time is over. It reports whether there were any.
func (b *Box) Expire() bool {
	now := b.now()
	any := false
	for _, m := range b.List() {
		if expired(m, now) && b.Delete(m.ID) == nil {
			any = true
		}
	}
	return any
}

// find returns a message and its place in the list. Fault: MessageGone.
func (b *Box) find(id string) (m Message, i int, err error) {
	saved := b.List()
	i = slices.IndexFunc(saved, func(m Message) bool { return m.ID == id })
	if i < 0 {
		return Message{}, 0, fault.New(fault.MessageGone, nil)
	}
	return saved[i], i, nil
}

// Keep says whether a message stays until the host deletes it. Fault: MessageGone.
func (b *Box) Keep(id string, on bool) error {
	if b == nil {
		return fault.New(fault.MessageGone, nil)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	m, i, err := b.find(id)
	if err != nil || m.Kept == on {
		return err
	}
	if err := b.rename(filepath.Base(b.path(id, !on)), filepath.Base(b.path(id, on))); err != nil {
		return unavailable("keep", err)
	}
	b.change(func(saved []Message) []Message {
		saved[i].Kept = on
		return saved
	})
	return nil
}

// Delete deletes a message. Fault: MessageGone.
func (b *Box) Delete(id string) error {
	if b == nil {
		return fault.New(fault.MessageGone, nil)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	m, i, err := b.find(id)
	if err != nil {
		return err
	}
	if err := os.Remove(b.path(id, m.Kept)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unavailable("delete", err)
	}
	syncDir(b.dir)
	b.change(func(saved []Message) []Message { return slices.Delete(saved, i, i+1) })
	return nil
}

// DeleteOf deletes all messages of a link.
func (b *Box) DeleteOf(link string) (err error) {
	for _, m := range b.List() {
		if m.Link == link {
			err = cmp.Or(err, b.Delete(m.ID))
		}
	}
	return err
}

// partChunks is how many chunks Read returns at once.
const partChunks = 16

// Read returns at most 1 MiB of a message from a place that an earlier Read has reached, 0 for its beginning. Behind the
// end it returns nothing. Fault: MessageGone.
func (b *Box) Read(id string, from int64) (part []byte, err error) {
	m, _, err := b.find(id)
	if err != nil {
		return nil, err
	}
	if from < 0 || from%chunkSize != 0 && from < m.Size {
		return nil, fault.New(fault.MessageGone, nil)
	}
	if from >= m.Size {
		return nil, nil
	}
	o, err := open(b.path(id, m.Kept), b.key)
	if err != nil {
		return nil, unavailable("read", err)
	}
	defer func() { err = errors.Join(err, o.file.Close()) }()
	for n := 1 + from/chunkSize; n < 1+from/chunkSize+partChunks && int64(len(part)) < m.Size-from; n++ {
		c, err := o.chunk(n)
		if err != nil {
			return nil, unavailable("read", err)
		}
		part = append(part, c...)
	}
	return part, nil
}

// Begin makes room for a message of a guest. Its Size, Seconds and Kind are what the guest says of it. Faults:
// MessageInvalid, MessagesFull, TooFast, StoreUnavailable.
func (b *Box) Begin(m Message) (*Writer, error) {
	m.ID, m.At = rand.Text(), b.now()
	description, err := json.Marshal(m)
	if err != nil {
		return nil, fault.New(fault.MessageInvalid, err)
	}
	w := &Writer{box: b, message: m}
	w.heard.Store(m.At.UnixNano())
	b.mu.Lock()
	defer b.mu.Unlock()
	b.giveUpIdle(m.At)
	arriving := make([]Message, 0, len(b.arriving))
	for other := range b.arriving {
		arriving = append(arriving, other.message)
	}
	if err := admit(m, b.List(), arriving); err != nil {
		return nil, err
	}
	if w.file, err = os.OpenFile(filepath.Join(b.dir, m.ID+endPart), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); err != nil {
		return nil, unavailable("begin", err)
	}
	if w.sealer, err = newSealer(w.file, b.key, description); err != nil {
		w.drop()
		return nil, unavailable("begin", err)
	}
	b.arriving[w] = struct{}{}
	return w, nil
}

// giveUpIdle makes room of messages of which nothing has come for a while, so that nobody keeps others from leaving
// theirs. mu is held.
func (b *Box) giveUpIdle(now time.Time) {
	for w := range b.arriving {
		if now.UnixNano()-w.heard.Load() > int64(idle) {
			delete(b.arriving, w)
			w.drop()
		}
	}
}

// Writer takes a message as it comes. One goroutine uses it. After End or Abort it takes nothing more.
type Writer struct {
	box     *Box
	message Message
	file    *os.File
	sealer  *sealer
	first   []byte
	heard   atomic.Int64 // when something came, in Unix nanoseconds
	Got     int64        // bytes so far
}

// Write takes a part. More than the message's size is the fault MessageInvalid.
func (w *Writer) Write(p []byte) (int, error) {
	if w.Got+int64(len(p)) > w.message.Size {
		return 0, fault.Newf(fault.MessageInvalid, "a door message that is longer than it said")
	}
	w.heard.Store(w.box.now().UnixNano())
	if len(w.first) < 16 {
		w.first = append(w.first, p[:min(len(p), 16)]...)
	}
	n, err := w.sealer.Write(p)
	w.Got += int64(n)
	if err != nil {
		return n, lost("write", err)
	}
	return n, nil
}

// lost returns why a message is not taken: it has given way to another one, or the disk takes nothing.
func lost(what string, err error) error {
	if errors.Is(err, os.ErrClosed) {
		return &fault.Error{Code: fault.TooFast, After: idle}
	}
	return unavailable(what, err)
}

// Whole reports whether all has come.
func (w *Writer) Whole() bool { return w.Got == w.message.Size }

// End puts the message on the disk. Once it returns without an error, the message is saved.
func (w *Writer) End() error {
	b := w.box
	err := w.sealer.end()
	if err == nil {
		err = b.finish(w.file, w.message.ID+endSaved)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.arriving, w)
	if err != nil {
		w.drop()
		return lost("end", err)
	}
	w.message.Type = typeOf(w.message.Kind, w.first)
	b.change(func(saved []Message) []Message { return append(saved, w.message) })
	return nil
}

// Abort gives the message up.
func (w *Writer) Abort() {
	w.box.mu.Lock()
	defer w.box.mu.Unlock()
	delete(w.box.arriving, w)
	w.drop()
}

// drop removes the file of a message that is not saved.
func (w *Writer) drop() {
	_ = w.file.Close()           // it is removed
	_ = os.Remove(w.file.Name()) // the next start tries again
}
