//go:build cgo && (linux || porch_native)

package capture

import (
	"slices"

	"github.com/pion/mediadevices/pkg/frame"
)

// pictureMode is a format in which a camera can deliver pictures.
type pictureMode struct {
	format        frame.Format
	width, height int
	rate          float64 // pictures per second, 0 if unknown
}

// bestMode returns the mode that suits a call best. ok is false if there is none.
func bestMode(modes []pictureMode) (best pictureMode, ok bool) {
	for i, m := range modes {
		if i == 0 || m.better(best) {
			best = m
		}
	}
	return best, len(modes) > 0
}

// better reports whether mode a suits a call better than b. It prefers enough pictures a second, then 360 to 720
// lines, then raw over JPEG (which takes half a core to decode at 720p), then a wide shape, and then the larger size.
func (a pictureMode) better(b pictureMode) bool {
	score := func(m pictureMode) [5]int {
		return [5]int{
			yes(m.rate == 0 || m.rate >= 24),
			yes(m.height >= 360 && m.height <= 720),
			yes(m.format != frame.FormatMJPEG),
			-abs(m.width*m.height - 640*360),
			m.width * m.height,
		}
	}
	sa, sb := score(a), score(b)
	return slices.Compare(sa[:], sb[:]) > 0
}

func yes(b bool) int {
	if b {
		return 1
	}
	return 0
}

func abs(n int) int { return max(n, -n) }
