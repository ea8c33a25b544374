package doormessages

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/porch-call/porch/backend/fault"
)

var webm = []byte{0x1a, 0x45, 0xdf, 0xa3}

func box(t *testing.T, dir string, now func() time.Time) *Box {
	t.Helper()
	b, err := Open(dir, now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func leave(t *testing.T, b *Box, link string, content []byte) Message {
	t.Helper()
	w, err := b.Begin(Message{Link: link, Device: "d", Name: "Zoë", Kind: Video, Seconds: 12, Size: int64(len(content))})
	if err != nil {
		t.Fatal(err)
	}
	for rest := content; len(rest) > 0; {
		n := min(len(rest), 45_000)
		if _, err := w.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if !w.Whole() {
		t.Fatal("not whole")
	}
	if err := w.End(); err != nil {
		t.Fatal(err)
	}
	all := b.List()
	return all[len(all)-1]
}

func content(n int) []byte {
	c := make([]byte, n)
	rand.Read(c)
	copy(c, webm)
	return c
}

func all(t *testing.T, b *Box, id string) []byte {
	t.Helper()
	var got []byte
	for {
		part, err := b.Read(id, int64(len(got)))
		if err != nil {
			t.Fatal(err)
		}
		if len(part) == 0 {
			return got
		}
		if len(part) > 1<<20 {
			t.Fatalf("%d bytes at once", len(part))
		}
		got = append(got, part...)
	}
}

func TestMessagesAreThereAfterARestart(t *testing.T) {
	dir := t.TempDir()
	b := box(t, dir, time.Now)
	var kept []Message
	var contents [][]byte
	for _, n := range []int{5, chunkSize - 1, chunkSize, chunkSize + 1, 3 * chunkSize, 1<<20 + 17, 2<<20 + 1} {
		c := content(n)
		m := leave(t, b, "A", c)
		if m.Type != "video/webm" || !bytes.Equal(all(t, b, m.ID), c) {
			t.Fatalf("%d bytes: %+v", n, m)
		}
		kept, contents = append(kept, m), append(contents, c)
	}
	if err := b.Keep(kept[0].ID, true); err != nil {
		t.Fatal(err)
	}
	again := box(t, dir, time.Now)
	list := again.List()
	if len(list) != len(kept) || !list[0].Kept || list[1].Kept {
		t.Fatalf("%+v", list)
	}
	for i, m := range list {
		if m.Name != "Zoë" || m.Link != "A" || m.Type != "video/webm" || !bytes.Equal(all(t, again, m.ID), contents[i]) {
			t.Fatalf("%+v", m)
		}
	}
	if err := again.Delete(list[0].ID); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{again.Delete(list[0].ID), again.Keep(list[0].ID, true)} {
		if fault.CodeOf(err) != fault.MessageGone {
			t.Fatal(err)
		}
	}
	if _, err := again.Read(list[0].ID, 0); fault.CodeOf(err) != fault.MessageGone {
		t.Fatal(err)
	}
	if n := len(box(t, dir, time.Now).List()); n != len(kept)-1 {
		t.Fatalf("%d after a deletion", n)
	}
}

// TestFilesTellNothing looks for names and content in the files, and changes them.
func TestFilesTellNothing(t *testing.T) {
	dir := t.TempDir()
	b := box(t, dir, time.Now)
	m := leave(t, b, "link-of-the-choir", append(bytes.Clone(webm), bytes.Repeat([]byte("plain words "), 20_000)...))
	path := filepath.Join(dir, m.ID+endSaved)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"choir", "Zoë", "plain words", "video"} {
		if bytes.Contains(raw, []byte(secret)) {
			t.Errorf("the file has %q in the clear", secret)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, keyName)); err != nil || os.PathSeparator == '/' && info.Mode().Perm() != 0o600 {
		t.Fatalf("the key: %v %v", info.Mode(), err)
	}
	damages := map[string]func([]byte) []byte{
		"a bit":          func(b []byte) []byte { b[len(b)-5] ^= 1; return b },
		"the end":        func(b []byte) []byte { return b[:len(b)-1] },
		"the last chunk": func(b []byte) []byte { return b[:saltSize+3*(chunkSize+tagSize)] },
		"more":           func(b []byte) []byte { return append(b, 0) },
		"nothing":        func([]byte) []byte { return nil },
		"chunks in order": func(b []byte) []byte {
			c := chunkSize + tagSize
			one := bytes.Clone(b[saltSize+c : saltSize+2*c])
			copy(b[saltSize+c:], b[saltSize+2*c:saltSize+3*c])
			copy(b[saltSize+2*c:], one)
			return b
		},
	}
	for what, damage := range damages {
		if err := os.WriteFile(path, damage(bytes.Clone(raw)), 0o600); err != nil {
			t.Fatal(err)
		}
		again := box(t, dir, time.Now)
		for _, m := range again.List() { // damage behind the first chunks shows when it is read
			for from := int64(0); from < m.Size; from += partChunks * chunkSize {
				if part, err := again.Read(m.ID, from); err == nil {
					t.Errorf("%s: %d bytes were read", what, len(part))
				}
			}
		}
	}
}

// TestIdleOnesGiveWay: whoever begins messages and sends nothing keeps nobody else from leaving one.
func TestIdleOnesGiveWay(t *testing.T) {
	now := time.Now()
	b := box(t, t.TempDir(), func() time.Time { return now })
	begin := func(link string) (*Writer, error) {
		return b.Begin(Message{Link: link, Kind: Note, Size: 4})
	}
	var idlers []*Writer
	for range MaxAtOnce {
		w, err := begin("A")
		if err != nil {
			t.Fatal(err)
		}
		idlers = append(idlers, w)
	}
	if _, err := begin("B"); fault.CodeOf(err) != fault.TooFast {
		t.Fatal(err)
	}
	now = now.Add(idle)
	if _, err := idlers[0].Write([]byte("he")); err != nil { // this one goes on
		t.Fatal(err)
	}
	now = now.Add(time.Second)
	for range MaxAtOnce - 1 {
		if _, err := begin("B"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := begin("B"); fault.CodeOf(err) != fault.TooFast {
		t.Errorf("one more than can arrive at once: %v", err)
	}
	if _, err := idlers[1].Write([]byte("late")); err != nil { // it waits for its chunk
		t.Fatal(err)
	}
	if err := idlers[1].End(); fault.CodeOf(err) != fault.TooFast {
		t.Errorf("one that has given way: %v", err)
	}
	idlers[2].Abort()
	if _, err := idlers[0].Write([]byte("re")); err != nil || idlers[0].End() != nil || len(b.List()) != 1 {
		t.Errorf("%v, %d messages", err, len(b.List()))
	}
	if files, err := os.ReadDir(b.dir); err != nil || len(files) != 1+1+MaxAtOnce-1 { // key, message, and those that arrive
		t.Errorf("%d files, %v", len(files), err)
	}
}

func TestRules(t *testing.T) {
	small := Message{Link: "A", Size: 100}
	many := func(n int, m Message) (list []Message) {
		for range n {
			list = append(list, m)
		}
		return list
	}
	for _, c := range []struct {
		what            string
		m               Message
		saved, arriving []Message
		want            fault.Code
	}{
		{"the first", small, nil, nil, ""},
		{"an empty one", Message{Link: "A"}, nil, nil, fault.MessageInvalid},
		{"the largest", Message{Link: "A", Size: MaxSize, Seconds: MaxSeconds}, nil, nil, ""},
		{"a larger one", Message{Link: "A", Size: MaxSize + 1}, nil, nil, fault.MessageInvalid},
		{"a longer one", Message{Link: "A", Size: 1, Seconds: MaxSeconds + 1}, nil, nil, fault.MessageInvalid},
		{"the 20th of a link", small, many(MaxPerLink-1, small), nil, ""},
		{"the 21st of a link", small, many(MaxPerLink, small), nil, fault.MessagesFull},
		{"the 21st, with one that arrives", small, many(MaxPerLink-1, small), many(1, small), fault.MessagesFull},
		{"of another link", Message{Link: "B", Size: 1}, many(MaxPerLink, small), nil, ""},
		{"the last bytes", Message{Link: "B", Size: MaxSize}, many(9, Message{Link: "A", Size: MaxSize}), nil, ""},
		{"one byte more", Message{Link: "B", Size: MaxSize}, append(many(9, Message{Link: "A", Size: MaxSize}), Message{Link: "C", Size: 1}), nil, fault.MessagesFull},
		{"the fifth at once", Message{Link: "B", Size: 1}, nil, many(MaxAtOnce, small), fault.TooFast},
	} {
		if err := admit(c.m, c.saved, c.arriving); c.want == "" && err != nil || c.want != "" && fault.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %q", c.what, err, c.want)
		}
	}
	for _, c := range []struct {
		kind  Kind
		first string
		want  string
	}{
		{Video, string(webm), "video/webm"}, {Sound, string(webm), "audio/webm"}, {Sound, "OggS....", "audio/ogg"},
		{Video, "\x00\x00\x00\x20ftypisom", "video/mp4"}, {Video, "<html><script>", ""}, {Sound, "", ""},
		{Video, "RIFF....WAVE", ""}, {Note, "<html>", "text/plain"},
	} {
		if got := typeOf(c.kind, []byte(c.first)); got != c.want {
			t.Errorf("%s %q: %q", c.kind, c.first, got)
		}
	}
}

func TestMessagesExpireUnlessKept(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	clock := func() time.Time { return now }
	b := box(t, dir, clock)
	old, kept := leave(t, b, "A", content(10)), leave(t, b, "A", content(10))
	if err := b.Keep(kept.ID, true); err != nil {
		t.Fatal(err)
	}
	now = now.Add(KeptFor)
	if b.Expire() || len(b.List()) != 2 {
		t.Fatal("deleted too early")
	}
	now = now.Add(time.Second)
	if b := box(t, dir, clock); len(b.List()) != 1 || b.List()[0].ID != kept.ID {
		t.Fatalf("%+v", b.List())
	}
	if !b.Expire() || len(b.List()) != 1 {
		t.Fatal(old)
	}
	if err := b.Keep(kept.ID, false); err != nil || !b.Expire() || len(b.List()) != 0 {
		t.Fatal("no longer kept, and still there", err)
	}
}

func TestAbortedAndOverlongMessages(t *testing.T) {
	dir := t.TempDir()
	b := box(t, dir, time.Now)
	w, err := b.Begin(Message{Link: "A", Kind: Sound, Size: 10})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 11)); fault.CodeOf(err) != fault.MessageInvalid {
		t.Fatal(err)
	}
	w.Abort()
	files, _ := os.ReadDir(dir)
	if len(files) != 1 || len(b.List()) != 0 {
		t.Fatalf("%v", files)
	}
}

// TestKilled kills a process that leaves, keeps and deletes messages, at random times, and looks whether what it has
// said to be saved is there, and whether all that is there can be read.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("PORCH_DOOR_MESSAGES"); dir != "" {
		writeUntilKilled(dir)
	}
	rounds := 60
	if testing.Short() {
		rounds = 5
	}
	dir := t.TempDir()
	saved := map[string]bool{}
	for round := range rounds {
		child := exec.Command(os.Args[0], "-test.run", "^TestKilled$")
		child.Env = append(os.Environ(), "PORCH_DOOR_MESSAGES="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1)
		rand.Read(b)
		time.AfterFunc(30*time.Millisecond+time.Duration(b[0])*200*time.Microsecond, func() { _ = child.Process.Kill() })
		said, _ := io.ReadAll(out)
		_ = child.Wait() // killed
		open := ""       // a deletion of which we can't know whether it came to its end
		for line := range strings.Lines(string(said)) {
			what, id, whole := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
			switch {
			case !whole || !strings.HasSuffix(line, "\n"):
			case what == "saved":
				saved[id] = true
			case what == "deleting":
				open = id
			case what == "deleted":
				delete(saved, id)
				open = ""
			}
		}
		found := map[string]bool{}
		box := box(t, dir, time.Now)
		for _, m := range box.List() {
			found[m.ID] = true
			if got := all(t, box, m.ID); int64(len(got)) != m.Size || !bytes.HasPrefix(got, webm) {
				t.Fatalf("round %d: %d of %d bytes", round, len(got), m.Size)
			}
		}
		delete(saved, open)
		for id := range saved {
			if !found[id] {
				t.Fatalf("round %d: %s was saved and is gone", round, id)
			}
		}
		for id := range found {
			saved[id] = true // saved just before it could be said
		}
	}
}

func writeUntilKilled(dir string) {
	b, err := Open(dir, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		panic(err)
	}
	for i := 0; ; i++ {
		c := content(1 + i%5*70_000 + 4)
		w, err := b.Begin(Message{Link: fmt.Sprint("L", i%3), Kind: Video, Size: int64(len(c))})
		if err != nil {
			panic(err)
		}
		if _, err := w.Write(c); err != nil {
			panic(err)
		}
		if err := w.End(); err != nil {
			panic(err)
		}
		all := b.List()
		id := all[len(all)-1].ID
		fmt.Println("saved", id)
		if err := b.Keep(id, true); err != nil {
			panic(err)
		}
		if len(all) > 12 {
			fmt.Println("deleting", all[0].ID)
			if err := b.Delete(all[0].ID); err != nil {
				panic(err)
			}
			fmt.Println("deleted", all[0].ID)
		}
	}
}

func TestNoBox(t *testing.T) {
	var b *Box
	_, read := b.Read("id", 0)
	for what, err := range map[string]error{"read": read, "keep": b.Keep("id", true), "delete": b.Delete("id")} {
		if fault.CodeOf(err) != fault.MessageGone {
			t.Errorf("%s: %v", what, err)
		}
	}
	if len(b.List()) != 0 {
		t.Error("no box holds something")
	}
}
