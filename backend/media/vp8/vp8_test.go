package vp8

import (
	"testing"

	"github.com/pion/rtp/codecs"
)

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		b    []byte
		want Descriptor
	}{
		"plain keyframe":     {[]byte{0x10, 0x00}, Descriptor{Start: true, Keyframe: true, TooLarge: true}},
		"plain delta":        {[]byte{0x10, 0x01}, Descriptor{Start: true}},
		"second partition":   {[]byte{0x11, 0x00}, Descriptor{}},
		"continuation":       {[]byte{0x00, 0x00}, Descriptor{}},
		"short picture":      {[]byte{0x90, 0x80, 0x7f, 0x01}, Descriptor{HasPicture: true, PictureAt: 2, Picture: 127, Start: true}},
		"long picture":       {[]byte{0x90, 0x80, 0xff, 0xfe, 0x00}, Descriptor{HasPicture: true, LongPicture: true, PictureAt: 2, Picture: 0x7ffe, Start: true, Keyframe: true, TooLarge: true}},
		"everything":         {[]byte{0x90, 0xf0, 0x81, 0x02, 0x33, 0x44, 0x01}, Descriptor{HasPicture: true, LongPicture: true, PictureAt: 2, Picture: 0x102, HasTL0: true, TL0At: 4, TL0: 0x33, Temporal: 1, Start: true}},
		"a layer that syncs": {[]byte{0x90, 0x20, 0xa0, 0x01}, Descriptor{Temporal: 2, Sync: true, Start: true}},
		"KEYIDX alone":       {[]byte{0x90, 0x10, 0xe4, 0x01}, Descriptor{Start: true}},
		"TL0 without id":     {[]byte{0x90, 0x40, 0x33, 0x00}, Descriptor{HasTL0: true, TL0At: 2, TL0: 0x33, Start: true, Keyframe: true, TooLarge: true}},
		"whole keyframe":     {[]byte{0x10, 0x00, 0, 0, 0x9d, 0x01, 0x2a, 0x00, 0x0a, 0x40, 0x06}, Descriptor{Start: true, Keyframe: true, Height: 1600}},
		"a row too many":     {[]byte{0x10, 0x00, 0, 0, 0x9d, 0x01, 0x2a, 0x00, 0x0a, 0x67, 0x06}, Descriptor{Start: true, Keyframe: true, Height: 1639, TooLarge: true}},
		"upright, scaled":    {[]byte{0x10, 0x00, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x46, 0x00, 0x8a}, Descriptor{Start: true, Keyframe: true, Height: 2560}},
		"as large as can be": {[]byte{0x10, 0x00, 0, 0, 0x9d, 0x01, 0x2a, 0xff, 0x3f, 0xff, 0x3f}, Descriptor{Start: true, Keyframe: true, Height: 16383, TooLarge: true}},
		"size cut off":       {[]byte{0x10, 0x00, 0, 0, 0x9d, 0x01, 0x2a, 0xff, 0x3f, 0xff}, Descriptor{Start: true, Keyframe: true, TooLarge: true}},
		"empty":              {nil, Descriptor{}},
		"no frame":           {[]byte{0x10}, Descriptor{}},
		"cut in control":     {[]byte{0x90}, Descriptor{}},
		"cut before picture": {[]byte{0x90, 0x80}, Descriptor{}},
		"cut in picture":     {[]byte{0x90, 0x80, 0x80}, Descriptor{}},
		"cut before TL0":     {[]byte{0x90, 0xc0, 0x01}, Descriptor{}},
		"cut before T":       {[]byte{0x90, 0xe0, 0x01, 0x02}, Descriptor{}},
	} {
		if got := Parse(c.b); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestLengthen(t *testing.T) {
	b := []byte{0x90, 0xc0, 0x7f, 0x55, 0x00, 'f', 'r'}
	long, d := Lengthen(nil, b, Parse(b))
	Write(long, d, 0x1234, 0x66)
	var p codecs.VP8Packet
	frame, err := p.Unmarshal(long)
	if err != nil {
		t.Fatal(err)
	}
	if p.PictureID != 0x1234 || p.TL0PICIDX != 0x66 || string(frame) != "\x00fr" {
		t.Errorf("%+v", p)
	}
	if b[2] != 0x7f || b[3] != 0x55 {
		t.Error("the original has changed")
	}
}
