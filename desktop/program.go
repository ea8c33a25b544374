package desktop

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	goruntime "runtime"
	"runtime/debug"
	"strings"

	"github.com/wailsapp/wails/v2/pkg/runtime"

	"github.com/porch-call/porch/backend"
	"github.com/porch-call/porch/backend/atlogin"
	"github.com/porch-call/porch/backend/crash"
	"github.com/porch-call/porch/backend/fault"
	"github.com/porch-call/porch/backend/handover"
	"github.com/porch-call/porch/backend/updates"
	"github.com/porch-call/porch/backend/version"
)

// programEvent tells the page that what Program returns has changed.
const programEvent = "porch:program"

// Program is what the app knows of itself as a program of this computer.
type Program struct {
	Version string    `json:"version"`
	System  string    `json:"system"` // as GOOS
	Folder  string    `json:"folder"` // where all data is
	AtLogin bool      `json:"atLogin"`
	Crashed bool      `json:"crashed"` // an earlier run did, and its report is there
	Updates bool      `json:"updates"` // this build can look for newer versions
	Looks   bool      `json:"looks"`   // and the host has agreed to it
	Newer   NewerView `json:"newer"`
	Refused string    `json:"refused"` // why the last list of versions was not believed
}

// NewerView is a version that can be downloaded.
type NewerView struct {
	Version string `json:"version"` // "" if none is known
	Changes string `json:"changes"` // plain text, in English
}

// keep begins to write the log into the data folder, and to look for newer versions if the host has agreed. The folder
// is this program's own by now.
func (a *App) keep() {
	if err := a.crashes.Begin(); err != nil {
		slog.Warn("no log is kept", "error", err)
	}
	if where, who, ok := updates.Built(); ok {
		a.updates = updates.Open(updates.Options{
			Dir: a.dir, Own: version.Number(), Place: where, Key: who,
			OnNews: func() { runtime.EventsEmit(a.ctx, programEvent) },
		})
	}
	// The program may have moved since: the system's entry has to name where it is now.
	if on, err := atlogin.On(); err == nil && on {
		if err := atlogin.Set(true); err != nil {
			slog.Warn("the entry for the login is not current", "error", err)
		}
	}
}

// openLog has all that is logged from now on kept, once the data folder is known to be this program's own.
func (a *App) openLog() (err error) {
	if a.dir, err = backend.Dir(); err != nil {
		return err
	}
	a.crashes = crash.New(a.dir)
	slog.SetDefault(slog.New(a.crashes.Handler(slog.NewTextHandler(os.Stderr, nil))))
	return nil
}

// Program returns what the app knows of itself.
func (a *App) Program() Program {
	p := Program{
		Version: version.Number(),
		System:  goruntime.GOOS,
		Folder:  a.dir,
		Crashed: a.crashes.Crashed(),
		Updates: a.updates != nil,
	}
	if on, err := atlogin.On(); err == nil {
		p.AtLogin = on
	}
	if a.updates != nil {
		s := a.updates.State()
		p.Looks, p.Refused = s.Agreed, string(s.Fault)
		p.Newer = NewerView{Version: s.Newer.Number, Changes: s.Newer.Changes}
	}
	return p
}

// SetAtLogin sets whether the system starts the app at login. Fault: LoginUnavailable.
func (a *App) SetAtLogin(on bool) error {
	if err := atlogin.Set(on); err != nil {
		return fault.New(fault.LoginUnavailable, err)
	}
	return nil
}

// SetLooks sets whether the host agrees to the app looking for newer versions. Fault: StoreUnavailable.
func (a *App) SetLooks(yes bool) error {
	if a.updates == nil {
		return fault.Newf(fault.MessageInvalid, "this build looks nowhere")
	}
	return a.updates.Agree(yes)
}

// OpenDownload opens the page of the newer version in the system's browser.
func (a *App) OpenDownload(ctx context.Context) error {
	if a.updates == nil || a.updates.State().Newer.Page == "" {
		return fault.Newf(fault.MessageInvalid, "no newer version is known")
	}
	return handover.Page(ctx, a.updates.State().Newer.Page)
}

// SaveCrashReport asks for a place and saves the report there. It returns the file's path, or "" if the host cancelled.
func (a *App) SaveCrashReport(ctx context.Context) (string, error) {
	path, err := SaveFile(ctx, "porch-report.txt", a.crashes.Report(version.Line("porch")))
	if err == nil && path != "" {
		a.crashes.Forget()
	}
	return path, err
}

// ForgetCrash removes what an earlier crash left.
func (a *App) ForgetCrash() { a.crashes.Forget() }

// EraseEverything ends the app, removes all data, and starts it anew.
func (a *App) EraseEverything(ctx context.Context) {
	a.erasing.Store(true)
	a.Quit(ctx)
}

// eraseNow removes all data, after all that uses it has closed.
func (a *App) eraseNow() {
	if err := atlogin.Set(false); err != nil {
		slog.Error("remove the entry for the login", "error", err)
	}
	if err := backend.Erase(a.dir); err != nil {
		slog.Error("erase everything", "error", err)
	}
	if err := startAgain(); err != nil {
		slog.Error("start again", "error", err)
	}
}

// Licences returns the licences of what others wrote: the file that packages bring along, else the list of parts that
// the build wrote into the program.
func Licences() string {
	exe, _ := os.Executable()
	for _, path := range []string{
		filepath.Join(filepath.Dir(exe), "THIRD-PARTY.txt"),                    // Windows
		filepath.Join(filepath.Dir(exe), "..", "Resources", "THIRD-PARTY.txt"), // macOS
		"/usr/share/doc/porch/THIRD-PARTY",                                     // Debian
		"/app/share/doc/porch/THIRD-PARTY",                                     // Flatpak
	} {
		if b, err := os.ReadFile(path); err == nil { //nolint:gosec // a file of the package's
			return strings.ReplaceAll(string(b), "\r\n", "\n")
		}
	}
	var b strings.Builder
	b.WriteString("Porch contains these works of others. Packages of Porch bring their licences along.\n\n" + goruntime.Version() + "\n")
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, part := range info.Deps {
			b.WriteString(part.Path + " " + part.Version + "\n")
		}
	}
	return b.String()
}
