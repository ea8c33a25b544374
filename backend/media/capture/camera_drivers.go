//go:build cgo && porch_native

package capture

import (
	"cmp"
	"context"
	"fmt"
	"image"
	"slices"
	"sync"

	"github.com/pion/mediadevices/pkg/driver"
	"github.com/pion/mediadevices/pkg/driver/availability"
	_ "github.com/pion/mediadevices/pkg/driver/camera" // registers the system's cameras at start-up; see doc.go
	"github.com/pion/mediadevices/pkg/io/video"

	"github.com/porch-call/porch/backend/fault"
)

func systemCameras() videoSystem { return mediaDrivers{} }

// mediaDrivers is the videoSystem with mediadevices' camera drivers: AVFoundation and DirectShow.
type mediaDrivers struct{}

func found() []driver.Driver {
	drivers := driver.GetManager().Query(driver.FilterVideoRecorder())
	slices.SortFunc(drivers, func(a, b driver.Driver) int {
		x, y := a.Info(), b.Info()
		return cmp.Or(cmp.Compare(y.Priority, x.Priority), cmp.Compare(x.Label, y.Label))
	})
	return drivers
}

func (mediaDrivers) cameras() ([]Device, error) {
	list := []Device{}
	for i, d := range found() {
		info := d.Info()
		list = append(list, Device{ID: info.Label, Name: cmp.Or(info.Name, info.Label), Default: i == 0})
	}
	return list, nil
}

func (mediaDrivers) open(_ context.Context, id string) (videoSource, error) {
	drivers := found()
	if len(drivers) == 0 {
		return nil, fault.New(fault.CameraMissing, nil)
	}
	chosen := drivers[0]
	if i := slices.IndexFunc(drivers, func(d driver.Driver) bool { return d.Info().Label == id }); i >= 0 {
		chosen = drivers[i]
	}
	return openDriver(chosen)
}

// driverCamera is an open camera of a mediadevices driver.
type driverCamera struct {
	driver  driver.Driver
	reader  video.Reader
	release func() // releases the last picture
	close   sync.Once
}

func openDriver(d driver.Driver) (_ *driverCamera, err error) {
	if err := d.Open(); err != nil {
		return nil, driverFault(d, err)
	}
	defer func() {
		if err != nil {
			_ = d.Close() // the first error tells more
		}
	}()
	properties := d.Properties()
	var modes []pictureMode
	for _, p := range properties {
		modes = append(modes, pictureMode{format: p.FrameFormat, width: p.Width, height: p.Height, rate: float64(p.FrameRate)})
	}
	best, ok := bestMode(modes)
	if !ok {
		return nil, fault.Newf(fault.CameraLost, "no picture format")
	}
	reader, err := d.(driver.VideoRecorder).VideoRecord(properties[slices.Index(modes, best)])
	if err != nil {
		return nil, fault.New(fault.CameraLost, err)
	}
	return &driverCamera{driver: d, reader: video.ToI420(reader), release: func() {}}, nil
}

// driverFault returns the fault for the error of a driver that can't open a camera.
func driverFault(d driver.Driver, err error) error {
	available, why := driver.IsAvailable(d)
	switch {
	case why == availability.ErrBusy:
		return fault.New(fault.CameraBusy, err)
	case why == availability.ErrNoDevice:
		return fault.New(fault.CameraMissing, err)
	case !available && why != availability.ErrUnimplemented:
		return fault.New(fault.CameraRefused, err)
	}
	return fault.New(fault.CameraLost, err)
}

// Read implements videoSource.
func (c *driverCamera) Read() (*image.YCbCr, error) {
	c.release()
	picture, release, err := c.reader.Read()
	c.release = release
	if err != nil {
		c.release = func() {}
		return nil, err
	}
	yuv, ok := picture.(*image.YCbCr)
	if !ok {
		return nil, fmt.Errorf("camera delivers %T", picture)
	}
	return yuv, nil
}

// Close implements videoSource.
func (c *driverCamera) Close() (err error) {
	c.close.Do(func() { err = c.driver.Close() })
	return err
}
