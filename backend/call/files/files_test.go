package files

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/porch-call/porch/backend/signalling"
)

func TestClean(t *testing.T) {
	long := strings.Repeat("é", 100)
	for name, want := range map[string]string{
		"tea.pdf":                       "tea.pdf",
		"../../etc/passwd":              "etc-passwd",
		`C:\Windows\notepad.exe`:        "C--Windows-notepad.exe",
		"photo.jpg.exe":                 "photo.jpg.exe",
		"photo\u202egpj.exe":            "photogpj.exe",
		"a\x00b\nc.txt":                 "ab c.txt",
		".bashrc":                       "bashrc",
		"-rf":                           "rf",
		"con":                           "_con",
		"Com1.tar.gz":                   "_Com1.tar.gz",
		"LPT².txt":                      "_LPT².txt",
		"a. . .":                        "a",
		"...":                           "file",
		"":                              "file",
		"\u200b\u2060":                  "file",
		"a%2fb.txt":                     "a-2fb.txt",
		"nice   name .pdf":              "nice name .pdf",
		"stream.txt:evil":               "stream.txt-evil",
		long + ".pdf":                   strings.Repeat("é", 58) + ".pdf",
		strings.Repeat("a", 200):        strings.Repeat("a", 120),
		"a." + strings.Repeat("b", 200): "a." + strings.Repeat("b", 118),
	} {
		if got := Clean(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"tea.pdf", "../a", "con.txt", strings.Repeat("👩‍👩‍👧", 20) + ".gz", ". a", "a\u0300\u0300"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Clean(s)
		if got == "" || len(got) > MaxName || !utf8.ValidString(got) || strings.ContainsAny(got, "/\\:*?\"<>|%\n\x00") ||
			strings.HasPrefix(got, ".") || strings.HasSuffix(got, ".") || strings.HasSuffix(got, " ") {
			t.Errorf("%q: %q", s, got)
		}
		if again := Clean(got); again != got {
			t.Errorf("%q: %q, and then %q", s, got, again)
		}
		if line := signalling.CleanName(got); line != got {
			t.Errorf("%q: %q is shown as %q", s, got, line)
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add(frame{kind: kindWant, id: 1, offset: 2, to: 3}.write())
	f.Add(frame{kind: kindPart, id: 1, offset: 2, content: []byte("abc")}.write())
	f.Add(frame{kind: kindGot, id: 1, offset: 2}.write())
	f.Add(frame{kind: kindStop, id: 1, why: WhySlow}.write())
	f.Add([]byte{kindPart, 0, 0, 0, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := read(b)
		if err != nil {
			return
		}
		if again := got.write(); !bytes.Equal(again, b) {
			t.Errorf("%x was read as %+v, which is %x", b, got, again)
		}
	})
}

func TestKinds(t *testing.T) {
	for name, want := range map[string]string{
		"a.png": signalling.FilePicture, "a.JPG": signalling.FilePicture, "a.svg": signalling.FileProgram,
		"a.jpg.exe": signalling.FileProgram, "a.HTML": signalling.FileProgram, "exe": signalling.FileOther, "a.pdf": signalling.FileOther,
	} {
		if got := KindOf(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for _, test := range []struct {
		name, first string
		want        bool
	}{
		{"a.png", "\x89PNG\r\n\x1a\n1234", true},
		{"a.jpg", "RIFF1234WEBP", true},
		{"a.gif", "<svg", false},
		{"a.pdf", "MZ\x90", false},
		{"a.exe", "MZ\x90", true},
		{"a.txt", "#!/bin/sh", false},
		{"a.txt", "", true},
	} {
		if got := fits(test.name, []byte(test.first)); got != test.want {
			t.Errorf("%s with %q: %t", test.name, test.first, got)
		}
	}
}

// line is a line with a queue, as in front of a modem: it carries so many bytes a second, of which the call's media come
// at a rate of their own.
type line struct {
	rate, media float64 // bytes a second
	way         time.Duration
	queue       float64 // bytes
}

// send sends a file for a while with a window, and returns its rate and the longest queue of the second half.
func (l *line) send(w *Window, lasts time.Duration) (rate float64, longest time.Duration) {
	const step = time.Millisecond
	type sent struct {
		bytes    int
		at, back time.Duration
	}
	var flight []sent
	var out, done int
	start := time.Unix(0, 0)
	for now := time.Duration(0); now < lasts; now += step {
		l.queue = max(l.queue+(l.media-l.rate)*step.Seconds(), 0)
		for len(flight) > 0 && flight[0].back <= now {
			f := flight[0]
			flight = flight[1:]
			w.Took(start.Add(now), f.bytes, now-f.at, Line{})
			out -= f.bytes
			if now > lasts/2 {
				done += f.bytes
			}
		}
		for w.Hold(start.Add(now)) == 0 && out+w.Part() <= w.Size() {
			n := w.Part()
			l.queue += float64(n)
			flight = append(flight, sent{n, now, now + 2*l.way + time.Duration(l.queue/l.rate*float64(time.Second))})
			out += n
		}
		if queued := time.Duration(l.queue / l.rate * float64(time.Second)); now > lasts/2 {
			longest = max(longest, queued)
		}
	}
	return float64(done) / (lasts / 2).Seconds(), longest
}

func TestAFileTakesWhatIsLeft(t *testing.T) {
	for name, test := range map[string]struct {
		line         line
		least        float64 // of what the media leave
		longestQueue time.Duration
	}{
		"a fast line":               {line{rate: 12e6, way: 10 * time.Millisecond}, 0.5, 45 * time.Millisecond},
		"a home's uplink, two talk": {line{rate: 250e3, media: 150e3, way: 20 * time.Millisecond}, 0.6, 80 * time.Millisecond},
		"a slow line":               {line{rate: 60e3, media: 30e3, way: 40 * time.Millisecond}, 0.5, 170 * time.Millisecond},
		"media nearly fill it":      {line{rate: 60e3, media: 50e3, way: 40 * time.Millisecond}, 0.3, 250 * time.Millisecond},
	} {
		w := NewWindow()
		rate, longest := test.line.send(&w, 60*time.Second)
		t.Logf("%s: %.0f kB/s of %.0f left, queue %v, window %d", name, rate/1e3, (test.line.rate-test.line.media)/1e3, longest, w.Size())
		if left := test.line.rate - test.line.media; rate < test.least*left || longest > test.longestQueue {
			t.Errorf("%s: %.0f of %.0f bytes a second, a queue of %v", name, rate, left, longest)
		}
	}
}
