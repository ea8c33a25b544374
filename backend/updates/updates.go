// Package updates looks for newer versions of Porch: it asks one place, which was set when the program was built, for a
// signed list, at most once a day, and only after the host has agreed. It says what it found. It downloads nothing else
// and installs nothing.
//
// The list is trusted for its signature, and not for the server that it comes from.
package updates

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/porch-call/porch/backend/fault"
)

// Set by the linker: -X github.com/porch-call/porch/backend/updates.place=https://…, and the public key in base64. A
// program without them does not look for updates, and has no switch for it.
var (
	place = ""
	key   = ""
)

// Built returns where this program looks and by whose key it believes. ok is false if it looks nowhere.
func Built() (where string, who ed25519.PublicKey, ok bool) {
	b, err := base64.StdEncoding.DecodeString(key)
	if place == "" || err != nil || len(b) != ed25519.PublicKeySize {
		return "", nil, false
	}
	return place, b, true
}

const (
	daily    = 24 * time.Hour
	patience = 30 * time.Second // with one answer
	fileName = "updates.json"
)

// Options configure a Checker.
type Options struct {
	Dir   string // for updates.json
	Own   string // this program's version
	Place string // the list's address
	Key   ed25519.PublicKey
	// Client asks. nil means a client of its own. It must not follow redirects.
	Client *http.Client
	// OnNews is called when what State returns has changed. It may be nil.
	OnNews func()
}

// State is what is known.
type State struct {
	Agreed bool
	Newer  Version    // "" as number if no newer version is known
	Fault  fault.Code // why the last list was refused, "" if it was not
}

// kept is updates.json.
type kept struct {
	Agreed bool       `json:"agreed"`
	Asked  time.Time  `json:"asked"`  // the last time, whatever came of it
	Serial int64      `json:"serial"` // the highest that was seen
	Newer  Version    `json:"newer"`
	Fault  fault.Code `json:"fault"`
}

// Checker asks once a day. Its methods are safe for concurrent use.
type Checker struct {
	o      Options
	wake   chan struct{} // buffered 1; full means already woken
	cancel context.CancelFunc
	done   chan struct{} // closed when run has returned

	mu   sync.Mutex // guards kept; no other lock is acquired under it
	kept kept
}

// Open starts a checker, which asks nobody unless the host has agreed. Close ends it. A file that can't be read counts
// as none: then the host has not agreed.
func Open(o Options) *Checker {
	c := &Checker{o: o, wake: make(chan struct{}, 1), done: make(chan struct{})}
	if c.o.Client == nil {
		c.o.Client = client()
	}
	if b, err := os.ReadFile(filepath.Join(o.Dir, fileName)); err == nil && json.Unmarshal(b, &c.kept) != nil {
		c.kept = kept{}
	}
	if _, newer := (List{Versions: []Version{c.kept.Newer}}).newest(o.Own); !newer || !sameOrigin(c.kept.Newer.Page, o.Place) {
		c.kept.Newer = Version{} // it is this one by now
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	go c.run(ctx)
	return c
}

// client follows no redirect, keeps no cookie and no connection, and goes through the proxy of the environment.
func client() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableKeepAlives = true
	return &http.Client{Transport: t, Timeout: patience, CheckRedirect: noRedirect}
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Close ends the checker, and waits for a request that is under way to be given up.
func (c *Checker) Close() error {
	c.cancel()
	<-c.done
	return nil
}

// State returns what is known.
func (c *Checker) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.kept.Agreed {
		return State{}
	}
	return State{Agreed: true, Newer: c.kept.Newer, Fault: c.kept.Fault}
}

// Agree sets whether the host agrees to be asked for. It asks at once if that was not done today. Fault:
// StoreUnavailable, and then nothing has changed.
func (c *Checker) Agree(yes bool) error {
	err := c.change(func(k *kept) {
		k.Agreed = yes
		if !yes {
			k.Newer, k.Fault = Version{}, ""
		}
	})
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return err
}

// change writes what f makes of what is kept, and only then keeps it.
func (c *Checker) change(f func(*kept)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := c.kept
	f(&next)
	b, _ := json.Marshal(next) // strings, a number and a time always marshal
	path := filepath.Join(c.o.Dir, fileName)
	err := os.WriteFile(path+".new", b, 0o600)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fault.New(fault.StoreUnavailable, fmt.Errorf("updates: %w", err))
	}
	c.kept = next
	return nil
}

// run asks when it is time. A clock that was set back makes it wait for a day at most.
func (c *Checker) run(ctx context.Context) {
	defer close(c.done)
	for {
		c.mu.Lock()
		agreed, since := c.kept.Agreed, time.Since(c.kept.Asked)
		c.mu.Unlock()
		wait := daily
		if agreed {
			if wait = min(daily-since, daily); wait <= 0 {
				c.ask(ctx)
				continue
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-c.wake:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// ask asks once and keeps what came of it. That it asks is written down first, so that a folder that can't be written
// does not make it ask all the time.
func (c *Checker) ask(ctx context.Context) {
	if err := c.change(func(k *kept) { k.Asked = time.Now() }); err != nil {
		c.mu.Lock()
		c.kept.Asked = time.Now()
		c.mu.Unlock()
	}
	l, err := c.fetch(ctx)
	if ctx.Err() != nil {
		return
	}
	_ = c.change(func(k *kept) {
		if !k.Agreed {
			return
		}
		if err == nil && l.Serial < k.Serial {
			err = fault.Newf(fault.VersionsOld, "serial %d after %d", l.Serial, k.Serial)
		}
		k.Fault = fault.CodeOf(err)
		if err != nil {
			return
		}
		k.Serial = l.Serial
		k.Newer, _ = l.newest(c.o.Own)
	})
	if c.o.OnNews != nil {
		c.o.OnNews()
	}
}

// fetch gets the list. It says nothing about who asks.
func (c *Checker) fetch(ctx context.Context) (List, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.o.Place, nil)
	if err != nil {
		return List{}, fault.New(fault.VersionsMissing, err)
	}
	request.Header.Set("User-Agent", "porch")
	answer, err := c.o.Client.Do(request)
	if err != nil {
		return List{}, fault.New(fault.VersionsMissing, err)
	}
	defer func() { _ = answer.Body.Close() }()
	switch {
	case answer.StatusCode >= 300 && answer.StatusCode < 400:
		return List{}, fault.Newf(fault.VersionsElsewhere, "the list has moved")
	case answer.StatusCode != http.StatusOK:
		return List{}, fault.Newf(fault.VersionsMissing, "status %d", answer.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(answer.Body, MaxList+1))
	if err != nil {
		return List{}, fault.New(fault.VersionsMissing, err)
	}
	if len(b) > MaxList {
		return List{}, fault.New(fault.VersionsTooBig, errors.New("more than the list may have"))
	}
	return Read(b, c.o.Key, c.o.Place, time.Now())
}
