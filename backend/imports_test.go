package backend_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/porch-call/porch/"

// What each part may import of the others. A part is the first folder under
// backend. "" is package backend itself.
var (
	bottom = []string{"fault", "signalling", "sealed"}
	kit    = []string{"kit"}   // small libraries without a word of ours
	media  = []string{"media"} // packets
	middle = []string{"links", "lobby", "call", "capture", "handover", "notify", "store", "relay", "windowsocket", "awake"}

	mayImport = map[string][]string{
		"fault":      nil,
		"kit":        nil,
		"signalling": {"fault"},
		"sealed":     {"fault"},
		"sessionbus": nil,
		"guest":      slices.Concat(bottom, []string{"media"}),
		"media":      slices.Concat(bottom, kit),
		"host":       slices.Concat(bottom, kit, media, middle),
		"":           slices.Concat(bottom, kit, media, middle, []string{"host"}),
		"cmd":        slices.Concat(bottom, kit, media, middle, []string{"host", "", "guest"}),
	}

	// Only these may import Pion, by the path under backend.
	// porch-relay asks a TURN server as a client would (check).
	pion = []string{"media", "call", "capture", "guest", "relay/turn", "cmd/porch-relay"}
)

func init() {
	for _, part := range middle {
		mayImport[part] = slices.Concat(bottom, kit, media)
	}
	mayImport["awake"] = []string{"sessionbus"}
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

// list returns the packages under backend as they are built for goos, without
// their tests. With tests, they are listed as well.
func list(t *testing.T, goos string, tests bool) []goPackage {
	t.Helper()
	args := []string{"list", "-e", "-json=ImportPath,Imports"}
	if tests {
		args = append(args, "-test")
	}
	cmd := exec.CommandContext(t.Context(), "go", append(args, "./...")...)
	cmd.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list for %s: %v", goos, err)
	}
	var packages []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	if len(packages) < 10 {
		t.Fatalf("go list for %s named %d packages", goos, len(packages))
	}
	return packages
}

// inBackend returns the path of a package under backend.
func inBackend(path string) (under string, ok bool) {
	path, _, _ = strings.Cut(path, " ") // "p [p.test]" is p as its test sees it
	if path == module+"backend" {
		return "", true
	}
	return strings.CutPrefix(path, module+"backend/")
}

func partOf(under string) string {
	part, _, _ := strings.Cut(under, "/")
	return part
}

// TestImportsRunOneWay keeps the import rule of the design.
func TestImportsRunOneWay(t *testing.T) {
	for _, goos := range []string{"linux", "darwin", "windows"} {
		t.Run(goos, func(t *testing.T) {
			t.Parallel()
			for _, p := range list(t, goos, false) {
				under, ok := inBackend(p.ImportPath)
				if !ok {
					t.Fatalf("%s is not under backend", p.ImportPath)
				}
				allowed, known := mayImport[partOf(under)]
				if !known {
					t.Errorf("%s: the import rule does not know this part", p.ImportPath)
				}
				for _, imported := range p.Imports {
					target, ours := inBackend(imported)
					switch {
					case !ours && strings.HasPrefix(imported, module):
						if partOf(under) != "cmd" || imported != module+"frontend" {
							t.Errorf("%s imports %s", p.ImportPath, imported)
						}
					case ours && partOf(target) != partOf(under) && !slices.Contains(allowed, partOf(target)):
						t.Errorf("%s imports %s", p.ImportPath, imported)
					case strings.HasPrefix(imported, "github.com/pion/") && !mayImportPion(under):
						t.Errorf("%s imports %s", p.ImportPath, imported)
					}
				}
			}
		})
	}
}

func mayImportPion(under string) bool {
	return slices.ContainsFunc(pion, func(prefix string) bool {
		return under == prefix || strings.HasPrefix(under, prefix+"/")
	})
}

// TestNothingKnowsTheWindow keeps Wails out of the backend, its tests included.
func TestNothingKnowsTheWindow(t *testing.T) {
	for _, p := range list(t, "linux", true) {
		for _, imported := range p.Imports {
			if strings.Contains(imported, "wailsapp/") {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
		}
	}
}

// TestTheRelayIsSmall keeps out of the public relay what belongs to the app:
// it is one static program for a server.
func TestTheRelayIsSmall(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}} {{len .CgoFiles}}{{end}}", "./cmd/porch-relay")
	cmd.Env = append(os.Environ(), "GOOS=linux", "CGO_ENABLED=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(out))
	if len(lines) < 100 {
		t.Fatalf("go list named %d packages", len(lines)/2)
	}
	for i := 0; i+1 < len(lines); i += 2 {
		path, c := lines[i], lines[i+1]
		if c != "0" {
			t.Errorf("%s needs C", path)
		}
		for _, no := range []string{"wailsapp/", "sqlite", "mediadevices", "malgo", "livekit"} {
			if strings.Contains(path, no) {
				t.Errorf("the relay imports %s", path)
			}
		}
		if under, ours := inBackend(path); ours && !slices.Contains([]string{"fault", "signalling", "sealed", "kit", "relay", "cmd"}, partOf(under)) {
			t.Errorf("the relay imports %s", path)
		}
	}
}
