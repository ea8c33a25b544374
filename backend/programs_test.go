package backend_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// programs are all places at which the project starts another program, by file.
// Text of a guest, a link or a relay is never part of a shell's command line,
// because each program gets its arguments one by one. docs/security.md says
// what they are.
var programs = map[string][]string{
	"backend/awake/awake_darwin.go":           {`"/usr/bin/caffeinate"`},
	"desktop/again.go":                        {`path`},          // this program, with its own arguments
	"backend/host/ways/funnel/funnel.go":      {`program`},       // tailscale
	"backend/sessionbus/bustest/bustest.go":   {`"dbus-daemon"`}, // for tests
	"backend/handover/open_darwin.go":         {`"/usr/bin/open"`},
	"backend/handover/open_linux.go":          {`"xdg-open"`, `"xdg-mime"`},
	"backend/handover/open_windows.go":        {`target`},       // the program registered for mailto: and sms:
	"backend/relay/nats/natstest/natstest.go": {`"go"`, `path`}, // for tests
	"backend/cmd/porch-load/relay_process.go": {`program`},      // for measurements
	"backend/cmd/porch-load/nodes.go":         {`program`},
	"backend/lab/topology/net_linux.go":       {`"ip"`, `"ip"`, `"ip"`, `"ip"`, `"ip"`, `"ip"`, `"ip"`, `"ip"`}, // for measurements
}

// sources calls f for each source file of the project that is no test, for
// every system.
func sources(t *testing.T, extensions []string, f func(path string, b []byte)) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{"node_modules", "dist", "build", "wailsjs", ".git", "e2e"}, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !slices.Contains(extensions, filepath.Ext(path)) || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".test.ts") {
			return nil
		}
		b, err := os.ReadFile(path)
		if err == nil {
			f(filepath.ToSlash(strings.TrimPrefix(path, "..")[1:]), b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestNoTextReachesAShell finds every call that starts a program, and every
// import of go-toast, which runs PowerShell.
func TestNoTextReachesAShell(t *testing.T) {
	const goToast = "git.sr.ht/~jackmordaunt/go-toast"
	started := make(map[string][]string)
	files, pushes := 0, 0
	sources(t, []string{".go"}, func(path string, b []byte) {
		files++
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, b, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range file.Imports {
			if strings.Contains(i.Path.Value, goToast) && (path != "desktop/notifications_windows.go" || !strings.HasSuffix(i.Path.Value, `/wintoast"`)) {
				t.Errorf("%s imports %s", path, i.Path.Value)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				for _, shell := range []string{"powershell", "pwsh", "cmd.exe", "/bin/sh", "osascript"} {
					if n.Kind == token.STRING && strings.Contains(strings.ToLower(n.Value), shell) {
						t.Errorf("%s names %s: %s", path, shell, n.Value)
					}
				}
			case *ast.SelectorExpr:
				switch name := n.Sel.Name; {
				case name == "PowershellFallback" || name == "PreferPowershell" || name == "StartProcess" || name == "ForkExec" || name == "BrowserOpenURL":
					t.Errorf("%s uses %s", path, name)
				case strings.HasPrefix(name, "SendNotification") && path != "desktop/notifications_darwin.go":
					t.Errorf("%s uses Wails' %s, which goes through PowerShell on Windows", path, name)
				}
			case *ast.CallExpr:
				called, ok := n.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				of, _ := called.X.(*ast.Ident)
				switch {
				case of == nil:
				case of.Name == "windows" && called.Sel.Name == "ShellExecute":
					started[path] = append(started[path], source(set, b, n.Args[2]))
				case of.Name == "exec" && called.Sel.Name == "Command":
					started[path] = append(started[path], source(set, b, n.Args[0]))
				case of.Name == "exec" && called.Sel.Name == "CommandContext":
					started[path] = append(started[path], source(set, b, n.Args[1]))
				case of.Name == "wintoast" && called.Sel.Name == "Push":
					pushes++
					if len(n.Args) != 2 {
						t.Errorf("%s gives wintoast.Push an option", path)
					}
				}
			}
			return true
		})
	})
	if files < 100 || pushes != 1 {
		t.Fatalf("%d files, %d toasts: the sources were not found", files, pushes)
	}
	for path, want := range programs {
		if got := started[path]; !slices.Equal(got, want) {
			t.Errorf("%s starts %q, known are %q", path, got, want)
		}
		delete(started, path)
	}
	for path, got := range started {
		t.Errorf("%s starts %q: say in docs/security.md what text it gets, and name it here", path, got)
	}
	sources(t, []string{".ts", ".js", ".svelte", ".html"}, func(path string, b []byte) {
		if strings.Contains(string(b), "SendNotification") {
			t.Errorf("%s uses Wails' notifications, which go through PowerShell on Windows", path)
		}
	})
}

func source(set *token.FileSet, b []byte, n ast.Node) string {
	return string(b[set.Position(n.Pos()).Offset:set.Position(n.End()).Offset])
}

// TestOnlyWailsKnowsGoToast uses the compiler's own list for Windows. Only
// Wails imports the package that falls back on PowerShell, and the app does not
// ask Wails to show notifications.
func TestOnlyWailsKnowsGoToast(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-tags", "desktop,production",
		"-f", `{{.ImportPath}} {{join .Imports " "}}`, "..")
	cmd.Env = append(os.Environ(), "GOOS=windows", "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if slices.Contains(fields[1:], "git.sr.ht/~jackmordaunt/go-toast/v2") {
			found = true
			if !strings.HasPrefix(fields[0], "github.com/wailsapp/wails/v2/internal/") {
				t.Errorf("%s imports go-toast", fields[0])
			}
		}
	}
	if !found {
		t.Error("Wails does not import go-toast any more: this test, and notifications_windows.go, can be simpler")
	}
}
