//go:build !cgo

package main

import "errors"

func makeClip(int, int, int) (frames, keys [][]byte, err error) {
	return nil, nil, errors.New("clips are coded by libvpx, which needs cgo")
}
