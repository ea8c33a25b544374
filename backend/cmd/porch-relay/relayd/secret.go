package relayd

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// minSecret is the least length of the secret, in bytes.
const minSecret = 32

// secret is what all keys of this relay are derived from, and what its machines
// share. It is made on first use unless the operator gives one.
type secret []byte

// openSecret reads the secret, or makes it.
func openSecret(s settings) (secret, error) {
	value, from := s.secret, "the secret"
	if value == "" {
		path := s.secretFile
		if path == "" {
			path = filepath.Join(s.data, "secret")
			if err := makeSecret(path); err != nil {
				return nil, err
			}
		}
		b, err := readSmall(path, 4096)
		if err != nil {
			return nil, err
		}
		value, from = string(b), path
	}
	value = strings.TrimSpace(value)
	if len(value) < minSecret {
		return nil, fmt.Errorf("%s is shorter than %d characters; \"openssl rand -base64 32\" makes a good one", from, minSecret)
	}
	return secret(value), nil
}

// makeSecret writes a secret, unless the file exists.
func makeSecret(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(random) + "\n")
	return errors.Join(err, f.Sync(), f.Close())
}

// key returns the key for one use (RFC 5869).
func (s secret) key(use string) ([]byte, error) {
	return hkdf.Key(sha256.New, s, nil, "porch relay v1 "+use, 32)
}
