package capture

import (
	"bufio"
	"image"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"

	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/signalling"
)

// display is an X server for a test, of 640 × 400.
type display struct {
	t    *testing.T
	x    *exec.Cmd
	conn *xgb.Conn
}

func openDisplay(t *testing.T) *display {
	t.Helper()
	if _, err := exec.LookPath("Xvfb"); err != nil {
		t.Skip("Xvfb is not installed")
	}
	number, write, err := os.Pipe()
	must(t, err)
	x := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "640x400x24", "-nolisten", "tcp", "-noreset")
	x.ExtraFiles = []*os.File{write}
	must(t, x.Start())
	d := &display{t: t, x: x}
	t.Cleanup(d.end)
	must(t, write.Close())
	line, err := bufio.NewReader(number).ReadString('\n')
	must(t, err)
	must(t, number.Close())
	t.Setenv("WAYLAND_DISPLAY", "")
	t.Setenv("XDG_SESSION_TYPE", "x11")
	t.Setenv("DISPLAY", ":"+strings.TrimSpace(line))
	d.conn, err = xgb.NewConn()
	must(t, err)
	return d
}

func (d *display) end() {
	if d.conn != nil {
		d.conn.Close()
		d.conn = nil
	}
	_ = d.x.Process.Kill()
	_ = d.x.Wait() // an error, because it was killed
}

// fill draws a rectangle of one colour (0xRRGGBB).
func (d *display) fill(at image.Rectangle, colour uint32) {
	d.t.Helper()
	root := xproto.Setup(d.conn).DefaultScreen(d.conn).Root
	gc, err := xproto.NewGcontextId(d.conn)
	must(d.t, err)
	must(d.t, xproto.CreateGCChecked(d.conn, gc, xproto.Drawable(root), xproto.GcForeground, []uint32{colour}).Check())
	must(d.t, xproto.PolyFillRectangleChecked(d.conn, xproto.Drawable(root), gc, []xproto.Rectangle{{
		X: int16(at.Min.X), Y: int16(at.Min.Y), Width: uint16(at.Dx()), Height: uint16(at.Dy()),
	}}).Check())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// shownScreen returns the pictures that were sent of a screen. The caller holds the recorder's lock.
func (r *recorder) shownScreen() (frames []Frame) {
	var frame []byte
	for _, p := range r.packets[signalling.KindScreen] {
		frame = append(frame, p.Payload[vp8Descriptor:]...)
		if p.Marker {
			frames = append(frames, Frame{Key: frame[0]&1 == 0, Payload: frame})
			frame = nil
		}
	}
	return frames
}

// TestAScreenIsShared reads back what receivers decode: where which colour is, after the screen has changed, too.
func TestAScreenIsShared(t *testing.T) {
	d := openDisplay(t)
	d.fill(image.Rect(0, 0, 640, 400), 0x000000)
	d.fill(image.Rect(0, 0, 320, 400), 0xffffff)
	e := openSynthetic(t)
	screens, err := e.Screens(t.Context())
	must(t, err)
	if len(screens) != 1 || screens[0].Width != 640 || screens[0].Height != 400 || screens[0].ID == "" {
		t.Fatalf("%+v", screens)
	}
	r := newRecorder()
	s := begin(t, e, Setup{Muted: true, CameraOff: true}, r)
	must(t, s.ShareScreen(screens[0].ID, func() { t.Error("it ended") }))
	r.until(t, "a picture of the screen", func() bool { return len(r.shownScreen()) > 3 })
	d.fill(image.Rect(0, 0, 640, 200), 0xff0000)
	before := 0
	r.change(func() { before = len(r.shownScreen()) })
	r.until(t, "the changed screen", func() bool { return len(r.shownScreen()) > before+6 })

	var first, last *image.YCbCr
	r.mu.Lock()
	frames := r.shownScreen()
	r.mu.Unlock()
	decodeVP8(t, frames, func(p *image.YCbCr) {
		copied := *p
		copied.Y, copied.Cb, copied.Cr = append([]byte{}, p.Y...), append([]byte{}, p.Cb...), append([]byte{}, p.Cr...)
		if last = &copied; first == nil {
			first = last
		}
	})
	if !frames[0].Key || first.Rect.Dx() != 640 || first.Rect.Dy() != 400 {
		t.Fatalf("key %v, %v", frames[0].Key, first.Rect)
	}
	for _, c := range []struct {
		what         string
		in           *image.YCbCr
		x, y         int
		luma, cb, cr int
	}{
		{"white", first, 100, 100, 235, 128, 128},
		{"white", first, 316, 300, 235, 128, 128}, // the edge is where it is
		{"black", first, 324, 300, 16, 128, 128},
		{"red", last, 500, 100, 81, 90, 240},
		{"white", last, 100, 300, 235, 128, 128},
		{"black", last, 500, 300, 16, 128, 128},
	} {
		at := c.in.YCbCrAt(c.x, c.y)
		for i, off := range []int{int(at.Y) - c.luma, int(at.Cb) - c.cb, int(at.Cr) - c.cr} {
			if magnitude(off) > 12 {
				t.Errorf("%s at %d, %d: %v, channel %d is off by %d", c.what, c.x, c.y, at, i, off)
			}
		}
	}

	// What nobody looks at is not sent, and comes back with a keyframe.
	s.LimitScreen(false, 0)
	r.change(func() { r.packets[signalling.KindScreen] = nil })
	d.fill(image.Rect(0, 0, 640, 200), 0x00ff00)
	time.Sleep(3 * grabEvery) // the time in which nothing is to come, but what was under way
	r.change(func() { r.packets[signalling.KindScreen] = nil })
	d.fill(image.Rect(0, 0, 640, 200), 0x0000ff)
	time.Sleep(3 * grabEvery)
	r.change(func() {
		if n := len(r.shownScreen()); n > 0 {
			t.Errorf("%d pictures that nobody looks at", n)
		}
	})
	s.LimitScreen(true, 500_000)
	r.until(t, "the screen again", func() bool {
		f := r.shownScreen()
		return len(f) > 0 && f[0].Key
	})
	s.ForceScreenKeyframe()
	r.until(t, "a keyframe that was asked for", func() bool {
		keys := 0
		for _, f := range r.shownScreen() {
			keys += one(f.Key)
		}
		return keys > 1
	})

	s.StopScreen()
	s.StopScreen()
	if s.Presenting() {
		t.Error("it is shared still")
	}
	r.change(func() { r.packets[signalling.KindScreen] = nil })
	must(t, s.Close())
	r.change(func() {
		if n := len(r.packets[signalling.KindScreen]); n > 0 {
			t.Errorf("%d packets after the end", n)
		}
	})
}

// TestAStillScreenCostsLittle checks that nothing is encoded again and again while nothing moves, and that the stream lives.
func TestAStillScreenCostsLittle(t *testing.T) {
	p := pacing{}
	sent := 0
	for now := time.Duration(0); now < 20*time.Second; now += grabEvery {
		if p.due(now == 0, now) {
			sent++
		}
	}
	if sent < 1+settling+15 || sent > 1+settling+21 {
		t.Errorf("%d pictures in 20 s", sent)
	}
	for range 20 {
		p.wait(400*time.Millisecond, false)
	}
	if w := p.wait(400*time.Millisecond, false); w < 500*time.Millisecond {
		t.Errorf("a slow machine looks again after %v", w)
	}
}

// TestWhyThereIsNoScreen checks what is said of a desktop whose screen can't be seen, of a screen that is not there, and of
// one that goes.
func TestWhyThereIsNoScreen(t *testing.T) {
	d := openDisplay(t)
	e := openSynthetic(t)
	s := begin(t, e, Setup{Muted: true, CameraOff: true}, newRecorder())
	code := func(want fault.Code, err error) {
		t.Helper()
		if got := fault.CodeOf(err); got != want {
			t.Errorf("%v, want %v", err, want)
		}
	}
	code(fault.ScreenMissing, s.ShareScreen("another", nil))
	t.Setenv("XDG_SESSION_TYPE", "wayland")
	_, err := e.Screens(t.Context())
	code(fault.ScreenWayland, err)
	code(fault.ScreenWayland, s.ShareScreen("", nil))
	t.Setenv("XDG_SESSION_TYPE", "x11")

	screens, err := e.Screens(t.Context())
	must(t, err)
	ended := make(chan struct{})
	must(t, s.ShareScreen(screens[0].ID, func() { close(ended) }))
	d.end()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("nobody hears that the display has gone")
	}
	if s.Presenting() {
		t.Error("it is shared still")
	}
	_, err = e.Screens(t.Context())
	code(fault.ScreenMissing, err)
	must(t, s.Close())
	code(fault.ShuttingDown, func() error {
		d := openDisplay(t)
		defer d.end()
		screens, err := e.Screens(t.Context())
		must(t, err)
		return s.ShareScreen(screens[0].ID, nil)
	}())
}

// BenchmarkGrab is what a screen of 1080 lines costs for each picture that differs, without the encoder.
func BenchmarkGrab(b *testing.B) {
	if os.Getenv("DISPLAY") == "" {
		b.Skip("no display")
	}
	d, err := x11Screens{}.display()
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	m := d.Monitors()[0]
	g := d.Grab(even(m.At))
	defer g.Close()
	s := &x11Source{display: d, grabber: g, size: m.At.Size()}
	for b.Loop() {
		s.picture = nil
		if _, err := s.look(time.Now()); err != nil {
			b.Fatal(err)
		}
	}
}
