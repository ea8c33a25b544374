//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/porch-call/porch/backend/call"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/guest"
	"github.com/porch-call/porch/backend/signalling"
)

// asProgram makes the test binary run as the command.
const asProgram = "PORCH_TEST_AS_HEADLESS"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// event is any line that the command prints.
type event struct {
	Event       string `json:"event"`
	ID          string `json:"id"`
	Name        string `json:"name"`
	Link        string `json:"link"`
	Request     string `json:"request"`
	Participant string `json:"participant"`
	State       string `json:"state"`
	Relay       string `json:"relay"`
	Code        string `json:"code"`
	Addresses   []struct {
		URL   string `json:"url"`
		Reach string `json:"reach"`
	} `json:"addresses"`
	call.Stats
}

// headless is a running command.
type headless struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	events chan event
	ended  chan error
}

func command(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, append([]string{"-pages", "testdata/pages"}, args...)...)
	cmd.Env = append(os.Environ(), "PORCH_DATA_DIR="+dir, "PORCH_LISTEN=127.0.0.1:0", asProgram+"=1")
	cmd.Stderr = os.Stderr
	return cmd
}

func startHeadless(t *testing.T, dir string, args ...string) *headless {
	t.Helper()
	h := &headless{t: t, cmd: command(t, dir, args...), events: make(chan event, 256), ended: make(chan error, 1)}
	var err error
	if h.stdin, err = h.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		scanner := bufio.NewScanner(stdout)
		for scanner.Scan() {
			var e event
			if err := json.Unmarshal(scanner.Bytes(), &e); err != nil {
				t.Errorf("not a line of JSON: %s", scanner.Text())
			}
			h.events <- e
		}
		close(h.events)
		h.ended <- h.cmd.Wait()
	}()
	t.Cleanup(func() { h.stop(syscall.SIGKILL) })
	return h
}

// stop sends a signal, waits for the end and returns the last line.
func (h *headless) stop(s syscall.Signal) (last event) {
	h.t.Helper()
	_ = h.cmd.Process.Signal(s) // it may have ended
	for e := range h.events {
		last = e
	}
	select {
	case <-h.ended:
		h.ended <- nil
	case <-time.After(patience):
		h.t.Fatal("did not end")
	}
	return last
}

const patience = 30 * time.Second

// next returns the next event, which must be of this kind.
func (h *headless) next(kind string) event {
	h.t.Helper()
	select {
	case e, ok := <-h.events:
		if !ok || e.Event != kind {
			h.t.Fatalf("got %+v, want %s", e, kind)
		}
		return e
	case <-time.After(patience):
		h.t.Fatalf("no %s", kind)
	}
	return event{}
}

func (h *headless) letIn(name string) {
	h.t.Helper()
	if _, err := io.WriteString(h.stdin, name+"\n"); err != nil {
		h.t.Fatal(err)
	}
}

// knocker joins in the background.
type knocker struct {
	guest  chan *guest.Guest
	err    chan error
	cancel context.CancelFunc
}

func knock(t *testing.T, link string, o guest.Options) *knocker {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	k := &knocker{guest: make(chan *guest.Guest, 1), err: make(chan error, 1), cancel: cancel}
	go func() {
		g, err := guest.Join(ctx, link, o)
		if err != nil {
			k.err <- err
			return
		}
		k.guest <- g
	}()
	t.Cleanup(cancel)
	return k
}

func (k *knocker) in(t *testing.T) *guest.Guest {
	t.Helper()
	select {
	case g := <-k.guest:
		t.Cleanup(func() { _ = g.Close() })
		return g
	case err := <-k.err:
		t.Fatal(err)
	}
	return nil
}

// TestKill9 kills the app with three links, one of them live. After a restart the links are there. Guests who were in
// the call or waiting come back to the lobby by themselves. No guest is in the call whom the host has not let in
// again.
func TestKill9(t *testing.T) {
	dir := t.TempDir()
	h := startHeadless(t, dir, "-links", "3", "-name", "Tea")
	var links []event
	for range 3 {
		links = append(links, h.next("link"))
	}
	device := "AAAAAAAAAAAAAAAAAAAAAQ"
	h.letIn("Ada")
	first := knock(t, links[0].Link, guest.Options{Name: "Ada", Device: device})
	if e := h.next("knock"); e.Name != "Ada" || e.ID != links[0].ID {
		t.Fatalf("%+v", e)
	}
	ada := first.in(t)
	if e := h.next("admitted"); e.Name != "Ada" || e.Participant != ada.ID() {
		t.Fatalf("%+v", e)
	}
	waiting := make(chan signalling.Waiting, 8)
	boris := knock(t, links[1].Link, guest.Options{Name: "Boris", OnWaiting: func(w signalling.Waiting) { waiting <- w }})
	h.next("knock")
	<-waiting

	h.stop(syscall.SIGKILL)
	switch err := <-boris.err; fault.CodeOf(err) {
	case fault.HostGone, fault.RelayUnreachable: // the relay died with the host
	default:
		t.Errorf("who waited was told: %v", err)
	}

	h = startHeadless(t, dir, "-links", "3")
	for _, want := range links {
		if got := h.next("link"); got.Link != want.Link || got.Name != "Tea" {
			t.Fatalf("link %s (%s) came back as %s (%s)", want.Link, want.Name, got.Link, got.Name)
		}
	}
	back := knock(t, links[0].Link, guest.Options{Name: "Ada", Device: device, Seat: ada.Seat()})
	if e := h.next("knock"); e.Name != "Ada" {
		t.Fatalf("%+v", e)
	}
	boris = knock(t, links[1].Link, guest.Options{Name: "Boris"})
	if e := h.next("knock"); e.Name != "Boris" { // and no guest was let in meanwhile
		t.Fatalf("%+v", e)
	}
	h.letIn("Ada")
	ada = back.in(t)
	if e := h.next("admitted"); e.Name != "Ada" {
		t.Fatalf("%+v", e)
	}
	<-ada.Connected() // connected, and not only let in
	if err := ada.Leave(); err != nil {
		t.Error(err)
	}
	h.next("left")
	if e := h.next("ended"); e.ID != links[0].ID || e.State != "spent" {
		t.Fatalf("%+v", e)
	}
	boris.cancel()
	<-boris.err
	if e := h.stop(syscall.SIGTERM); e.Event != "stats" || e.UnadmittedMedia != 0 {
		t.Fatalf("last line: %+v", e)
	}
}

func TestAdmitAll(t *testing.T) {
	h := startHeadless(t, t.TempDir(), "-admit=all")
	link := h.next("link").Link
	var guests []*guest.Guest
	for i := range 3 {
		guests = append(guests, knock(t, link, guest.Options{Name: fmt.Sprintf("Guest %d", i)}).in(t))
	}
	for _, g := range guests {
		select {
		case <-g.Connected():
		case <-time.After(patience):
			t.Fatal("no media path")
		}
	}
	if err := h.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	for e := range h.events {
		if e.Event == "stats" {
			if e.Participants != 3 || e.UnadmittedMedia != 0 {
				t.Errorf("%+v", e.Stats)
			}
			break
		}
	}
	h.stop(syscall.SIGTERM)
	for _, g := range guests { // they were told that the app is closing, and keep trying
		_ = g.Close()
	}
}

// The command's output is not read, and its pipe is full. Guests still get in, and the command ends when it is told
// to end.
func TestNobodyReads(t *testing.T) {
	name := filepath.Join(t.TempDir(), "stdout")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	open := func(flag int) *os.File {
		f, err := os.OpenFile(name, flag, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	reader := open(os.O_RDWR) // opens without waiting for a writer
	cmd := command(t, t.TempDir(), "-admit=all")
	cmd.Stdout = open(os.O_WRONLY)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })

	printed := bufio.NewReader(reader)
	line, err := printed.ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var link event
	if err := json.Unmarshal(line, &link); err != nil || link.Event != "link" {
		t.Fatalf("%s: %v", line, err)
	}
	filler := open(os.O_WRONLY)
	if err := filler.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := filler.Write(make([]byte, 4<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("fill the pipe: %v", err)
	}
	for i := range 3 {
		g := knock(t, link.Link, guest.Options{Name: fmt.Sprintf("Guest %d", i)}).in(t)
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("did not end")
	}
}

func TestFlags(t *testing.T) {
	var said strings.Builder
	if err := run([]string{"-admit=some"}, strings.NewReader(""), io.Discard, &said); err == nil {
		t.Error("-admit=some was taken")
	}
	if err := run([]string{"-h"}, strings.NewReader(""), io.Discard, &said); err == nil || !strings.Contains(said.String(), "-admit") {
		t.Errorf("-h: %v, %s", err, said.String())
	}
	s, err := parse([]string{"-admit", "all", "-links", "4"}, io.Discard)
	if err != nil || !s.admitAll || s.links != 4 {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := parse([]string{"-nonsense"}, io.Discard); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("-nonsense: %v", err)
	}
}

// An unreachable relay delays nothing. The link has its address there already, and the state of the relay is printed.
func TestPublicRelay(t *testing.T) {
	dir := t.TempDir()
	invitation := filepath.Join(t.TempDir(), "invitation")
	if err := os.WriteFile(invitation, []byte("welcome\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := startHeadless(t, dir, "-relay", "localhost:9", "-relay-token-file", invitation, "-relay-only")
	l := h.next("link")
	if len(l.Addresses) < 2 || l.Addresses[0].Reach != "anywhere" || !strings.HasPrefix(l.Addresses[0].URL, "https://localhost:9/j/") ||
		!strings.HasPrefix(l.Link, "http://localhost:") {
		t.Errorf("link %s, addresses %+v", l.Link, l.Addresses)
	}
	for e := h.next("relay"); e.State != "unreachable"; e = h.next("relay") {
		if e.State != "connecting" || e.Relay != "https://localhost:9" {
			t.Fatalf("relay: %+v", e)
		}
	}
	h.stop(syscall.SIGTERM)

	h = startHeadless(t, dir) // the choice of the run before is kept
	if again := h.next("link"); again.ID != l.ID || len(again.Addresses) != len(l.Addresses) {
		t.Errorf("after a restart: %+v", again)
	}
	if e := h.next("relay"); e.Relay != "https://localhost:9" {
		t.Errorf("relay: %+v", e)
	}
	h.stop(syscall.SIGTERM)
}
