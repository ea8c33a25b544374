//go:build cgo && (linux || porch_native)

package capture

import (
	"math/rand/v2"
	"testing"

	"github.com/pion/mediadevices/pkg/frame"
)

func TestPictureModeForACall(t *testing.T) {
	const yuyv, mjpg, i420 = frame.FormatYUYV, frame.FormatMJPEG, frame.FormatI420
	for _, c := range []struct {
		name  string
		modes []pictureMode
		want  pictureMode
	}{
		{"usual webcam", []pictureMode{
			{yuyv, 640, 480, 30}, {yuyv, 640, 360, 30}, {yuyv, 1280, 720, 10}, {mjpg, 1280, 720, 30}, {mjpg, 640, 360, 30}, {yuyv, 160, 120, 30},
		}, pictureMode{yuyv, 640, 360, 30}},
		{"no wide picture", []pictureMode{{yuyv, 640, 480, 30}, {yuyv, 320, 240, 30}, {mjpg, 1920, 1080, 30}}, pictureMode{yuyv, 640, 480, 30}},
		{"only JPEG is fast", []pictureMode{{yuyv, 640, 480, 10}, {mjpg, 640, 480, 30}, {mjpg, 1280, 720, 30}}, pictureMode{mjpg, 640, 480, 30}},
		{"rate unknown", []pictureMode{{i420, 640, 360, 0}, {mjpg, 640, 360, 30}}, pictureMode{i420, 640, 360, 0}},
		{"only large", []pictureMode{{yuyv, 1920, 1080, 30}, {yuyv, 2560, 1440, 30}}, pictureMode{yuyv, 1920, 1080, 30}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 10 {
				rand.Shuffle(len(c.modes), func(i, j int) { c.modes[i], c.modes[j] = c.modes[j], c.modes[i] })
				if best, ok := bestMode(c.modes); !ok || best != c.want {
					t.Fatalf("%+v, want %+v", best, c.want)
				}
			}
		})
	}
	if _, ok := bestMode(nil); ok {
		t.Error("a mode out of nothing")
	}
}
