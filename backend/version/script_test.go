//go:build unix

package version

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestScript makes a repository with scripts/version.sh in it, and asks the script in each state that a release goes
// through.
func TestScript(t *testing.T) {
	script, err := os.ReadFile("../../scripts/version.sh")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	run := func(name string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir),
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@localhost", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@localhost")
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	git := func(args ...string) {
		t.Helper()
		if out, err := run("git", args...); err != nil {
			t.Fatalf("git %q: %v %s", args, err, out)
		}
	}
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	says := func(state, want string) {
		t.Helper()
		got, err := run("bash", "scripts/version.sh")
		if err != nil || !regexp.MustCompile("^"+want+"$").MatchString(got) {
			t.Errorf("%s: %q, %v; want %s", state, got, err, want)
		}
	}

	write("scripts/version.sh", string(script), 0o700)
	write("wails.json", `{"info": {"productVersion": "1.20.3"}}`, 0o600)
	says("without git", `1\.20\.3-dev`)
	git("init", "-q")
	git("add", "-A")
	git("commit", "-q", "-m", "one")
	says("a commit", `1\.20\.3-dev\.g[0-9a-f]{12}`)
	git("tag", "v1.20.3")
	says("its tag", `1\.20\.3`)
	write("wails.json", `{"info": {"productVersion": "1.20.3" }}`, 0o600)
	says("its tag, with a change", `1\.20\.3-dev\.g[0-9a-f]{12}\.changed`)
	write("wails.json", `{"info": {"productVersion": "1.20.4"}}`, 0o600)
	git("commit", "-q", "-a", "-m", "two")
	git("tag", "v1.21.0")
	if got, err := run("bash", "scripts/version.sh"); err == nil || !strings.Contains(got, "v1.21.0") || !strings.Contains(got, "1.20.4") {
		t.Errorf("a tag of another number: %q, %v", got, err)
	}
}
