//go:build cgo

package main

import (
	"github.com/porch-call/porch/backend/lab/clip"
	"github.com/porch-call/porch/backend/media/capture/clips"
)

// clipSeconds is the length of a clip.
const clipSeconds = 6

func makeClip(width, height, rate int) (frames, keys [][]byte, err error) {
	return clips.Make(width, height, rate, clip.FPS, clipSeconds*clip.FPS)
}
