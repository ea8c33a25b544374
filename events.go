package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/wailsapp/wails/v2/pkg/runtime"

	"github.com/porch-call/porch/backend/host"
	"github.com/porch-call/porch/backend/hoststate"
	"github.com/porch-call/porch/backend/signalling"
)

// changeEvent carries a hoststate.Change to the page.
const changeEvent = "porch:change"

// pump sends changes to the page until the backend closes. It also shows the
// number of waiting guests in the window's title, marks the window while the bell
// rings, and shows the window when the
// host let a guest in from elsewhere.
func (a *App) pump(ctx context.Context, h *host.Host) {
	w := h.WatchPaced()
	defer w.Close()
	title, wanted := "", false
	for {
		change, err := w.Next(ctx)
		if err != nil {
			return
		}
		runtime.EventsEmit(ctx, changeEvent, change)
		s := h.Snapshot()
		if t := windowTitle(s); t != title {
			title = t
			runtime.WindowSetTitle(ctx, title)
		}
		if w := wantsAttention(s); w != wanted {
			wanted = w
			a.desktop.DemandAttention(wanted)
		}
		if enter, ok := change["enter"].(*hoststate.EnterView); ok && enter != nil {
			a.desktop.ShowWindow()
		}
	}
}

// wantsAttention reports whether the bell rings for a guest whom the host has not
// looked at.
func wantsAttention(s hoststate.State) bool {
	return slices.ContainsFunc(s.Requests, func(q hoststate.RequestView) bool {
		return q.Bell == string(signalling.BellRung) && !q.Seen
	})
}

// windowTitle returns the window's title. It never names a link or a guest,
// because other programs can see titles.
func windowTitle(s hoststate.State) string {
	if n := len(s.Requests); n > 0 {
		return fmt.Sprintf("(%d) Porch", n)
	}
	return "Porch"
}
