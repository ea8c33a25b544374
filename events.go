package main

import (
	"context"
	"fmt"

	"github.com/wailsapp/wails/v2/pkg/runtime"

	"github.com/porch-call/porch/backend/host"
	"github.com/porch-call/porch/backend/hoststate"
)

// changeEvent carries a hoststate.Change to the page.
const changeEvent = "porch:change"

// pump sends changes to the page until the backend closes. It also shows the
// number of waiting guests in the window's title, and shows the window when the
// host let a guest in from elsewhere.
func (a *App) pump(ctx context.Context, h *host.Host) {
	w := h.WatchPaced()
	defer w.Close()
	title := ""
	for {
		change, err := w.Next(ctx)
		if err != nil {
			return
		}
		runtime.EventsEmit(ctx, changeEvent, change)
		if t := windowTitle(h.Snapshot()); t != title {
			title = t
			runtime.WindowSetTitle(ctx, title)
		}
		if enter, ok := change["enter"].(*hoststate.EnterView); ok && enter != nil {
			a.desktop.ShowWindow()
		}
	}
}

// windowTitle returns the window's title. It never names a link or a guest,
// because other programs can see titles.
func windowTitle(s hoststate.State) string {
	if n := len(s.Requests); n > 0 {
		return fmt.Sprintf("(%d) Porch", n)
	}
	return "Porch"
}
