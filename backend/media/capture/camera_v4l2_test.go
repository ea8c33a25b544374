//go:build cgo && linux && !porch_native

package capture

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/blackjack/webcam"

	"github.com/porch-call/porch/backend/fault"
)

func TestSizesOf(t *testing.T) {
	if got := sizesOf(webcam.FrameSize{MinWidth: 640, MaxWidth: 640, MinHeight: 480, MaxHeight: 480}); len(got) != 1 || got[0].X != 640 {
		t.Errorf("%v", got)
	}
	got := sizesOf(webcam.FrameSize{MinWidth: 160, MaxWidth: 1280, StepWidth: 16, MinHeight: 120, MaxHeight: 720, StepHeight: 8})
	if len(got) != 3 { // 540 lines are no multiple of 8 above 120
		t.Errorf("%v", got)
	}
}

func TestV4L2Faults(t *testing.T) {
	for _, c := range []struct {
		err  error
		want fault.Code
	}{
		{fmt.Errorf("open: %w", syscall.EACCES), fault.CameraRefused},
		{os.ErrPermission, fault.CameraRefused},
		{fmt.Errorf("set picture format: %w", syscall.EBUSY), fault.CameraBusy},
		{errors.New("Not a video capture device"), ""},
	} {
		if got := fault.CodeOf(v4l2Fault(c.err)); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}

// This machine may or may not have a camera, so either of two results is right.
func TestV4L2OpenDefault(t *testing.T) {
	cameras, err := v4l2{}.cameras()
	if err != nil {
		t.Fatal(err)
	}
	source, err := v4l2{}.open(t.Context(), "")
	switch {
	case err == nil:
		defer source.Close()
		if _, err := source.Read(); err != nil {
			t.Error(err)
		}
	case len(cameras) == 0 && fault.CodeOf(err) != fault.CameraMissing && fault.CodeOf(err) != fault.CameraRefused:
		t.Error(err)
	}
}
