package handover

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// raster draws an SVG that QR wrote, from its text alone.
func raster(t *testing.T, svg string) *image.Gray {
	t.Helper()
	var doc struct {
		ViewBox string `xml:"viewBox,attr"`
		Paths   []struct {
			Fill string `xml:"fill,attr"`
			D    string `xml:"d,attr"`
		} `xml:"path"`
	}
	must(t, xml.Unmarshal([]byte(svg), &doc))
	var x0, y0, w, h int
	if _, err := fmt.Sscanf(doc.ViewBox, "%d %d %d %d", &x0, &y0, &w, &h); err != nil || x0 != 0 || y0 != 0 || w != h {
		t.Fatalf("viewBox %q: %v", doc.ViewBox, err)
	}
	const scale = 6
	picture := image.NewGray(image.Rect(0, 0, w*scale, h*scale))
	for _, p := range doc.Paths {
		shade := color.Gray{}
		if p.Fill == "#fff" {
			shade.Y = 255
		}
		for _, box := range strings.Split(strings.TrimPrefix(strings.TrimSuffix(p.D, "z"), "M"), "zM") {
			var x, y, width, height, back int
			if _, err := fmt.Sscanf(box, "%d %dh%dv%dh-%d", &x, &y, &width, &height, &back); err != nil || back != width {
				t.Fatalf("%q: %v", box, err)
			}
			for py := y * scale; py < (y+height)*scale; py++ {
				for px := x * scale; px < (x+width)*scale; px++ {
					picture.SetGray(px, py, shade)
				}
			}
		}
	}
	return picture
}

// An independent decoder reads what QR wrote.
func TestQR(t *testing.T) {
	if _, err := exec.LookPath("zbarimg"); err != nil {
		t.Skip("zbarimg is not installed")
	}
	for i, text := range []string{address, "http://localhost:7674/j/jTPd1CHjS1a8m3t7vVQxYw#q83vASNFZ4mrze8BI0VniQ", strings.Repeat("porch ", 50)} {
		svg, err := QR(text)
		must(t, err)
		var file bytes.Buffer
		must(t, png.Encode(&file, raster(t, svg)))
		path := filepath.Join(t.TempDir(), fmt.Sprint(i, ".png"))
		must(t, os.WriteFile(path, file.Bytes(), 0o600))
		got, err := exec.Command("zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", path).Output()
		must(t, err)
		if strings.TrimSuffix(string(got), "\n") != text {
			t.Errorf("read %q, want %q", got, text)
		}
	}
}

func TestQRIsSmallAndSafe(t *testing.T) {
	svg, err := QR(address)
	must(t, err)
	if len(svg) > 16<<10 {
		t.Errorf("%d bytes", len(svg))
	}
	hostile := `"><script>alert(1)</script>`
	svg, err = QR(hostile)
	must(t, err)
	if strings.Contains(svg, "script") {
		t.Error("the text is in the picture's source")
	}
	if _, err := QR(strings.Repeat("secret", 1000)); err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}
