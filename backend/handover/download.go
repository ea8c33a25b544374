package handover

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/porch-call/porch/backend/fault"
)

// Download is a file that comes into the folder for downloads. Under its own name it is there once it is whole, and it
// takes the place of no other. It is for one goroutine.
type Download struct {
	dir, name string
	file      *os.File // nil once it is kept or discarded
}

// most is how many files of one name there may be.
const most = 1000

// NewDownload begins a file in a folder, which it makes; "" means the system's folder for downloads. name has no path.
// The fault is StoreUnavailable.
func NewDownload(dir, name string) (*Download, error) {
	if name != filepath.Base(name) || !filepath.IsLocal(name) {
		return nil, fault.Newf(fault.Internal, "download: a name with a path")
	}
	var err error
	if dir == "" {
		if dir, err = downloads(); err != nil {
			return nil, unwritable(err)
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, unwritable(err)
	}
	f, err := os.CreateTemp(dir, "porch-*.part") // 0600
	if err != nil {
		return nil, unwritable(err)
	}
	return &Download{dir: dir, name: name, file: f}, nil
}

func unwritable(err error) error {
	return fault.New(fault.StoreUnavailable, fmt.Errorf("download: %w", err))
}

// Write adds bytes. The fault is StoreUnavailable.
func (d *Download) Write(b []byte) (int, error) {
	n, err := d.file.Write(b)
	if err != nil {
		err = unwritable(err)
	}
	return n, err
}

// Keep gives the file its name, or one with a number if there is such a file, and returns that. The system is told that it
// came from elsewhere, so that it warns before anything in it runs. The fault is StoreUnavailable.
func (d *Download) Keep() (name string, err error) {
	f := d.file
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return "", unwritable(err)
	}
	markForeign(f.Name())
	ending := filepath.Ext(d.name)
	if ending == d.name {
		ending = ""
	}
	for n := 1; n < most; n++ {
		name = d.name
		if n > 1 {
			name = strings.TrimSuffix(d.name, ending) + " (" + strconv.Itoa(n) + ")" + ending
		}
		// The name is ours once this file is made, and nobody else's is replaced.
		path := filepath.Join(d.dir, name)
		own, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", unwritable(err)
		}
		if err := errors.Join(own.Close(), os.Rename(f.Name(), path)); err != nil {
			_ = os.Remove(path) // the empty one
			return "", unwritable(err)
		}
		d.file = nil
		return name, nil
	}
	return "", unwritable(fs.ErrExist)
}

// Discard removes the file, unless it was kept. It may be called twice.
func (d *Download) Discard() {
	if d.file == nil {
		return
	}
	_ = d.file.Close() // perhaps for the second time
	_ = os.Remove(d.file.Name())
	d.file = nil
}
