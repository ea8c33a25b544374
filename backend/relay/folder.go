package relay

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// folder is where a relay keeps what must outlive it. Only its owner can read the
// files in it.
type folder string

// The names in it.
const (
	portFile        = "port"            // decimal
	certificateFile = "certificate.pem" // X.509
	keyFile         = "key.pem"         // PKCS #8
	noteKeyFile     = "note.key"        // 32 random bytes
)

// largestFile is larger than any of them becomes, in bytes.
const largestFile = 64 << 10

func openFolder(dir string) (folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("relay: folder: %w", err)
	}
	return folder(dir), nil
}

// read returns a file's content, or an error that wraps fs.ErrNotExist.
func (f folder) read(name string) ([]byte, error) {
	path := filepath.Join(string(f), name)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > largestFile {
		return nil, fmt.Errorf("relay: %s has %d bytes", name, info.Size())
	}
	return os.ReadFile(path)
}

// write replaces a file as a whole: after a failure it holds the old content or
// the new.
func (f folder) write(name string, content []byte) (err error) {
	t, err := os.CreateTemp(string(f), name+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("relay: write %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			t.Close()
			os.Remove(t.Name())
			err = fmt.Errorf("relay: write %s: %w", name, err)
		}
	}()
	if _, err = t.Write(content); err != nil {
		return err
	}
	if err = t.Sync(); err != nil {
		return err
	}
	if err = t.Close(); err != nil {
		return err
	}
	return os.Rename(t.Name(), filepath.Join(string(f), name))
}

// Port returns the remembered port, or 0.
func (f folder) Port() uint16 {
	b, err := f.read(portFile)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}

// RememberPort keeps the port for the next run.
func (f folder) RememberPort(port uint16) error {
	return f.write(portFile, []byte(strconv.Itoa(int(port))+"\n"))
}

const noteKeySize = 32

// noteKey returns the key of this relay's noise, made on first use. It must
// outlive a restart, because noise that changed would show which notes are real.
func (f folder) noteKey() ([]byte, error) {
	b, err := f.read(noteKeyFile)
	if err == nil && len(b) == noteKeySize {
		return b, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	b = make([]byte, noteKeySize)
	_, _ = rand.Read(b) // never fails
	return b, f.write(noteKeyFile, b)
}
