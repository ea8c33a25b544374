package handover

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// quiet is the width of the empty border of a QR code, in modules (ISO/IEC 18004 requires four).
const quiet = 4

// QR returns text as a QR code: an SVG in units of one module, with the quiet zone. It is dark on white in every
// theme, because scanners need that. The SVG has no accessible name of its own; the page that shows it gives one.
func QR(text string) (svg string, err error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", fmt.Errorf("handover: qr: %d bytes do not fit", len(text))
	}
	var path strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			if !code.Black(x, y) {
				continue
			}
			run := 1
			for code.Black(x+run, y) { // Black is false outside the code
				run++
			}
			fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", x+quiet, y+quiet, run, run)
			x += run
		}
	}
	size := code.Size + 2*quiet
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges">`+
		`<path fill="#fff" d="M0 0h%dv%dh-%dz"/><path fill="#000" d="%s"/></svg>`, size, size, size, size, size, path.String()), nil
}
