// Porch is call links for everyone: the host's app.
package main

import (
	"log"

	"github.com/wailsapp/wails/v2"
	"github.com/wailsapp/wails/v2/pkg/options"
	"github.com/wailsapp/wails/v2/pkg/options/assetserver"

	"github.com/porch-call/porch/frontend"
)

func main() {
	app := &App{}
	if err := wails.Run(&options.App{
		Title:       "Porch",
		AssetServer: &assetserver.Options{Assets: frontend.Host()},
		Bind:        []any{app},
	}); err != nil {
		log.Fatal(err)
	}
}
