package backend_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocsNameWhatIsThere checks that the files and functions that the pages for contributors name in `code`
// exist. Whoever moves one corrects the page, too.
func TestDocsNameWhatIsThere(t *testing.T) {
	t.Chdir("..")
	var files []string
	names := make(map[string]bool)
	declared := regexp.MustCompile(`(?m)^(?:export )?(?:func (?:\([^)]*\) )?|type |\t)([A-Za-z]\w*)`)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{"node_modules", ".git", "dist", "bin"}, d.Name()) {
				return filepath.SkipDir
			}
			files = append(files, "/"+path)
			return nil
		}
		files = append(files, "/"+path)
		if filepath.Ext(path) != ".go" {
			return nil
		}
		b, err := os.ReadFile(path)
		for _, found := range declared.FindAllSubmatch(b, -1) {
			names[string(found[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile("`([^`\n]+)`")
	path := regexp.MustCompile(`^[\w./-]+$`)
	function := regexp.MustCompile(`^[A-Za-z]+\.[A-Za-z]+$`)
	file := regexp.MustCompile(`\.(go|mod|ts|svelte|json|sh|md|yml)$`)
	for _, page := range []string{"CONTRIBUTING.md", "docs/ARCHITECTURE.md"} {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range code.FindAllSubmatch(b, -1) {
			what := string(found[1])
			switch {
			case !path.MatchString(what), strings.HasPrefix(what, "build/"), strings.HasSuffix(what, "_linux.go") && what[0] == '_':
			case file.MatchString(what), strings.HasPrefix(what, "backend/"), strings.HasPrefix(what, "frontend/"):
				if !slices.ContainsFunc(files, func(f string) bool { return strings.HasSuffix(f, "/"+strings.TrimPrefix(what, "/")) }) {
					t.Errorf("%s names %s, which is not there", page, what)
				}
			case function.MatchString(what):
				if _, name, _ := strings.Cut(what, "."); !names[name] {
					t.Errorf("%s names %s, which is not declared", page, what)
				}
			}
		}
	}
}

// TestDecisions checks that each decision has its number, a status whose references exist, and a row in the list.
func TestDecisions(t *testing.T) {
	t.Chdir("../docs/decisions")
	list, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("[0-9]*.md")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d decisions, %v", len(files), err)
	}
	name := regexp.MustCompile(`^(\d{4})-[a-z0-9-]+\.md$`)
	status := regexp.MustCompile(`^# (\d+)\. .+\n\nStatus: (accepted|superseded by \[).*(?:\n.+)*\n\n\*\*Context\.\*\*`)
	link := regexp.MustCompile(`\]\((\d{4}-[^)]+)\)`)
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		number, head := name.FindStringSubmatch(file), status.FindSubmatch(b)
		if number == nil || head == nil || strings.TrimLeft(number[1], "0") != string(head[1]) {
			t.Errorf("%s is not of the form of its neighbours", file)
		}
		if !strings.Contains(string(list), "]("+file+")") {
			t.Errorf("README.md does not list %s", file)
		}
		for _, to := range link.FindAllSubmatch(b, -1) {
			if !slices.Contains(files, string(to[1])) {
				t.Errorf("%s leads to %s, which is not there", file, to[1])
			}
		}
	}
}
