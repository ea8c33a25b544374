//go:build cgo && linux

package clips

import "testing"

func TestClipsHaveTheirRate(t *testing.T) {
	const fps, frames, rate = 30, 90, 300_000
	deltas, keys, err := Make(320, 180, rate, fps, frames)
	if err != nil {
		t.Fatal(err)
	}
	if len(deltas) != frames || len(keys) != frames/fps {
		t.Fatalf("%d frames, %d keyframes", len(deltas), len(keys))
	}
	bytes := 0
	for i, f := range deltas {
		bytes += len(f)
		if key := len(f) > 0 && f[0]&1 == 0; key != (i == 0) && f != nil {
			t.Errorf("frame %d is a keyframe: %v", i, key)
		}
	}
	for i, f := range keys {
		if len(f) < 10 || f[0]&1 != 0 {
			t.Errorf("keyframe %d is none", i)
		}
	}
	if got := bytes * 8 * fps / frames; got < rate/2 || got > rate*3/2 {
		t.Errorf("%d bit/s", got)
	}
}
