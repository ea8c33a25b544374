package files

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
)

// spoolEnding is that of the files in which bytes wait.
const spoolEnding = ".spool"

// Sweep makes the folder for files that are on their way, and removes what a crash has left in it.
func Sweep(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("files: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"+spoolEnding))
	if err != nil {
		return fmt.Errorf("files: %w", err)
	}
	for _, path := range left {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("files: %w", err)
		}
	}
	return nil
}

// spool keeps the bytes of one file on disk, under a name of our own and enciphered (AES in counter mode) with a key that
// is nowhere but in memory: what a crash leaves behind can't be read, opened or found by its content. One goroutine at a
// time appends; others read what is there.
type spool struct {
	file  *os.File
	block cipher.Block
	nonce [8]byte
}

func newSpool(dir string) (*spool, error) {
	f, err := os.CreateTemp(dir, "*"+spoolEnding) // 0600
	if err != nil {
		return nil, err
	}
	var key [16]byte
	s := &spool{file: f}
	rand.Read(key[:])     // never fails
	rand.Read(s.nonce[:]) // likewise
	s.block, err = aes.NewCipher(key[:])
	return s, err
}

// cipher enciphers or deciphers b, which is at an offset.
func (s *spool) cipher(b []byte, offset int64) {
	var counter [aes.BlockSize]byte
	copy(counter[:], s.nonce[:])
	binary.BigEndian.PutUint64(counter[8:], uint64(offset/aes.BlockSize))
	stream := cipher.NewCTR(s.block, counter[:])
	var skipped [aes.BlockSize]byte
	skip := skipped[:offset%aes.BlockSize]
	stream.XORKeyStream(skip, skip)
	stream.XORKeyStream(b, b)
}

// put writes b at an offset. It changes b.
func (s *spool) put(b []byte, offset int64) error {
	s.cipher(b, offset)
	_, err := s.file.WriteAt(b, offset)
	return err
}

// get fills b from an offset.
func (s *spool) get(b []byte, offset int64) error {
	if _, err := s.file.ReadAt(b, offset); err != nil {
		return err
	}
	s.cipher(b, offset)
	return nil
}

// remove deletes the file. Nobody reads or writes any more.
func (s *spool) remove() {
	_ = s.file.Close() // it is deleted anyway
	_ = os.Remove(s.file.Name())
}
