//go:build linux

package x11

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"io"
	"log"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/randr"
	"github.com/jezek/xgb/shm"
	"github.com/jezek/xgb/xfixes"
	"github.com/jezek/xgb/xproto"
	"golang.org/x/sys/unix"
)

func init() { xgb.Logger = log.New(io.Discard, "", 0) } // errors are returned as well

// Monitor is a part of the display that one screen shows.
type Monitor struct {
	Name    string
	At      image.Rectangle
	Primary bool
}

// Display is a connection to an X server. It is not safe for concurrent use, except for Close.
type Display struct {
	conn   *xgb.Conn
	screen *xproto.ScreenInfo
	cursor bool // the server tells what the pointer looks like
	shares bool // the server has MIT-SHM
}

// Open connects to the display that the environment names. It must be closed.
func Open() (*Display, error) {
	conn, err := xgb.NewConn()
	if err != nil {
		return nil, err
	}
	d := &Display{conn: conn}
	if err := d.look(); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// look notes what the server can do.
func (d *Display) look() error {
	setup := xproto.Setup(d.conn)
	d.screen = setup.DefaultScreen(d.conn)
	if d.screen == nil || setup.ImageByteOrder != xproto.ImageOrderLSBFirst {
		return errors.New("x11: pixels of an unknown form")
	}
	deep := false
	for _, f := range setup.PixmapFormats {
		deep = deep || f.Depth == d.screen.RootDepth && f.BitsPerPixel == 32
	}
	if !deep {
		return fmt.Errorf("x11: pixels of an unknown form, %d bits deep", d.screen.RootDepth)
	}
	d.shares = shm.Init(d.conn) == nil
	if xfixes.Init(d.conn) == nil {
		_, err := xfixes.QueryVersion(d.conn, 4, 0).Reply() // which must come first
		d.cursor = err == nil
	}
	return nil
}

// Close ends the connection. A Grab under way returns an error.
func (d *Display) Close() { d.conn.Close() }

// Monitors returns the monitors, the primary one first. Without RandR 1.5 it is all that the display shows.
func (d *Display) Monitors() []Monitor {
	all := []Monitor{{Name: "", At: image.Rect(0, 0, int(d.screen.WidthInPixels), int(d.screen.HeightInPixels)), Primary: true}}
	if randr.Init(d.conn) != nil {
		return all
	}
	if v, err := randr.QueryVersion(d.conn, 1, 5).Reply(); err != nil || v.MajorVersion == 1 && v.MinorVersion < 5 {
		return all
	}
	found, err := randr.GetMonitors(d.conn, d.screen.Root, true).Reply()
	if err != nil {
		return all
	}
	var list []Monitor
	for _, m := range found.Monitors {
		at := image.Rect(int(m.X), int(m.Y), int(m.X)+int(m.Width), int(m.Y)+int(m.Height)).Intersect(all[0].At)
		if at.Empty() {
			continue
		}
		monitor := Monitor{At: at, Primary: m.Primary}
		if name, err := xproto.GetAtomName(d.conn, m.Name).Reply(); err == nil {
			monitor.Name = name.Name
		}
		if m.Primary {
			list = append([]Monitor{monitor}, list...)
		} else {
			list = append(list, monitor)
		}
	}
	if len(list) == 0 {
		return all
	}
	return list
}

// Grabber takes pictures of a part of a display. It is not safe for concurrent use.
type Grabber struct {
	d      *Display
	at     image.Rectangle
	shared []byte // nil without shared memory
	seg    shm.Seg
	pixels []byte
	before []byte // of the last picture
}

// Grab returns a grabber for a part of the display. It must be closed before the display.
func (d *Display) Grab(at image.Rectangle) *Grabber {
	g := &Grabber{d: d, at: at}
	if d.shares {
		g.share()
	}
	return g
}

// share tries to share memory with the server, which fails if that is in another namespace or on another machine.
func (g *Grabber) share() {
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, g.size(), unix.IPC_CREAT|0o600)
	if err != nil {
		return
	}
	memory, err := unix.SysvShmAttach(id, 0, 0)
	if err == nil {
		var seg shm.Seg
		if seg, err = shm.NewSegId(g.d.conn); err == nil {
			err = shm.AttachChecked(g.d.conn, seg, uint32(id), false).Check()
		}
		g.seg = seg
	}
	_, _ = unix.SysvShmCtl(id, unix.IPC_RMID, nil) // it goes once nobody has it attached
	switch {
	case err == nil:
		g.shared = memory
	case memory != nil:
		_ = unix.SysvShmDetach(memory) // it is attached
	}
}

func (g *Grabber) size() int { return 4 * g.at.Dx() * g.at.Dy() }

// Grab returns the picture, four bytes a pixel: blue, green, red, and one that means nothing. It is valid until the next
// Grab. changed reports whether it differs from the last one.
func (g *Grabber) Grab() (pixels []byte, changed bool, err error) {
	g.before, g.pixels = g.pixels, g.before
	if pixels, err = g.grab(); err != nil {
		return nil, false, err
	}
	if len(pixels) < g.size() {
		return nil, false, fmt.Errorf("x11: picture of %d bytes", len(pixels))
	}
	g.pixels = append(g.pixels[:0], pixels[:g.size()]...)
	g.point()
	return g.pixels, !bytes.Equal(g.pixels, g.before), nil
}

func (g *Grabber) grab() ([]byte, error) {
	root := xproto.Drawable(g.d.screen.Root)
	x, y, w, h := int16(g.at.Min.X), int16(g.at.Min.Y), uint16(g.at.Dx()), uint16(g.at.Dy())
	if g.shared != nil {
		_, err := shm.GetImage(g.d.conn, root, x, y, w, h, ^uint32(0), xproto.ImageFormatZPixmap, g.seg, 0).Reply()
		return g.shared, err
	}
	reply, err := xproto.GetImage(g.d.conn, xproto.ImageFormatZPixmap, root, x, y, w, h, ^uint32(0)).Reply()
	if err != nil {
		return nil, err
	}
	return reply.Data, nil
}

// point draws the pointer, which is not part of the server's picture.
func (g *Grabber) point() {
	if !g.d.cursor {
		return
	}
	c, err := xfixes.GetCursorImage(g.d.conn).Reply()
	if err != nil || len(c.CursorImage) < int(c.Width)*int(c.Height) {
		return
	}
	left, top := int(c.X)-int(c.Xhot)-g.at.Min.X, int(c.Y)-int(c.Yhot)-g.at.Min.Y
	blend(g.pixels, g.at.Dx(), g.at.Dy(), c.CursorImage, int(c.Width), left, top)
}

// Close gives the memory back.
func (g *Grabber) Close() {
	if g.shared == nil {
		return
	}
	_ = shm.DetachChecked(g.d.conn, g.seg).Check() // fails if the connection has ended, which detaches as well
	_ = unix.SysvShmDetach(g.shared)               // it is attached
	g.shared = nil
}
