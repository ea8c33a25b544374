//go:build dev

package desktop

import (
	"flag"
	"io"
	"os"
)

// The dev server shows the host's page to any browser on this machine. Its
// address comes from Wails' flags or from the environment.
func init() {
	address := os.Getenv("devserver")
	if address == "" {
		flags := flag.NewFlagSet("dev", flag.ContinueOnError)
		flags.SetOutput(io.Discard)
		flags.StringVar(&address, "devserver", "", "")
		flags.String("assetdir", "", "")
		flags.String("frontenddevserverurl", "", "")
		flags.String("loglevel", "", "")
		_ = flags.Parse(os.Args[1:]) // Wails parses them again, and reports errors
	}
	if address != "" {
		origins = append(origins, "http://"+address)
	}
}
