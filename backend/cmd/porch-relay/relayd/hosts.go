package relayd

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"

	"github.com/porch-call/porch/backend/relay/hosts"
	"github.com/porch-call/porch/backend/signalling"
)

// digestPrefix marks what "porch-relay invite" writes into the file of
// invitations: the SHA-256 of the token in place of the token.
const digestPrefix = "sha256:"

// minToken is the least length of a token that a person made up.
const minToken = 16

// largestList bounds a file of hosts, in bytes.
const largestList = 4 << 20

// policy reads which hosts may dial in, and how much of the relay they may use.
func (s settings) policy() (*hosts.Policy, error) {
	p := &hosts.Policy{
		Open:   s.hosts == hostsOpen,
		Quotas: hosts.Quotas{Links: s.links, Guests: s.guests, PerLink: s.perLink, Bytes: int64(s.bytes)},
	}
	var err error
	p.Invitations, p.Keys, err = s.guestList()
	return p, err
}

// guestList reads the invitations and the keys.
func (s settings) guestList() (invitations []hosts.Invitation, keys []hosts.Key, err error) {
	for i, token := range s.tokens {
		if err := checkToken(token); err != nil {
			return nil, nil, fmt.Errorf("invitation %d of tokens: %w", i+1, err)
		}
		invitations = append(invitations, hosts.NewInvitation("tokens "+strconv.Itoa(i+1), token))
	}
	if s.invitations != "" {
		err := eachLine(s.invitations, func(first, name string, quotas *hosts.Quotas) error {
			i, err := parseInvitation(first, name)
			i.Quotas = quotas
			invitations = append(invitations, i)
			return err
		})
		// The file may be missing, because "porch-relay invite" makes it.
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
	}
	if s.hostKeys != "" {
		err := eachLine(s.hostKeys, func(first, name string, quotas *hosts.Quotas) error {
			key, err := base64.RawURLEncoding.Strict().DecodeString(first)
			if err != nil || len(key) != ed25519.PublicKeySize {
				return errors.New("not a host's key")
			}
			keys = append(keys, hosts.Key{Name: name, Key: key, Quotas: quotas})
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return invitations, keys, nil
}

func parseInvitation(first, name string) (hosts.Invitation, error) {
	digest, ok := strings.CutPrefix(first, digestPrefix)
	if !ok {
		return hosts.NewInvitation(name, first), checkToken(first)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(digest)
	if err != nil || len(b) != sha256.Size {
		return hosts.Invitation{}, errors.New("not an invitation")
	}
	return hosts.Invitation{Name: name, Digest: [sha256.Size]byte(b)}, nil
}

func checkToken(token string) error {
	switch {
	case len(token) < minToken:
		return fmt.Errorf("shorter than %d characters", minToken)
	case len(token) > signalling.MaxInvitation:
		return fmt.Errorf("longer than %d characters", signalling.MaxInvitation)
	}
	for i := range len(token) {
		if token[i] <= ' ' || token[i] > '~' {
			return errors.New("a character that is not printable ASCII")
		}
	}
	return nil
}

// eachLine reads a file of hosts. Each line has a word, a name, and quotas that
// differ from the others': "WORD Ada Lovelace links=10 bytes=5GB". "#" begins a
// comment. An error names the line and quotes nothing of it.
func eachLine(path string, take func(first, name string, quotas *hosts.Quotas) error) error {
	b, err := readSmall(path, largestList)
	if err != nil {
		return err
	}
	number := 0
	for line := range strings.SplitSeq(string(b), "\n") {
		number++
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		name, quotas, err := parseQuotas(words[1:])
		if err == nil {
			err = take(words[0], name, quotas)
		}
		if err != nil {
			return fmt.Errorf("%s, line %d: %w", path, number, err)
		}
	}
	return nil
}

// parseQuotas separates the words of a name from quotas.
func parseQuotas(words []string) (name string, quotas *hosts.Quotas, err error) {
	var names []string
	for _, w := range words {
		what, value, ok := strings.Cut(w, "=")
		if !ok {
			names = append(names, w)
			continue
		}
		if quotas == nil {
			quotas = new(hosts.Quotas)
		}
		var n size
		if err := n.Set(value); err != nil || n <= 0 || n > math.MaxInt32 && what != "bytes" {
			return "", nil, fmt.Errorf("%s= wants a number", what)
		}
		switch what {
		case "links":
			quotas.Links = int(n)
		case "guests":
			quotas.Guests = int(n)
		case "guests-per-link":
			quotas.PerLink = int(n)
		case "bytes":
			quotas.Bytes = int64(n)
		default:
			return "", nil, fmt.Errorf("%s is no quota: links, guests, guests-per-link and bytes are", what)
		}
	}
	return strings.Join(names, " "), quotas, nil
}
