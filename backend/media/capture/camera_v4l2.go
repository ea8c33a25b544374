//go:build cgo && linux && !porch_native

package capture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/blackjack/webcam"
	"github.com/pion/mediadevices/pkg/frame"

	"github.com/porch-call/porch/backend/fault"
)

// v4l2 is the videoSystem of Linux. It uses the library below mediadevices' camera driver, and mediadevices' frame
// decoders. It does not use the driver itself, whose init() opens and queries every /dev/video*, so that a camera
// that hangs would keep the window from opening. Here no device is touched before it is needed.
type v4l2 struct{}

// pixelFormats are the supported formats.
var pixelFormats = map[webcam.PixelFormat]frame.Format{
	fourCC("YU12"): frame.FormatI420,
	fourCC("NV12"): frame.FormatNV12,
	fourCC("YUYV"): frame.FormatYUYV,
	fourCC("UYVY"): frame.FormatUYVY,
	fourCC("MJPG"): frame.FormatMJPEG,
}

// pixelFormatOf is the inverse of pixelFormats. The format must be one of its values.
func pixelFormatOf(format frame.Format) webcam.PixelFormat {
	for code, f := range pixelFormats {
		if f == format {
			return code
		}
	}
	return 0
}

func fourCC(s string) webcam.PixelFormat {
	return webcam.PixelFormat(uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24)
}

// v4l2Node is a video device.
type v4l2Node struct{ id, path string }

// nodes lists the video devices by their most stable names.
func nodes() []v4l2Node {
	var found []v4l2Node
	seen := make(map[string]bool)
	for _, pattern := range []string{"/dev/v4l/by-id/*", "/dev/v4l/by-path/*", "/dev/video*"} {
		names, _ := filepath.Glob(pattern) // fails only for malformed patterns
		for _, name := range names {
			path, err := filepath.EvalSymlinks(name)
			if err != nil || seen[path] {
				continue
			}
			seen[path] = true
			found = append(found, v4l2Node{id: filepath.Base(name), path: path})
		}
	}
	slices.SortStableFunc(found, func(a, b v4l2Node) int {
		return cmp.Or(cmp.Compare(len(a.path), len(b.path)), cmp.Compare(a.path, b.path))
	})
	return found
}

func (v4l2) cameras() ([]Device, error) {
	list := []Device{}
	for _, node := range nodes() {
		cam, err := webcam.Open(node.path)
		if err != nil {
			continue // a codec, or not permitted; opening it returns the right fault
		}
		if len(pictureModes(cam)) > 0 {
			name, err := cam.GetName()
			if err != nil || name == "" {
				name = filepath.Base(node.path)
			}
			list = append(list, Device{ID: node.id, Name: name, Default: len(list) == 0})
		}
		_ = cam.Close() // it was only queried
	}
	return list, nil
}

func (v4l2) open(_ context.Context, id string) (videoSource, error) {
	candidates := nodes()
	if i := slices.IndexFunc(candidates, func(n v4l2Node) bool { return n.id == id }); i > 0 {
		candidates[0], candidates[i] = candidates[i], candidates[0]
	}
	var refusal error
	for _, node := range candidates {
		source, err := openV4L2(node.path)
		if err == nil {
			return source, nil
		}
		if refusal == nil {
			refusal = v4l2Fault(err)
		}
	}
	if refusal == nil {
		refusal = fault.New(fault.CameraMissing, nil)
	}
	return nil, refusal
}

// v4l2Fault returns nil for devices that are not cameras.
func v4l2Fault(err error) error {
	switch {
	case errors.Is(err, os.ErrPermission):
		return fault.New(fault.CameraRefused, err)
	case errors.Is(err, syscall.EBUSY):
		return fault.New(fault.CameraBusy, err)
	}
	return nil
}

func pictureModes(cam *webcam.Webcam) []pictureMode {
	var modes []pictureMode
	for format := range cam.GetSupportedFormats() {
		known, ok := pixelFormats[format]
		if !ok {
			continue
		}
		for _, size := range cam.GetSupportedFrameSizes(format) {
			for _, s := range sizesOf(size) {
				mode := pictureMode{format: known, width: s.X, height: s.Y}
				for _, r := range cam.GetSupportedFramerates(format, uint32(s.X), uint32(s.Y)) {
					if r.MinNumerator > 0 {
						mode.rate = max(mode.rate, float64(max(r.MinDenominator, r.MaxDenominator))/float64(r.MinNumerator))
					}
				}
				modes = append(modes, mode)
			}
		}
	}
	return modes
}

// sizesOf picks common sizes from a range.
func sizesOf(s webcam.FrameSize) []image.Point {
	if s.StepWidth == 0 || s.StepHeight == 0 {
		return []image.Point{{int(s.MaxWidth), int(s.MaxHeight)}}
	}
	var sizes []image.Point
	for _, p := range []image.Point{{640, 360}, {640, 480}, {960, 540}, {1280, 720}} {
		w, h := uint32(p.X), uint32(p.Y)
		if w >= s.MinWidth && w <= s.MaxWidth && h >= s.MinHeight && h <= s.MaxHeight &&
			(w-s.MinWidth)%s.StepWidth == 0 && (h-s.MinHeight)%s.StepHeight == 0 {
			sizes = append(sizes, p)
		}
	}
	return sizes
}

// v4l2Camera is a streaming camera.
type v4l2Camera struct {
	decoder       frame.Decoder
	width, height int
	buffer        []byte

	mu     sync.Mutex // held while the driver's memory is in use
	cam    *webcam.Webcam
	closed bool
}

// v4l2Buffers is how many pictures the driver may buffer.
const v4l2Buffers = 3

func openV4L2(path string) (_ *v4l2Camera, err error) {
	cam, err := webcam.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = cam.Close() // the first error tells more
		}
	}()
	best, ok := bestMode(pictureModes(cam))
	if !ok {
		return nil, errors.New("no known picture format")
	}
	decoder, err := frame.NewDecoder(best.format)
	if err != nil {
		return nil, err
	}
	if _, _, _, err = cam.SetImageFormat(pixelFormatOf(best.format), uint32(best.width), uint32(best.height)); err != nil {
		return nil, fmt.Errorf("set picture format: %w", err)
	}
	_ = cam.SetFramerate(float32(min(max(best.rate, 24), 30))) // some cameras can't, and use their own rate
	if err = cam.SetBufferCount(v4l2Buffers); err != nil {
		return nil, err
	}
	if err = cam.StartStreaming(); err != nil {
		return nil, err
	}
	return &v4l2Camera{decoder: decoder, width: best.width, height: best.height, cam: cam}, nil
}

// Read implements videoSource.
func (c *v4l2Camera) Read() (*image.YCbCr, error) {
	for {
		raw, err := c.next()
		if err != nil {
			return nil, err
		}
		if len(raw) == 0 {
			continue
		}
		picture, _, err := c.decoder.Decode(raw, c.width, c.height)
		if err != nil {
			continue // a damaged picture; the watchdog ends a camera that delivers no others
		}
		if yuv, ok := picture.(*image.YCbCr); ok {
			return yuv, nil
		}
		return nil, fmt.Errorf("camera delivers %T", picture)
	}
}

// next returns a copy of the camera's next picture, or nil after a second without one.
func (c *v4l2Camera) next() ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, io.EOF
	}
	var timeout *webcam.Timeout
	if err := c.cam.WaitForFrame(1); errors.As(err, &timeout) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	raw, index, err := c.cam.GetFrame()
	if errors.Is(err, syscall.EAGAIN) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c.buffer = append(c.buffer[:0], raw...)
	return c.buffer, c.cam.ReleaseFrame(index)
}

// Close implements videoSource.
func (c *v4l2Camera) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	return c.cam.Close()
}
