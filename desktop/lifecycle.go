package desktop

import (
	"cmp"
	"context"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/wailsapp/wails/v2/pkg/options"
	"github.com/wailsapp/wails/v2/pkg/runtime"

	"github.com/porch-call/porch/backend"
	"github.com/porch-call/porch/backend/crash"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/host"
	"github.com/porch-call/porch/backend/updates"
	"github.com/porch-call/porch/frontend"
	"github.com/porch-call/porch/frontend/messages"
)

// ownWindow is the name that the page in the app's own window gives itself, see
// frontend/host/model/backend.ts. This page opens by itself, so that it opened
// does not mean that the host uses it.
const ownWindow = "window"

// App is the app from its start to its end: the backend, the window, and the
// system's notifications. Wails gets its methods.
type App struct {
	icon []byte
	pump func(ctx context.Context, h *host.Host)

	ready chan struct{} // closed when the fields below are set
	ctx   context.Context
	host  *host.Host
	err   error // why there is no host

	backend  *backend.Backend
	notifier *notifier
	pumped   chan struct{} // closed when pump has returned
	spoken   atomic.Pointer[messages.Texts]
	speaking sync.Once
	speaks   chan struct{} // closed when the page has said which language it speaks
	dir      string        // the data folder
	crashes  *crash.Keeper
	updates  *updates.Checker // nil if this build looks for none
	erasing  atomic.Bool      // all data goes when the backend has closed
	quitting atomic.Bool      // the host chose to quit, so closing the window ends the app
	ending   chan struct{}    // closed when Shutdown begins
}

// New returns an app that has not started. icon, a PNG, is for notifications. pump
// runs as long as there is a host, and returns once it has closed.
func New(icon []byte, pump func(ctx context.Context, h *host.Host)) *App {
	return &App{icon: icon, pump: pump, ready: make(chan struct{}), pumped: make(chan struct{}), speaks: make(chan struct{}), ending: make(chan struct{})}
}

// Host waits until the app has opened, and returns the host, or why there is none.
func (a *App) Host() (context.Context, *host.Host, error) {
	<-a.ready
	return a.ctx, a.host, a.err
}

// Startup opens the backend. Wails calls it on its own goroutine while the window
// loads. The window's first command waits for it.
func (a *App) Startup(ctx context.Context) {
	a.ctx = ctx
	go a.quitOnSignal()
	a.notifier = newNotifier(ctx, a.icon)
	if a.err = a.openLog(); a.err != nil {
		a.fail()
		return
	}
	a.backend, a.err = backend.Open(ctx, backend.Options{
		Dir:       a.dir,
		Pages:     frontend.Guest(),
		Origins:   isWindow,
		Notifier:  a.notifier,
		Speech:    a.speech,
		Attention: a.ShowWindow,
		Clipboard: func(text string) error { return runtime.ClipboardSetText(ctx, text) },
	}.FromEnvironment())
	if a.err != nil {
		a.fail()
		return
	}
	a.keep()
	a.host = a.backend.Host()
	a.host.Attend(ownWindow) // until a page is used
	close(a.ready)
	a.notifier.start(a.host)
	go func() {
		defer close(a.pumped)
		a.pump(ctx, a.host)
	}()
}

// secondInstance is how long Wails may take to find that Porch already runs, and
// to end this process. Wails looks for it while Startup runs, and by then the
// store is taken.
const secondInstance = 2 * time.Second

// fail tells the host why the app can't open, and ends it.
func (a *App) fail() {
	close(a.ready)
	close(a.pumped)
	slog.Error("porch can't open", "error", a.err)
	if fault.CodeOf(a.err) == fault.StoreInUse {
		time.Sleep(secondInstance)
	}
	a.awaitSpeech()
	_, _ = runtime.MessageDialog(a.ctx, runtime.MessageDialogOptions{
		Type:    runtime.ErrorDialog,
		Title:   a.texts()["system_cant_open"],
		Message: cmp.Or(a.texts().Fault(string(fault.CodeOf(a.err))), fault.Sentence(fault.CodeOf(a.err))),
	})
	os.Exit(1)
}

// Shutdown closes the backend, which tells guests. Wails calls it after the window
// has closed.
func (a *App) Shutdown(context.Context) {
	close(a.ending)
	<-a.ready
	if a.backend == nil {
		return
	}
	if err := a.backend.Close(); err != nil {
		slog.Error("close the backend", "error", err)
	}
	<-a.pumped
	a.notifier.close()
	if a.updates != nil {
		_ = a.updates.Close()
	}
	if err := a.crashes.Close(); err != nil {
		slog.Error("close the log", "error", err)
	}
	if a.erasing.Load() {
		a.eraseNow()
	}
}

// BeforeClose keeps the app running if the host closes the window while a link can
// be opened. On macOS, Wails hides the window by itself, and calls this for Quit
// only.
func (a *App) BeforeClose(ctx context.Context) (prevent bool) {
	if HidesOnClose || a.quitting.Load() || !a.answers() {
		return false
	}
	runtime.WindowMinimise(ctx)
	if err := a.host.WindowHidden(ctx); err != nil {
		slog.Error("say that the window is in the background", "error", err)
	}
	return true
}

// quitOnSignal ends the app when the system or a terminal asks for it, even if
// links can be opened. The second signal ends it at once.
func (a *App) quitOnSignal() {
	asked := make(chan os.Signal, 2)
	signal.Notify(asked, os.Interrupt, syscall.SIGTERM)
	<-asked
	a.Quit(a.ctx)
	<-asked
	os.Exit(1)
}

// quitEvery is the time between attempts to quit. GTK forgets the first if its main loop has not begun, as can be while
// the window is still opening.
const quitEvery = 500 * time.Millisecond

// Quit ends the app, even if links can be opened. It returns at once.
func (a *App) Quit(ctx context.Context) {
	if a.quitting.Swap(true) {
		return
	}
	go func() {
		for {
			runtime.Quit(ctx)
			select {
			case <-a.ending:
				return
			case <-time.After(quitEvery):
			}
		}
	}()
}

// answers reports whether a link can be opened.
func (a *App) answers() bool {
	select {
	case <-a.ready:
	default:
		return false
	}
	if a.err != nil {
		return false
	}
	for _, l := range a.host.Snapshot().Links {
		if l.State == "open" || l.State == "live" {
			return true
		}
	}
	return false
}

// SecondLaunch runs in the first instance when Porch is started again.
func (a *App) SecondLaunch(options.SecondInstanceData) {
	select {
	case <-a.ready:
		if a.err == nil {
			a.ShowWindow()
		}
	default: // still opening, so the window will show
	}
}

// ShowWindow brings the window to the front, whether it was hidden, minimised or
// covered.
func (a *App) ShowWindow() {
	runtime.Show(a.ctx)
	runtime.WindowUnminimise(a.ctx)
	runtime.WindowShow(a.ctx)
	if token := a.notifier.activation(); token != "" {
		present(token)
	}
}

// DemandAttention marks the window in the dock or the taskbar, as far as the system
// can, because the bell rings for guests whom the host has not looked at. It
// brings nothing to the front.
func (a *App) DemandAttention(on bool) { demandAttention(on) }

// SaveFile asks for a place and writes a file there. It returns "" if the host
// cancelled.
func SaveFile(ctx context.Context, name string, content []byte) (string, error) {
	path, err := runtime.SaveFileDialog(ctx, runtime.SaveDialogOptions{DefaultFilename: name})
	if err != nil || path == "" {
		return "", err
	}
	return path, os.WriteFile(path, content, 0o600)
}
