package doormessages

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// A file is a salt of 32 bytes and then chunks of [chunkSize] bytes, the last of which may be shorter, each sealed with
// AES-256-GCM under a key of its own file. A chunk's number and whether it is the last are its nonce, so that none can
// be left out, put elsewhere, or cut off. The first chunk is the message's own description.
const (
	saltSize  = 32
	chunkSize = 64 << 10
	tagSize   = 16
)

var errDamaged = errors.New("doormessages: damaged")

// cipherOf returns the cipher of the file with a salt.
func cipherOf(key, salt []byte) (cipher.AEAD, error) {
	own, err := hkdf.Key(sha256.New, key, salt, "porch door message v1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(own)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func nonce(number int64, last bool) []byte {
	n := make([]byte, 12)
	binary.BigEndian.PutUint64(n, uint64(number))
	if last {
		n[11] = 1
	}
	return n
}

// sealer writes a file's chunks. The description is chunk 0.
type sealer struct {
	to     *os.File
	aead   cipher.AEAD
	number int64
	part   []byte // of the next chunk
}

func newSealer(to *os.File, key, description []byte) (*sealer, error) {
	salt := make([]byte, saltSize)
	rand.Read(salt) // never fails
	aead, err := cipherOf(key, salt)
	if err != nil {
		return nil, err
	}
	head := make([]byte, chunkSize) // padded, so that what follows has its place
	binary.BigEndian.PutUint32(head, uint32(len(description)))
	if copy(head[4:], description) < len(description) {
		return nil, errors.New("doormessages: description too long")
	}
	if _, err := to.Write(salt); err != nil {
		return nil, err
	}
	s := &sealer{to: to, aead: aead, part: make([]byte, 0, chunkSize)}
	return s, s.chunk(head, false)
}

func (s *sealer) chunk(plain []byte, last bool) error {
	_, err := s.to.Write(s.aead.Seal(nil, nonce(s.number, last), plain, nil))
	s.number++
	return err
}

// Write implements [io.Writer].
func (s *sealer) Write(p []byte) (n int, err error) {
	for n < len(p) {
		if len(s.part) == chunkSize {
			if err := s.chunk(s.part, false); err != nil {
				return n, err
			}
			s.part = s.part[:0]
		}
		more := min(chunkSize-len(s.part), len(p)-n)
		s.part = append(s.part, p[n:n+more]...)
		n += more
	}
	return n, nil
}

// end writes the last chunk.
func (s *sealer) end() error { return s.chunk(s.part, true) }

// opened is a file that is read.
type opened struct {
	file *os.File
	aead cipher.AEAD
	size int64 // of the file
}

func open(path string, key []byte) (*opened, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	o := &opened{file: f}
	salt := make([]byte, saltSize)
	info, err := f.Stat()
	if err == nil {
		o.size = info.Size()
		_, err = io.ReadFull(f, salt)
	}
	if err == nil {
		o.aead, err = cipherOf(key, salt)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return o, nil
}

// chunk returns a chunk, 0 for the description. Behind the last one it returns io.EOF.
func (o *opened) chunk(number int64) ([]byte, error) {
	at := saltSize + number*(chunkSize+tagSize)
	if at >= o.size {
		return nil, io.EOF
	}
	size := min(chunkSize+tagSize, o.size-at)
	b := make([]byte, size)
	if _, err := o.file.ReadAt(b, at); err != nil {
		return nil, err
	}
	plain, err := o.aead.Open(b[:0], nonce(number, at+size == o.size), b, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: chunk %d", errDamaged, number)
	}
	return plain, nil
}

// description returns what the sealer was given.
func (o *opened) description() ([]byte, error) {
	b, err := o.chunk(0)
	if err != nil {
		return nil, err
	}
	if len(b) < 4 || int(binary.BigEndian.Uint32(b)) > len(b)-4 {
		return nil, errDamaged
	}
	return b[4 : 4+binary.BigEndian.Uint32(b)], nil
}

// whole reports whether the file ends where its message ends.
func (o *opened) whole(size int64) bool {
	// The last chunk is never empty but for an empty message, which there is none of.
	chunks := 1 + (size+chunkSize-1)/chunkSize
	return o.size == saltSize+chunkSize+size+chunks*tagSize
}
