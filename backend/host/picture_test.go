package host

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/signalling"
)

// photo returns a JPEG like that of a guest's page, as base64url, of any size.
func photo(t testing.TB, width, height int, comment string) string {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for x := range width {
		img.Set(x, x%height, color.RGBA{R: 250, G: 160, B: 30, A: 255})
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 60}); err != nil {
		t.Fatal(err)
	}
	// A comment segment (ITU T.81 section B.2.4.5) after the start of image.
	segment := append([]byte{0xFF, 0xFE, 0, byte(2 + len(comment))}, comment...)
	return base64.RawURLEncoding.EncodeToString(append(append(b.Bytes()[:2:2], segment...), b.Bytes()[2:]...))
}

// shown decodes the picture that the window would show.
func shown(t testing.TB, url string) image.Image {
	t.Helper()
	text, ok := strings.CutPrefix(url, "data:image/jpeg;base64,")
	b, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(b) > maxPicture {
		t.Fatalf("not a small picture: %d characters, %v", len(url), err)
	}
	img, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// hostilePictures are what a guest may send instead of a picture. They are
// well-formed on the wire, and nothing is shown of them.
func hostilePictures(t testing.TB) map[string]string {
	good, err := base64.RawURLEncoding.DecodeString(photo(t, 160, 120, ""))
	if err != nil {
		t.Fatal(err)
	}
	huge := bytes.Clone(good) // its frame header (section B.2.2) says 65,535 by 65,535
	at := bytes.Index(huge, []byte{0xFF, 0xC0})
	copy(huge[at+5:], []byte{0xFF, 0xFF, 0xFF, 0xFF})
	none := bytes.Clone(good)
	copy(none[at+5:], []byte{0, 0, 0, 0})
	noise := make([]byte, signalling.MaxPicture)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	text := base64.RawURLEncoding.EncodeToString
	return map[string]string{
		"noise":         text(noise),
		"a word":        text([]byte("picture")),
		"SVG":           text([]byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`)),
		"PNG":           text([]byte("\x89PNG\r\n\x1a\n")),
		"cut off":       text(good[:len(good)/2]),
		"header only":   text(good[:at+19]),
		"huge":          text(huge),
		"no size":       text(none),
		"progressive":   photo(t, 160, 120, string(progressive)),
		"a bit too big": photo(t, maxSide+1, 16, ""),
	}
}

func TestStill(t *testing.T) {
	url := still(photo(t, 160, 120, "taken at home"))
	if got := shown(t, url).Bounds(); got.Dx() != 160 || got.Dy() != 120 {
		t.Errorf("shown at %v", got)
	}
	if b, _ := base64.StdEncoding.DecodeString(url[len("data:image/jpeg;base64,"):]); bytes.Contains(b, []byte("taken at home")) {
		t.Error("what came beside the picture reached the window")
	}
	shown(t, still(photo(t, maxSide, maxSide, "")))
	for name, picture := range hostilePictures(t) {
		if got := still(picture); got != "" {
			t.Errorf("%s: shown as %d characters", name, len(got))
		}
	}
	for _, picture := range []string{"", "=", strings.Repeat("A", 1<<20)} {
		if still(picture) != "" {
			t.Errorf("%d characters are shown", len(picture))
		}
	}
}

// TestPictureOfAKnock checks that the host sees a guest's picture until the
// request is decided, and that of a knock with a bad picture only the picture
// is lost.
func TestPictureOfAKnock(t *testing.T) {
	f := start(t, setup{})
	l := f.link()
	pictured := func(device, name, picture string) *visitor {
		t.Helper()
		v := f.greet(l, func(h *signalling.Hello) {
			if device != "" {
				h.Device = device
			}
		})
		v.send(signalling.Knock{Name: name, Picture: picture})
		expect[signalling.Waiting](v)
		return v
	}

	ada := pictured("", "Ada", photo(t, 160, 120, ""))
	f.until("a picture", func(s hoststate.State) bool {
		return len(s.Requests) == 1 && s.Requests[0].Picture != "" && shown(t, s.Requests[0].Picture).Bounds().Dx() == 160
	})
	// A device's newest knock counts, even if it has no picture.
	again := pictured(ada.device, "Ada", photo(t, 80, 60, ""))
	f.until("the newer picture", func(s hoststate.State) bool {
		return len(s.Requests) == 1 && s.Requests[0].Picture != "" && shown(t, s.Requests[0].Picture).Bounds().Dx() == 80
	})
	bare := pictured(ada.device, "Ada", "")
	f.until("no picture", func(s hoststate.State) bool { return len(s.Requests) == 1 && s.Requests[0].Picture == "" })
	ada.ended(signalling.EndReplaced)
	again.ended(signalling.EndReplaced)
	f.admit("Ada")
	bare.seated()

	for name, picture := range hostilePictures(t) {
		v := pictured("", "Mal", picture)
		if q := f.request("Mal"); q.Picture != "" {
			t.Errorf("%s: shown as %d characters", name, len(q.Picture))
		}
		v.send(signalling.Leave{})
		f.until("Mal has left", func(s hoststate.State) bool { return len(s.Requests) == 0 })
	}

	bea := pictured("", "Bea", photo(t, 160, 120, ""))
	f.must(f.host.Decline(f.ctx, f.request("Bea").ID))
	if d := expect[signalling.Declined](bea); !d.MayRetry {
		t.Errorf("%+v", d)
	}
	f.until("nobody waits", func(s hoststate.State) bool { return len(s.Requests) == 0 })
	if err := f.host.loop.Do(f.ctx, func() {
		for _, o := range f.host.openLinks {
			for _, q := range o.lobby.Snapshot().Requests {
				t.Errorf("%s is still there", q.Name)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	bea.send(signalling.Knock{Name: "Bea"})
	if q := f.request("Bea"); q.Picture != "" {
		t.Error("a picture outlived its request")
	}
	if n := f.host.Stats().UnadmittedMedia; n != 0 {
		t.Errorf("%d packets to somebody who was not admitted", n)
	}
}

func FuzzStill(f *testing.F) {
	f.Add([]byte{})
	for _, picture := range hostilePictures(f) {
		b, err := base64.RawURLEncoding.DecodeString(picture)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	good, err := base64.RawURLEncoding.DecodeString(photo(f, 32, 24, "x"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, b []byte) {
		url := still(base64.RawURLEncoding.EncodeToString(b))
		if url == "" {
			return
		}
		if s := shown(t, url).Bounds().Size(); s.X > maxSide || s.Y > maxSide {
			t.Fatalf("shown at %v", s)
		}
	})
}
