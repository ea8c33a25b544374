package backend_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/porch-call/porch/"

// tier is a floor of the house. A part may import parts of lower floors.
type tier int

const (
	words    tier = iota // what is said: fault, signalling, sealed
	kit                  // small libraries without a word of ours
	media                // packets
	subjects             // each has one subject, and none imports a neighbour
	joints               // put subjects together
	host
	whole // package backend
	program
)

// part is a folder, with all below it that has no row of its own.
type part struct {
	tier tier
	// lower are the only parts of lower floors that it may import; nil allows
	// all.
	lower []string
	// beside are the parts of its own floor that it may import.
	beside []string
	// pion are the modules of Pion that it may import: nil for none, {"*"} for
	// all.
	pion []string
}

var (
	none  = []string{}
	every = []string{"*"}
	talk  = []string{"backend/fault", "backend/signalling", "backend/sealed"}
)

// parts is the import rule: all parts by the path of their folder. Every package
// of the module is in a part, and may import only what the part's row names.
var parts = map[string]part{
	"backend/fault":      {tier: words},
	"backend/signalling": {tier: words, beside: []string{"backend/fault"}},
	"backend/sealed":     {tier: words, beside: []string{"backend/fault"}},

	"backend/kit":          {tier: kit, lower: none},
	"backend/kit/pionlog":  {tier: kit, lower: none, pion: []string{"logging"}},
	"backend/kit/batchudp": {tier: kit, lower: none},
	"backend/kit/userdirs": {tier: kit, lower: none},
	"backend/kit/limit":    {tier: kit, lower: none, beside: []string{"backend/kit"}},
	"backend/sessionbus":   {tier: kit, lower: none}, // for awake and the app's notifications; see onlyFor

	"backend/version": {tier: kit, lower: none}, // for the programs

	"backend/media/clocks":        {tier: media, lower: none}, // pure
	"backend/media/codec":         {tier: media, lower: none},
	"backend/media/path":          {tier: media, beside: []string{"backend/media/codec", "backend/media/forward"}, pion: []string{"dtls", "interceptor", "rtp", "srtp", "stun", "turn"}},
	"backend/media/forward":       {tier: media, beside: []string{"backend/media/clocks", "backend/media/codec", "backend/media/gaps", "backend/media/rate", "backend/media/reception", "backend/media/red", "backend/media/speaking", "backend/media/thin", "backend/media/vp8"}, pion: []string{"rtp", "rtcp", "interceptor"}},
	"backend/media/gaps":          {tier: media, lower: none},                                        // pure
	"backend/media/rate":          {tier: media, lower: none},                                        // pure
	"backend/media/reception":     {tier: media, lower: none, pion: []string{"rtcp"}},                // pure
	"backend/media/red":           {tier: media, lower: none},                                        // pure
	"backend/media/speaking":      {tier: media, lower: none},                                        // pure
	"backend/media/thin":          {tier: media, lower: none, beside: []string{"backend/media/vp8"}}, // pure
	"backend/media/vp8":           {tier: media, lower: none},                                        // pure
	"backend/media/share":         {tier: media, beside: []string{"backend/media/codec"}},
	"backend/media/pcm":           {tier: media, lower: none},
	"backend/media/frames":        {tier: media, lower: none, beside: []string{"backend/media/codec"}, pion: []string{"rtp"}}, // pure
	"backend/media/playout":       {tier: media, lower: none, beside: []string{"backend/media/codec", "backend/media/frames", "backend/media/pcm"}, pion: []string{"rtp"}},
	"backend/media/capture":       {tier: media, beside: []string{"backend/media/codec", "backend/media/frames", "backend/media/pcm", "backend/media/playout"}, pion: []string{"mediadevices", "rtp"}},
	"backend/media/capture/clips": {tier: media, lower: none, beside: []string{"backend/media/capture"}},                                              // for measurements
	"backend/media/mediatest":     {tier: media, beside: []string{"backend/media/codec", "backend/media/forward", "backend/media/path"}, pion: every}, // for tests

	"backend/acquaintances":    {tier: subjects, lower: talk},
	"backend/notetakers":       {tier: subjects, lower: none},
	"backend/atlogin":          {tier: subjects, lower: none},
	"backend/crash":            {tier: subjects, lower: none},
	"backend/doormessages":     {tier: subjects, lower: []string{"backend/fault"}},
	"backend/updates":          {tier: subjects, lower: []string{"backend/fault"}},
	"backend/awake":            {tier: subjects, lower: []string{"backend/sessionbus"}},
	"backend/call":             {tier: subjects, beside: []string{"backend/call/asked", "backend/call/chat", "backend/call/description", "backend/call/figures", "backend/call/files", "backend/call/foresight", "backend/call/lines", "backend/call/mapped", "backend/call/outside", "backend/call/ownline", "backend/call/planning", "backend/call/sections", "backend/call/stack"}, pion: every},
	"backend/call/asked":       {tier: subjects, lower: append(talk, "backend/media/share")}, // decides only
	"backend/call/chat":        {tier: subjects, lower: talk},
	"backend/call/description": {tier: subjects, lower: none, pion: []string{"ice"}}, // text alone
	"backend/call/figures":     {tier: subjects, lower: none},
	"backend/call/files":       {tier: subjects, lower: talk},
	"backend/call/foresight":   {tier: subjects, lower: []string{"backend/media/share"}},
	"backend/call/lines":       {tier: subjects, lower: []string{"backend/media/forward", "backend/media/rate"}},
	"backend/call/mapped":      {tier: subjects, lower: []string{"backend/kit", "backend/media/path"}},
	"backend/call/outside":     {tier: subjects},
	"backend/call/ownline":     {tier: subjects, lower: []string{"backend/kit", "backend/signalling"}},
	"backend/call/planning":    {tier: subjects, lower: []string{"backend/media/forward", "backend/media/rate", "backend/media/share", "backend/signalling"}, beside: []string{"backend/call/foresight", "backend/call/lines"}}, // decides only
	"backend/call/sections":    {tier: subjects, lower: []string{"backend/media/forward", "backend/signalling"}, beside: []string{"backend/call/slottrack"}, pion: []string{"webrtc"}},
	"backend/call/slottrack":   {tier: subjects, pion: []string{"sdp", "webrtc"}},
	"backend/call/stack":       {tier: subjects, pion: []string{"ice", "sdp", "transport", "webrtc"}},
	"backend/call/totals":      {tier: subjects, lower: none, beside: []string{"backend/call"}},
	"backend/guest":            {tier: subjects, lower: append(talk, "backend/media/codec"), pion: every},
	"backend/handover":         {tier: subjects},
	"backend/links":            {tier: subjects},
	"backend/door":             {tier: subjects, beside: []string{"backend/relay/switchboard"}, pion: []string{"ice", "stun", "webrtc"}},
	"backend/lobby":            {tier: subjects},
	"backend/notify":           {tier: subjects},
	"backend/store":            {tier: subjects, beside: []string{"backend/acquaintances", "backend/links"}},
	"backend/recording":        {tier: subjects, lower: []string{"backend/fault", "backend/signalling", "backend/media/codec", "backend/media/frames", "backend/kit/userdirs"}, pion: []string{"rtp"}},
	"backend/windowsocket":     {tier: subjects},

	// The relay is one subject of several parts.
	"backend/relay":             {tier: subjects, beside: []string{"backend/relay/hosts", "backend/relay/metering", "backend/relay/oneport", "backend/relay/switchboard", "backend/relay/wire"}},
	"backend/relay/client":      {tier: subjects, beside: []string{"backend/relay/switchboard"}},
	"backend/relay/freeport":    {tier: subjects, lower: none}, // for tests and measurements
	"backend/relay/hosts":       {tier: subjects, beside: []string{"backend/relay/metering", "backend/relay/oneport", "backend/relay/switchboard", "backend/relay/wire"}},
	"backend/relay/internal":    {tier: subjects, lower: none}, // for tests
	"backend/relay/metering":    {tier: subjects},
	"backend/relay/nats":        {tier: subjects, beside: []string{"backend/relay/freeport", "backend/relay/switchboard"}},
	"backend/relay/oneport":     {tier: subjects},
	"backend/relay/switchboard": {tier: subjects},
	"backend/relay/turn":        {tier: subjects, pion: every},
	"backend/relay/wire":        {tier: subjects, beside: []string{"backend/relay/oneport"}},

	"backend/hoststate": {tier: joints},
	"backend/studio":    {tier: joints, pion: []string{"rtp"}},

	"backend/host": {tier: host},
	"backend":      {tier: whole},

	"backend/lab":             {tier: program, pion: every}, // for measurements
	"backend/cmd":             {tier: program, beside: []string{"backend/lab"}},
	"backend/cmd/porch-relay": {tier: program, pion: every}, // asks a TURN server as a client would
	"desktop":                 {tier: program},
	"":                        {tier: program, beside: []string{"desktop"}}, // the app's main package
	"frontend":                {tier: words},                                // the built pages
	"scripts":                 {tier: words},
}

// Parts that few others may import, whatever their floor.
var onlyFor = map[string][]string{
	"backend/guest":               {"backend/cmd", "backend/cmd/porch-relay", "backend/lab"},
	"backend/lab":                 {"backend/cmd"},
	"backend/media/capture":       {"backend", "backend/host", "backend/studio", "backend/media/capture/clips"},
	"backend/media/capture/clips": {"backend/cmd"},
	"backend/media/playout":       {"backend/media/capture"},
	"backend/sessionbus":          {"backend/awake", "desktop", ""},
	"frontend":                    {"backend/cmd", "backend/cmd/porch-relay", "desktop", ""},
	"backend/relay/freeport":      {"backend/relay/nats", "backend/cmd"},
	"backend/relay/internal":      {},
}

// Parts that are only one package. Packages below them need a row of their own.
var alone = []string{"", "backend", "backend/relay"}

// Parts that may import Wails.
var wails = []string{"", "desktop"}

// goPackage is what go list prints of a package.
type goPackage struct {
	ImportPath string
	Imports    []string
}

// partOf returns the row of a package: the longest path that contains it.
func partOf(path string) (name string, ok bool) {
	name = strings.TrimSuffix(strings.TrimPrefix(path+"/", module), "/")
	for below := false; ; below = true {
		if _, ok := parts[name]; ok && (!below || !slices.Contains(alone, name)) {
			return name, true
		}
		i := strings.LastIndexByte(name, '/')
		if i < 0 {
			return "", false
		}
		name = name[:i]
	}
}

// broken returns what is wrong with a package's imports.
func broken(p goPackage) (complaints []string) {
	from, ok := partOf(p.ImportPath)
	if !ok {
		return []string{fmt.Sprintf("%s: the import rule does not know this part", p.ImportPath)}
	}
	for _, imported := range p.Imports {
		if why := refused(from, imported); why != "" {
			complaints = append(complaints, fmt.Sprintf("%s imports %s: %s", p.ImportPath, imported, why))
		}
	}
	return complaints
}

// refused returns why a part must not import a package, or "" if it may.
func refused(from, imported string) string {
	row := parts[from]
	switch {
	case strings.HasPrefix(imported+"/", module):
		to, ok := partOf(imported)
		other := parts[to]
		few, closed := onlyFor[to]
		switch {
		case !ok:
			return "the rule does not know it"
		case to == from:
		case closed && !slices.Contains(few, from):
			return "only for few"
		case other.tier > row.tier:
			return "a higher floor"
		case other.tier == row.tier && !slices.Contains(row.beside, to):
			return "a neighbour"
		case other.tier < row.tier && row.lower != nil && !slices.Contains(row.lower, to):
			return "not one of the few of lower floors"
		}
	case strings.HasPrefix(imported, "github.com/pion/"):
		name, _, _ := strings.Cut(strings.TrimPrefix(imported, "github.com/pion/"), "/")
		if !slices.Contains(row.pion, "*") && !slices.Contains(row.pion, name) {
			return "Pion is for few"
		}
	case strings.Contains(imported, "wailsapp/") && !slices.Contains(wails, from):
		return "Wails is for the window"
	case from == "backend/media/forward" && (imported == "net" || strings.HasPrefix(imported, "net/")):
		return "forward has no net"
	}
	return ""
}

// list returns the packages of the module as they are built for goos, without
// their tests, or with them if tests is set.
func list(t *testing.T, goos string, tests bool) []goPackage {
	t.Helper()
	args := []string{"list", "-e", "-tags=desktop,production,webkit2_41", "-json=ImportPath,Imports"}
	if tests {
		args = append(args, "-test")
	}
	cmd := exec.CommandContext(t.Context(), "go", append(args, "./...")...)
	cmd.Dir = ".."
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
		if !strings.Contains(p.ImportPath, "/node_modules/") {
			packages = append(packages, p)
		}
	}
	if len(packages) < 40 {
		t.Fatalf("go list for %s named %d packages", goos, len(packages))
	}
	return packages
}

// TestImportsRunOneWay checks the import rule.
func TestImportsRunOneWay(t *testing.T) {
	for _, goos := range []string{"linux", "darwin", "windows"} {
		t.Run(goos, func(t *testing.T) {
			t.Parallel()
			for _, p := range list(t, goos, false) {
				for _, complaint := range broken(p) {
					t.Error(complaint)
				}
			}
		})
	}
}

// TestTheImportRuleBites tries each kind of import that the rule forbids, and a
// similar one that it allows.
func TestTheImportRuleBites(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"backend/signalling", "backend/fault", ""},
		{"backend/fault", "backend/signalling", "a neighbour"},
		{"backend/sealed", "backend/kit/limit", "a higher floor"},
		{"backend/kit/limit", "backend/kit/household", ""},
		{"backend/kit/household", "backend/kit/household/tables", ""}, // a part includes the packages below it
		{"backend/kit/netaddr", "backend/fault", "not one of the few of lower floors"},
		{"backend/kit/limit", "backend/media/codec", "a higher floor"},
		{"backend/media/codec", "backend/fault", "not one of the few of lower floors"},
		{"backend/media/forward", "backend/media/codec", ""},
		{"backend/media/forward", "backend/media/path", "a neighbour"},
		{"backend/media/forward", "backend/call", "a higher floor"},
		{"backend/media/forward", "github.com/pion/rtp", ""},
		{"backend/media/forward", "github.com/pion/webrtc/v4", "Pion is for few"},
		{"backend/media/forward", "github.com/pion/ice/v4", "Pion is for few"},
		{"backend/media/forward", "net", "forward has no net"},
		{"backend/media/forward", "net/http", "forward has no net"},
		{"backend/media/path", "net", ""},
		{"backend/media/capture", "backend/media/codec", ""},
		{"backend/media/capture", "backend/media/playout", ""},
		{"backend/media/capture", "backend/media/forward", "a neighbour"},
		{"backend/media/capture", "backend/call", "a higher floor"},
		{"backend/media/capture", "github.com/pion/webrtc/v4", "Pion is for few"},
		{"backend/media/playout", "backend/media/capture", "only for few"},
		{"backend/media/playout", "backend/fault", "not one of the few of lower floors"},
		{"backend/studio", "backend/media/capture", ""},
		{"backend/studio", "backend/media/playout", "only for few"},
		{"backend/cmd/porch-load", "backend/media/capture", "only for few"},
		{"backend/media/share", "github.com/pion/rtp", "Pion is for few"},
		{"backend/call", "backend/media/forward", ""},
		{"backend/call", "backend/media/capture", "only for few"},
		{"backend/call", "backend/host", "a higher floor"},
		{"backend/lobby", "backend/links", "a neighbour"},
		{"backend/store", "backend/links", ""},
		{"backend/store", "backend/lobby", "a neighbour"},
		{"backend/links", "backend/store", "a neighbour"},
		{"backend/guest", "backend/signalling", ""},
		{"backend/guest", "backend/kit/limit", "not one of the few of lower floors"},
		{"backend/guest", "backend/call", "a neighbour"},
		{"backend/host", "backend/guest", "only for few"},
		{"backend/cmd/porch-load", "backend/guest", ""},
		{"backend/cmd/porch-lab", "backend/lab/media", ""},
		{"backend/lab/person", "backend/guest", ""},
		{"backend/cmd/porch-relay", "backend/lab/link", "only for few"},
		{"backend/host", "backend/lab/link", "only for few"},
		{"backend/awake", "backend/sessionbus", ""},
		{"backend/awake", "backend/fault", "not one of the few of lower floors"},
		{"backend/notify", "backend/sessionbus", "only for few"},
		{"backend/relay/client", "backend/relay/switchboard", ""},
		{"backend/relay/client", "backend/relay", "a neighbour"},
		{"backend/relay/client", "backend/relay/hosts", "a neighbour"},
		{"backend/relay/switchboard", "backend/relay", "a neighbour"},
		{"backend/relay/hosts", "backend/relay", "a neighbour"},
		{"backend/relay/oneport", "backend/relay/switchboard", "a neighbour"},
		{"backend/relay", "backend/relay/turn", "a neighbour"},
		{"backend/relay", "backend/relay/freeport", "only for few"},
		{"backend/relay/nats", "backend/relay/nats/embedded", ""},
		{"backend/relay", "github.com/pion/turn/v5", "Pion is for few"},
		{"backend/relay/turn", "github.com/pion/turn/v5", ""},
		{"backend/studio", "backend/call", ""},
		{"backend/studio", "backend/hoststate", "a neighbour"},
		{"backend/call", "backend/studio", "a higher floor"},
		{"backend/hoststate", "backend/host", "a higher floor"},
		{"backend/host", "backend/studio", ""},
		{"backend/host", "backend", "a higher floor"},
		{"backend", "backend/host", ""},
		{"backend", "backend/cmd/porch-load", "a higher floor"},
		{"backend", "frontend", "only for few"},
		{"backend/cmd/porch-headless", "frontend", ""},
		{"backend/cmd/porch-headless", "desktop", "a neighbour"},
		{"backend/host", "github.com/pion/webrtc/v4", "Pion is for few"},
		{"backend/host", "github.com/wailsapp/wails/v2/pkg/runtime", "Wails is for the window"},
		{"desktop", "github.com/wailsapp/wails/v2/pkg/runtime", ""},
		{"desktop", "backend/host", ""},
		{"", "desktop", ""},
		{"desktop", "", "a neighbour"},
		{"backend/host", "backend/nowhere", "the rule does not know it"},
		{"nowhere", "backend/fault", "does not know"},
		{"backend/host", "nowhere", "the rule does not know it"},
		{"backend/relay/nowhere", "backend/fault", "does not know"},
		{"backend/media/nowhere", "backend/fault", "does not know"},
	} {
		ours := func(path string) string {
			if strings.Contains(path, ".") || path == "net" || strings.HasPrefix(path, "net/") {
				return path
			}
			return strings.TrimSuffix(module+path, "/")
		}
		got := strings.Join(broken(goPackage{ImportPath: ours(c.from), Imports: []string{ours(c.to)}}), "; ")
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%q imports %q: %q, want %q", c.from, c.to, got, c.want)
		}
	}
}

// goroutines returns what starts a goroutine in Go source.
func goroutines(t *testing.T, path string, source any) (found []string) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = append(found, set.Position(n.Pos()).String())
		case *ast.SelectorExpr:
			if n.Sel.Name == "Go" || n.Sel.Name == "AfterFunc" { // of sync.WaitGroup, time and context
				found = append(found, set.Position(n.Pos()).String())
			}
		}
		return true
	})
	return found
}

// TestForwardHasNoGoroutine checks that media/forward starts no goroutine,
// because its callers forward packets on theirs. It has one timer, which asks for
// a late packet if no other packet arrives.
func TestForwardHasNoGoroutine(t *testing.T) {
	const timers = 1
	files, err := filepath.Glob("media/forward/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range files {
		if !strings.HasSuffix(f, "_test.go") {
			found = append(found, goroutines(t, f, nil)...)
		}
	}
	if len(found) > timers {
		t.Errorf("goroutines: %q", found)
	}
	for _, statement := range []string{"go f()", "wg.Go(f)", "time.AfterFunc(1, f)"} {
		if len(goroutines(t, "made_up.go", "package p\nfunc g() { "+statement+" }")) != 1 {
			t.Errorf("%q is not found", statement)
		}
	}
	if len(goroutines(t, "made_up.go", "package p\nfunc g() { f() }")) != 0 {
		t.Error("a call is taken for a goroutine")
	}
}

// TestNothingKnowsTheWindow checks that the backend and its tests don't import
// Wails.
func TestNothingKnowsTheWindow(t *testing.T) {
	for _, p := range list(t, "linux", true) {
		if !strings.HasPrefix(p.ImportPath, module+"backend") {
			continue
		}
		for _, imported := range p.Imports {
			if strings.Contains(imported, "wailsapp/") {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
		}
	}
}

// TestTheRelayIsSmall checks that the public relay contains nothing that belongs
// to the app, because it is one static program for a server.
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
		under, ours := strings.CutPrefix(path, module+"backend/")
		first, _, _ := strings.Cut(under, "/")
		if ours && !slices.Contains([]string{"fault", "signalling", "sealed", "kit", "version", "relay", "cmd"}, first) {
			t.Errorf("the relay imports %s", path)
		}
	}
}
