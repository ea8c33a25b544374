package turn

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

func TestFrameSize(t *testing.T) {
	stunMessage := func(length uint16) []byte {
		b := make([]byte, stunHeader)
		b[1] = 1
		binary.BigEndian.PutUint16(b[2:], length)
		binary.BigEndian.PutUint32(b[4:], magicCookie)
		return b
	}
	for what, c := range map[string]struct {
		b    []byte
		size int
		err  error
	}{
		"nothing":       {nil, 0, nil},
		"a byte":        {[]byte{0x40}, 0, nil},
		"three":         {[]byte{0x40, 0, 0}, 0, nil},
		"empty data":    {[]byte{0x40, 0, 0, 0}, 4, nil},
		"data":          {[]byte{0x40, 0, 0, 5, 1}, 12, nil},
		"even data":     {[]byte{0x7f, 0xff, 0, 4, 1}, 8, nil},
		"largest data":  {[]byte{0x40, 0, 0x07, 0xcc}, maxDatagram, nil},
		"larger data":   {[]byte{0x40, 0, 0x07, 0xcd}, 0, errOversized},
		"STUN":          {stunMessage(8), 28, nil},
		"part of STUN":  {stunMessage(8)[:5], 28, nil},
		"largest STUN":  {stunMessage(maxDatagram - stunHeader), maxDatagram, nil},
		"larger STUN":   {stunMessage(maxDatagram - stunHeader + 4), 0, errOversized},
		"overflow":      {stunMessage(0xfffc), 0, errOversized},
		"uneven STUN":   {stunMessage(7), 0, errFrame},
		"another cooky": {make([]byte, stunHeader), 0, errFrame},
		"RTP":           {[]byte{0x80, 0, 0, 0}, 0, errFrame},
	} {
		size, err := frameSize(c.b)
		if size != c.size || !errors.Is(err, c.err) {
			t.Errorf("%s: %d, %v", what, size, err)
		}
	}
}

// FuzzFrames splits any bytes that a stream may bring.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{0x40, 0, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0, 0x40, 1, 0, 0})
	f.Add(append([]byte("\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl"), 0x40, 0, 0, 1, 'x'))
	f.Add([]byte{0x40, 0, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			size, err := frameSize(b)
			if err != nil || size == 0 || size > len(b) {
				return
			}
			if size > maxDatagram || size%4 != 0 {
				t.Fatalf("a frame of %d bytes", size)
			}
			frame := b[:size]
			b = b[size:]
			channel, payload, ok := channelData(frame)
			if ok == isSTUN(frame[0]) {
				t.Fatalf("%x: data %v", frame, ok)
			}
			if !ok {
				continue
			}
			if len(payload) > size-channelHeader || len(payload)+channelHeader+3 < size {
				t.Fatalf("%d bytes of %d", len(payload), size)
			}
			again := append(make([]byte, channelHeader), payload...)
			putChannelHeader(again, channel)
			if !bytes.Equal(again, frame[:len(again)]) {
				t.Fatalf("%x became %x", frame, again)
			}
		}
	})
}
