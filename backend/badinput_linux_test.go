package backend_test

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/porch-call/porch/backend"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/hoststate"
)

// What may be wrong with the computer that Porch is started on. Each is said in one sentence, which says what to do, and
// nothing is lost.

// says checks that err has a code, whose sentence has a word of what to do in it.
func says(t *testing.T, err error, code fault.Code, do string) {
	t.Helper()
	sentence := fault.Sentence(code)
	if fault.CodeOf(err) != code || !strings.Contains(sentence, do) {
		t.Errorf("%v, want %s; %q", err, code, sentence)
	}
}

func open(dir string, change ...func(*backend.Options)) (*backend.Backend, error) {
	o := backend.Options{Dir: dir, Listen: "127.0.0.1:0", Pages: fstest.MapFS{"index.html": {Data: []byte("<!doctype html>")}}, Synthetic: true}
	for _, f := range change {
		f(&o)
	}
	return backend.Open(context.Background(), o)
}

// opened is open for what has to go well.
func opened(t *testing.T, dir string, change ...func(*backend.Options)) *backend.Backend {
	t.Helper()
	b, err := open(dir, change...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func linksOf(b *backend.Backend) (ids []string) {
	for _, l := range b.Host().Snapshot().Links {
		ids = append(ids, l.ID)
	}
	return ids
}

// withLink returns a folder of a Porch that was used: there is a link in it.
func withLink(t *testing.T, dir string) (id string) {
	t.Helper()
	b := opened(t, dir)
	l, err := b.Host().CreateLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return l.ID
}

// wantsLink checks that the link is still there, once all is well again.
func wantsLink(t *testing.T, dir, id string) {
	t.Helper()
	b := opened(t, dir)
	if ids := linksOf(b); len(ids) != 1 || ids[0] != id {
		t.Errorf("links %v, want %s", ids, id)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

func TestDamagedFolder(t *testing.T) {
	dir := t.TempDir()
	id := withLink(t, dir)
	path := filepath.Join(dir, "porch.db")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := []byte(strings.Repeat("not a database ", 1000))
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = open(dir)
	says(t, err, fault.StoreDamaged, "put back a copy")
	if after, _ := os.ReadFile(path); string(after) != string(damaged) {
		t.Error("the damaged file was changed")
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil { // the copy
		t.Fatal(err)
	}
	wantsLink(t, dir, id)

	// What else is in the folder can be made anew, and is.
	if err := os.WriteFile(filepath.Join(dir, "relay", "certificate.pem"), []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantsLink(t, dir, id)
}

func TestDataOfANewerVersion(t *testing.T) {
	dir := t.TempDir()
	id := withLink(t, dir)
	version := func(n int) {
		t.Helper()
		db, err := sql.Open("sqlite", filepath.Join(dir, "porch.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		if _, err := db.Exec(fmt.Sprint("PRAGMA user_version = ", n)); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "porch.db"))
	if err != nil {
		t.Fatal(err)
	}
	var own int
	if err := errors.Join(db.QueryRow("PRAGMA user_version").Scan(&own), db.Close()); err != nil {
		t.Fatal(err)
	}
	version(own + 1)
	_, err = open(dir)
	says(t, err, fault.StoreTooNew, "update this one")
	version(own)
	wantsLink(t, dir, id)
}

// smallDisk returns a file system of its own, which is gone after the test. Only root can make one.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "porch-test", dir).CombinedOutput(); err != nil {
		t.Skipf("no file system can be made here: %s", out)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestFullDisk(t *testing.T) {
	dir := smallDisk(t)
	b := opened(t, dir)
	kept, err := b.Host().CreateLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	_ = f.Close()
	made := 0
	for err = nil; err == nil && made < 1000; made++ { // what the database has in hand is used up first
		_, err = b.Host().CreateLink(t.Context())
	}
	says(t, err, fault.StoreUnavailable, "free some space")
	shown := linksOf(b)
	if len(shown) != made { // the first one, and those that went well
		t.Errorf("%d links are shown after %d were made", len(shown), made)
	}

	// With room again it works without a restart, and all that was shown is there after one.
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Host().CreateLink(t.Context()); err != nil {
		t.Errorf("with room again: %v", err)
	}
	want := len(linksOf(b))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	again := linksOf(opened(t, dir))
	if len(again) != want || !strings.Contains(strings.Join(again, " "), kept.ID) {
		t.Errorf("%d links after a restart, want %d", len(again), want)
	}
}

func TestUnwritableFolder(t *testing.T) {
	dir := smallDisk(t)
	id := withLink(t, dir)
	remount := func(how string) {
		t.Helper()
		if out, err := exec.Command("mount", "-o", "remount,"+how, dir).CombinedOutput(); err != nil {
			t.Fatalf("%s: %s", how, out)
		}
	}
	remount("ro")
	_, err := open(dir)
	says(t, err, fault.StoreUnavailable, "check its permissions")
	remount("rw")
	wantsLink(t, dir, id)
}

func TestTakenPort(t *testing.T) {
	dir := t.TempDir()
	id := withLink(t, dir)
	port, err := os.ReadFile(filepath.Join(dir, "relay", "port"))
	if err != nil {
		t.Fatal(err)
	}
	at := net.JoinHostPort("127.0.0.1", strings.TrimSpace(string(port)))
	thief, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	// The port of last time: another one is taken, and the window says that addresses have changed.
	b := opened(t, dir)
	if n := b.Host().Snapshot().Notice; n == nil || n.Code != hoststate.NoticePort {
		t.Errorf("notice %+v", n)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	// A port that was asked for.
	_, err = open(dir, func(o *backend.Options) { o.Listen = at })
	says(t, err, fault.PortTaken, "close it")
	if err := thief.Close(); err != nil {
		t.Fatal(err)
	}
	wantsLink(t, dir, id)
}

// TestWrongClock: a clock that is years ahead takes every certificate of a relay for expired.
func TestWrongClock(t *testing.T) {
	relay := httptest.NewTLSServer(nil)
	defer relay.Close()
	roots := relay.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	dir := t.TempDir()
	id := withLink(t, dir)
	ahead := func(o *backend.Options) {
		o.RelayTLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, Time: func() time.Time { return time.Now().AddDate(90, 0, 0) }}
	}
	b := opened(t, dir, ahead)
	_, err := b.Host().Ways().TestRelay(t.Context(), strings.TrimPrefix(relay.URL, "https://"), "")
	says(t, err, fault.RelayUntrusted, "clock")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	wantsLink(t, dir, id)
}

// TestSecondUser: two people at one computer have folders and ports of their own, and the same folder is one Porch's.
func TestSecondUser(t *testing.T) {
	ada, bob := t.TempDir(), t.TempDir()
	first := opened(t, ada)
	mine, err := first.Host().CreateLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	port, err := os.ReadFile(filepath.Join(ada, "relay", "port"))
	if err != nil {
		t.Fatal(err)
	}
	// The second one wants the same port, as both would by default.
	if err := os.MkdirAll(filepath.Join(bob, "relay"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bob, "relay", "port"), port, 0o600); err != nil {
		t.Fatal(err)
	}
	second := opened(t, bob)
	theirs, err := second.Host().CreateLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := linksOf(second); len(got) != 1 || got[0] != theirs.ID {
		t.Errorf("the second user's links: %v", got)
	}
	if got := linksOf(first); len(got) != 1 || got[0] != mine.ID {
		t.Errorf("the first user's links: %v", got)
	}
	if mine.Addresses[0].URL[:24] == theirs.Addresses[0].URL[:24] {
		t.Errorf("both at %s", mine.Addresses[0].URL[:24])
	}
	_, err = open(ada)
	says(t, err, fault.StoreInUse, "use that one")
	if got := linksOf(first); len(got) != 1 {
		t.Errorf("after another start: %v", got)
	}
}

func TestErase(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "porch")
	withLink(t, dir)
	b := opened(t, dir)
	if err := b.Host().SetName(t.Context(), "Ada"); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	letter := filepath.Join(dir, "letter.txt")
	if err := os.WriteFile(letter, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := backend.Erase(dir); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || left[0].Name() != "letter.txt" {
		t.Errorf("left: %v, %v", left, err)
	}
	if err := os.Remove(letter); err != nil {
		t.Fatal(err)
	}
	if err := backend.Erase(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
	if got := linksOf(opened(t, dir)); len(got) != 0 {
		t.Errorf("links after all was erased: %v", got)
	}
}
