// Porch is call links for everyone: the host's app.
package main

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/wailsapp/wails/v2"
	"github.com/wailsapp/wails/v2/pkg/options"
	"github.com/wailsapp/wails/v2/pkg/options/assetserver"
	"github.com/wailsapp/wails/v2/pkg/options/mac"
	"github.com/wailsapp/wails/v2/pkg/options/windows"

	"github.com/porch-call/porch/backend/relay"
	"github.com/porch-call/porch/backend/version"
	"github.com/porch-call/porch/desktop"
	"github.com/porch-call/porch/frontend"
)

//go:embed build/appicon.png
var icon []byte

//go:embed build/linux/porch-64.png
var noteIcon []byte

func main() {
	if version.Asked(os.Args[1:]) {
		fmt.Println(version.Line("porch"))
		return
	}
	if desktop.HelpAsked(os.Args[1:]) {
		fmt.Print(desktop.Help)
		return
	}
	desktop.AwaitPredecessor()
	state := options.Normal
	if desktop.Background(os.Args[1:]) {
		state = options.Minimised
	}
	app := newApp()
	if err := wails.Run(&options.App{
		Title:             "Porch",
		Width:             1080,
		Height:            720,
		MinWidth:          360,
		MinHeight:         480,
		WindowStartState:  state,
		HideWindowOnClose: desktop.HidesOnClose,
		BackgroundColour:  options.NewRGB(0x14, 0x15, 0x1A),
		AssetServer:       &assetserver.Options{Assets: frontend.Host(), Middleware: guardPage},
		OnStartup:         app.desktop.Startup,
		OnBeforeClose:     app.desktop.BeforeClose,
		OnShutdown:        app.desktop.Shutdown,
		SingleInstanceLock: &options.SingleInstanceLock{
			UniqueId:               instance(),
			OnSecondInstanceLaunch: app.desktop.SecondLaunch,
		},
		DragAndDrop: &options.DragAndDrop{DisableWebViewDrop: true},
		Bind:        []any{app},
		Windows:     &windows.Options{Theme: windows.SystemDefault, DisablePinchZoom: true},
		Mac: &mac.Options{
			About: &mac.AboutInfo{Title: "Porch", Message: "Call links for everyone\nVersion " + version.Number(), Icon: icon},
		},
		Linux: desktop.LinuxOptions(icon),
	}); err != nil {
		log.Fatal(err)
	}
}

// instance returns a name for this Porch. One Porch runs for each data folder.
func instance() string {
	const name = "call.porch.app"
	dir := os.Getenv("PORCH_DATA_DIR")
	if dir == "" {
		return name
	}
	sum := sha256.Sum256([]byte(dir))
	return name + "." + hex.EncodeToString(sum[:8])
}

// contentPolicy lets the host's page use its own parts and the window socket,
// and nothing else. Styles may be inline, because the positions of the pictures
// are.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self'; worker-src 'self' blob:; " +
	"connect-src 'self' ws://127.0.0.1:*; base-uri 'none'; form-action 'none'; frame-src 'none'; object-src 'none'"

// guardPage sets the policy on everything that the window loads.
func guardPage(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		if relay.RunsWasm(r.URL.Path) {
			h.Set("Content-Security-Policy", relay.WasmPolicy)
		}
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}
