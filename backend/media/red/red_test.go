package red

import (
	"bytes"
	"testing"
)

type block struct {
	payloadType uint8
	age         uint32
	payload     []byte
}

func read(b []byte) (blocks []block, err error) {
	err = Read(b, func(payloadType uint8, age uint32, payload []byte) {
		blocks = append(blocks, block{payloadType, age, payload})
	})
	return blocks, err
}

func TestOneEarlierPacket(t *testing.T) {
	earlier, main := []byte{1, 2, 3}, []byte{4, 5}
	got, ok := Append([]byte{9}, 111, 960, earlier, main)
	// The block's header as in RFC 2198 section 3: F, 7 bits of type, 14 of age, 10 of size.
	want := []byte{9, 0x80 | 111, 960 >> 6, 960 << 2 & 0xff, 3, 111, 1, 2, 3, 4, 5}
	if !ok || !bytes.Equal(got, want) {
		t.Fatalf("%x, want %x", got, want)
	}
	if n := Size(earlier, main); n != len(got)-1 {
		t.Errorf("size %d", n)
	}
	blocks, err := read(got[1:])
	if err != nil || len(blocks) != 2 {
		t.Fatalf("%v %v", blocks, err)
	}
	for i, w := range []block{{111, 960, earlier}, {111, 0, main}} {
		if b := blocks[i]; b.payloadType != w.payloadType || b.age != w.age || !bytes.Equal(b.payload, w.payload) {
			t.Errorf("block %d: %+v", i, b)
		}
	}
}

func TestWhatDoesNotFitIsLeftOut(t *testing.T) {
	for name, c := range map[string]struct {
		age  uint32
		size int
	}{"of the same time": {0, 1}, "too old": {1 << 14, 1}, "newer": {1<<32 - 960, 1}, "too long": {960, 1024}} {
		if b, ok := Append([]byte{7}, 111, c.age, make([]byte, c.size), []byte{1}); ok || !bytes.Equal(b, []byte{7}) {
			t.Errorf("%s: %x", name, b)
		}
	}
	if _, ok := Append(nil, 111, 1<<14-1, make([]byte, 1023), nil); !ok {
		t.Error("the largest does not fit")
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	b, payload := make([]byte, 0, 200), make([]byte, 80)
	if n := testing.AllocsPerRun(100, func() { b, _ = Append(b[:0], 111, 960, payload, payload) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTruncated(t *testing.T) {
	whole, _ := Append(nil, 111, 960, []byte{1, 2, 3}, []byte{4})
	for n := range len(whole) - 1 { // the packet's own payload may be empty
		if blocks, err := read(whole[:n]); err == nil {
			t.Errorf("%d bytes: %v", n, blocks)
		}
	}
	if _, err := read(bytes.Repeat([]byte{0x80, 0, 0, 0}, 40)); err == nil {
		t.Error("endless headers are taken")
	}
}

func FuzzRead(f *testing.F) {
	whole, _ := Append(nil, 111, 960, []byte{1, 2, 3}, []byte{4})
	f.Add(whole)
	f.Add([]byte{0x80, 0, 4, 1, 0x80, 0, 4, 2, 111, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, b []byte) {
		blocks, err := read(b)
		if err != nil {
			if len(blocks) > 0 {
				t.Fatal("something of a packet that is malformed")
			}
			return
		}
		size := 0
		for i, x := range blocks {
			size += len(x.payload) + 4
			if (x.age == 0) != (i == len(blocks)-1) && i == len(blocks)-1 {
				t.Fatalf("the own payload has an age of %d", x.age)
			}
		}
		if size-3 != len(b) {
			t.Fatalf("%d bytes of %d", size-3, len(b))
		}
		if len(blocks) == 2 && blocks[0].payloadType == blocks[1].payloadType {
			again, ok := Append(nil, blocks[1].payloadType, blocks[0].age, blocks[0].payload, blocks[1].payload)
			if ok && !bytes.Equal(again, b) && b[4]&0x80 == 0 {
				t.Fatalf("%x becomes %x", b, again)
			}
		}
	})
}
