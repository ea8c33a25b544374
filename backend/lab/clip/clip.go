// Package clip is pictures that were coded once, and plays them at any rate: what a camera and an encoder would send.
package clip

import (
	"encoding/gob"
	"fmt"
	"os"
	"path/filepath"
)

// FPS is how many frames a second clips have.
const FPS = 30

// Clip is a coded moving picture.
type Clip struct {
	Width, Height int
	Rate          int      // bit/s
	Frames        [][]byte // of one run, the first is a keyframe; nil was dropped by the encoder
	Keys          [][]byte // a keyframe for each second
}

// Sizes are the clips of the laboratory. The rates are of the encoder, in bit/s.
var Sizes = []struct {
	Width, Height int
	Rates         []int
}{
	{320, 180, []int{60_000, 100_000, 160_000}},
	{640, 360, []int{250_000, 450_000, 600_000}},
	{1280, 720, []int{700_000, 1_100_000, 1_500_000}},
}

// Shelf is all clips, by size and rate.
type Shelf []Clip

// Open reads the clips in a folder, and makes those that are missing.
func Open(folder string, create func(width, height, rate int) (frames, keys [][]byte, err error)) (s Shelf, err error) {
	for _, size := range Sizes {
		for _, rate := range size.Rates {
			name := filepath.Join(folder, fmt.Sprintf("%d-%d.clip", size.Height, rate))
			c, err := read(name)
			if os.IsNotExist(err) && create != nil {
				c = Clip{Width: size.Width, Height: size.Height, Rate: rate}
				if c.Frames, c.Keys, err = create(size.Width, size.Height, rate); err == nil {
					err = c.write(name)
				}
			}
			if err != nil {
				return nil, fmt.Errorf("clip: %w", err)
			}
			s = append(s, c)
		}
	}
	return s, nil
}

func read(name string) (c Clip, err error) {
	f, err := os.Open(name)
	if err != nil {
		return c, err
	}
	defer f.Close()
	return c, gob.NewDecoder(f).Decode(&c)
}

// write writes under another name first, so that a file is whole or not there.
func (c *Clip) write(name string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), "clip")
	if err != nil {
		return err
	}
	err = gob.NewEncoder(f).Encode(c)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// For returns the clip to send at a rate (bit/s), of at most a height: the smallest that has the rate.
func (s Shelf) For(rate, height int) *Clip {
	var best *Clip
	for i := range s {
		c := &s[i]
		if c.Height > height {
			break
		}
		best = c
		if c.Rate >= rate {
			break
		}
	}
	return best
}
