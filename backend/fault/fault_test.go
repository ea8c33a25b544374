package fault

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// codes reads the Code constants from the source, so that the test finds one that
// has no sentence.
func codes(t *testing.T) []Code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "fault.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []Code
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); !ok || id.Name != "Code" {
			return true
		}
		s, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, Code(s))
		return true
	})
	return out
}

func TestEveryCodeHasASentence(t *testing.T) {
	all := codes(t)
	if len(all) < 20 {
		t.Fatalf("found only %d codes in fault.go", len(all))
	}
	seen := map[Code]bool{}
	for _, c := range all {
		if seen[c] {
			t.Errorf("code %q is there twice", c)
		}
		seen[c] = true
		s, ok := sentences[c]
		switch {
		case !ok:
			t.Errorf("code %q has no sentence", c)
		case !strings.HasSuffix(s, ".") || strings.Count(s, ". ") > 0:
			t.Errorf("code %q: want one sentence, have %q", c, s)
		}
	}
	for c := range sentences {
		if !seen[c] {
			t.Errorf("sentence for unknown code %q", c)
		}
	}
}

func TestCodeOf(t *testing.T) {
	cause := errors.New("disk on fire")
	wrapped := fmt.Errorf("opening: %w", New(StoreUnavailable, cause))
	for _, tc := range []struct {
		name string
		err  error
		want Code
	}{
		{"nil", nil, ""},
		{"plain", cause, Internal},
		{"fault", New(LobbyFull, nil), LobbyFull},
		{"wrapped", wrapped, StoreUnavailable},
	} {
		if got := CodeOf(tc.err); got != tc.want {
			t.Errorf("%s: CodeOf = %q, want %q", tc.name, got, tc.want)
		}
	}
	if !errors.Is(wrapped, New(StoreUnavailable, nil)) {
		t.Error("errors.Is does not match by code")
	}
	if !errors.Is(wrapped, cause) {
		t.Error("the cause is lost")
	}
}

func TestUnknownCodeStillSpeaks(t *testing.T) {
	if got := Sentence("no-such-code"); got != Sentence(Internal) {
		t.Errorf("Sentence of an unknown code = %q", got)
	}
}
