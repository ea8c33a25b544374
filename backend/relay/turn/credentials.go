package turn

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
)

// A user name is EXPIRY ":" OWNER ":" RANDOM, as in
// draft-uberti-behave-turn-rest-00. EXPIRY is in decimal Unix seconds. OWNER is a
// text of the caller's. RANDOM has 24 characters of base64url: 9 random bytes and
// 9 of a MAC. With the MAC, this relay's nodes need not remember names that they
// did not give out.
const (
	maxOwner    = 64
	maxUsername = 12 + 1 + maxOwner + 1 + randomSize
	nonceSize   = 9
	tagSize     = 9
	randomSize  = (nonceSize + tagSize) / 3 * 4
)

// username is a user name that was given out.
type username struct {
	text    string
	owner   string
	expires time.Time
}

func (u username) expired(now time.Time) bool { return !now.Before(u.expires) }

var errUsername = errors.New("turn: no user name of ours")

// keys are derived from the secret that all nodes share.
type keys struct{ names, passwords []byte }

func newKeys(secret []byte) keys {
	return keys{
		names:     mac(secret, "porch turn names v1"),
		passwords: mac(secret, "porch turn passwords v1"),
	}
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// issue makes a new user name.
func (k keys) issue(owner string, expires time.Time) username {
	var random [nonceSize + tagSize]byte
	_, _ = rand.Read(random[:nonceSize]) // never fails
	stem := strconv.FormatInt(expires.Unix(), 10) + ":" + owner + ":"
	copy(random[nonceSize:], k.tag(stem, random[:nonceSize]))
	return username{
		text:  stem + base64.RawURLEncoding.EncodeToString(random[:]),
		owner: owner, expires: time.Unix(expires.Unix(), 0),
	}
}

func (k keys) tag(stem string, nonce []byte) []byte {
	return mac(k.names, stem+string(nonce))[:tagSize]
}

// parse accepts what issue made on any node.
func (k keys) parse(text string) (username, error) {
	if len(text) > maxUsername {
		return username{}, errUsername
	}
	expiry, rest, _ := strings.Cut(text, ":")
	owner, random, _ := strings.Cut(rest, ":")
	if !isOwner(owner) || len(random) != randomSize {
		return username{}, errUsername
	}
	seconds, err := strconv.ParseInt(expiry, 10, 64)
	if err != nil || seconds < 0 || strconv.FormatInt(seconds, 10) != expiry {
		return username{}, errUsername
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(random)
	if err != nil || len(b) != nonceSize+tagSize { // the decoder skips line breaks
		return username{}, errUsername
	}
	stem := text[:len(text)-randomSize]
	if !hmac.Equal(k.tag(stem, b[:nonceSize]), b[nonceSize:]) {
		return username{}, errUsername
	}
	return username{text: text, owner: owner, expires: time.Unix(seconds, 0)}, nil
}

// isOwner reports whether a text may stand in a user name.
func isOwner(s string) bool {
	if s == "" || len(s) > maxOwner {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// password returns the password of a user name. Clients take any text, so it need
// not be the HMAC-SHA1 of the draft.
func (k keys) password(name string) string {
	return base64.RawURLEncoding.EncodeToString(mac(k.passwords, name)[:24])
}

// key returns the key of the long-term credential mechanism (RFC 8489 section
// 9.2.2). It uses MD5, because browsers support nothing else.
func (k keys) key(name, realm string) []byte {
	sum := md5.Sum([]byte(name + ":" + realm + ":" + k.password(name)))
	return sum[:]
}
