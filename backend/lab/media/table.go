package media

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed before.json
var beforeJSON []byte

// Table is what was measured.
type Table struct {
	When   time.Time     `json:"when"`
	Note   string        `json:"note,omitempty"`
	Runs   int           `json:"runs"`
	Took   time.Duration `json:"took"`
	Load   float64       `json:"load"` // the most processes that wanted a processor, in a minute's mean
	Before Before        `json:"before"`
	Rows   []Row         `json:"rows"`
}

// Before is what was measured before the work that the table is about.
type Before struct {
	Commit  string            `json:"commit"`
	Machine string            `json:"machine"`
	Values  map[string]Figure `json:"values"` // by row and name
}

// Row is one check of one scenario.
type Row struct {
	Row     string   `json:"row"`
	Name    string   `json:"name"`
	Unit    string   `json:"unit,omitempty"`
	Must    Bound    `json:"must"`
	Before  *Figure  `json:"before,omitempty"`
	Values  []Figure `json:"values"` // of each run
	Now     Figure   `json:"now"`    // median
	Worst   Figure   `json:"worst"`
	Met     bool     `json:"met"`
	Unbuilt string   `json:"unbuilt,omitempty"`
	Unsound string   `json:"unsound,omitempty"`
}

func (r *Row) key() string { return r.Row + " " + r.Name }

// told reports whether the row only tells something, and asks for nothing.
func (r *Row) told() bool { return !r.Must.HasLeast && !r.Must.HasMost }

// Choose returns the scenarios with these rows, or all that don't take long. A7 is all of A7a, A7b….
func Choose(rows []string) (chosen []Scenario, err error) {
	all := Scenarios()
	if len(rows) == 0 {
		return slices.DeleteFunc(all, func(s Scenario) bool { return s.Long }), nil
	}
	found := make(map[string]bool)
	for _, s := range all {
		wanted := false
		for _, part := range strings.Split(s.Row, "/") {
			for _, row := range rows {
				if row == part || !s.Long && row == strings.TrimRight(part, "abcd") {
					wanted, found[row] = true, true
				}
			}
		}
		if wanted {
			chosen = append(chosen, s)
		}
	}
	for _, row := range rows {
		if !found[row] {
			return nil, fmt.Errorf("no row %q", row)
		}
	}
	return chosen, nil
}

// add adds the rows of a scenario that was played. A run that failed is nil.
func (t *Table) add(s *Scenario, runs []*Run) {
	for _, c := range s.Checks {
		r := Row{Row: s.Row, Name: c.Name, Unit: c.Unit, Must: c.Must, Unbuilt: s.Unbuilt, Unsound: s.Unsound}
		met := true // by every run
		for _, run := range runs {
			value := math.NaN()
			if run != nil {
				value = c.Value(run)
			}
			met = met && c.Must.MetWorst(value)
			r.Values = append(r.Values, Figure(value))
		}
		sorted := slices.Clone(r.Values)
		slices.Sort(sorted) // what could not be measured comes first
		r.Now = sorted[len(sorted)/2]
		r.Worst = sorted[len(sorted)-1]
		if c.Must.HasLeast && !c.Must.HasMost || math.IsNaN(float64(sorted[0])) {
			r.Worst = sorted[0]
		}
		r.Met = r.told() || met && c.Must.Met(float64(r.Now))
		if before, ok := t.Before.Values[r.key()]; ok {
			r.Before = &before
		}
		t.Rows = append(t.Rows, r)
	}
}

// Figure is what was measured; NaN is what could not be. In JSON that is null, and others have two decimals.
type Figure float64

// MarshalJSON implements [json.Marshaler].
func (f Figure) MarshalJSON() ([]byte, error) {
	if x := float64(f); math.IsNaN(x) || math.IsInf(x, 0) {
		return []byte("null"), nil
	}
	return json.Marshal(math.Round(float64(f)*100) / 100)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (f *Figure) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*f = Figure(math.NaN())
		return nil
	}
	return json.Unmarshal(b, (*float64)(f))
}

// String returns the figure as the table shows it.
func (f Figure) String() string {
	switch x := float64(f); {
	case math.IsNaN(x) || math.IsInf(x, 0):
		return "none"
	case math.Abs(x) >= 100:
		return strconv.FormatFloat(x, 'f', 0, 64)
	default:
		return strconv.FormatFloat(x, 'g', 3, 64)
	}
}

func newTable(runs int, note string) (*Table, error) {
	t := &Table{When: time.Now(), Runs: runs, Note: note}
	if err := json.Unmarshal(beforeJSON, &t.Before); err != nil {
		return nil, fmt.Errorf("before.json: %w", err)
	}
	return t, nil
}

// String returns the table in Markdown.
func (t *Table) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d runs, %s", t.Runs, t.When.Format(time.DateOnly))
	if t.Note != "" {
		fmt.Fprintf(&b, ", %s", t.Note)
	}
	fmt.Fprintf(&b, ", load average up to %.1f; before: %s, %s\n\n%s\n| --- | --- | --- | --- | --- | --- |\n", t.Load, t.Before.Commit, t.Before.Machine, tableHead)
	for _, r := range t.Rows {
		before := "–"
		if r.Before != nil {
			before = r.Before.String()
		}
		now := r.Now.String()
		if len(r.Values) > 1 {
			now += fmt.Sprintf(" (worst %s)", r.Worst)
		}
		met := "yes"
		switch {
		case r.told():
			met = ""
		case !r.Met && r.Unbuilt != "":
			met = "not built"
		case !r.Met:
			met = "**no**"
		}
		name := r.Name
		if r.Unit != "" {
			name += ", " + r.Unit
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", r.Row, name, r.Must, before, now, met)
	}
	for _, r := range t.Rows {
		if note := r.Unbuilt + r.Unsound; note != "" && !strings.Contains(b.String(), note) {
			fmt.Fprintf(&b, "\n%s: %s.", r.Row, note)
		}
	}
	return b.String() + "\n"
}

// String returns the bound as the table shows it.
func (b Bound) String() string {
	switch {
	case b.HasLeast && b.HasMost:
		return fmt.Sprintf("%g to %g", b.Least, b.Most)
	case b.HasLeast:
		return fmt.Sprintf("≥ %g", b.Least)
	case b.HasMost:
		return fmt.Sprintf("≤ %g", b.Most)
	}
	return ""
}

// Unmet returns an error that names the rows that are not met, or nil.
func (t *Table) Unmet() error {
	var rows []string
	for _, r := range t.Rows {
		if !r.Met && !slices.Contains(rows, r.Row) {
			rows = append(rows, r.Row)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return errors.New("not met: " + strings.Join(rows, ", "))
}

// Into puts the rows into a text that has a table as String writes it, in place of those of the same name. Rows that the
// text lacks come behind its last one.
func (t *Table) Into(text string) string {
	lines := strings.Split(text, "\n")
	cells := func(line string) string { // the first two, which name a row
		parts := strings.SplitN(line, "|", 4)
		if len(parts) < 4 {
			return ""
		}
		return parts[1] + "|" + parts[2]
	}
	begin := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, tableHead) })
	if begin < 0 {
		return text
	}
	end := begin
	for end < len(lines) && strings.HasPrefix(lines[end], "|") {
		end++
	}
	for _, row := range strings.Split(strings.TrimSpace(t.String()), "\n") {
		if !strings.HasPrefix(row, "| ") || strings.HasPrefix(row, tableHead) || strings.HasPrefix(row, "| ---") {
			continue
		}
		at := slices.IndexFunc(lines[begin:end], func(line string) bool { return cells(line) == cells(row) })
		if at < 0 {
			lines = slices.Insert(lines, end, row)
			end++
			continue
		}
		lines[begin+at] = row
	}
	return strings.Join(lines, "\n")
}

// tableHead is the first line of the table.
const tableHead = "| row | what | must | before | now | met |"

// Write writes the table as JSON.
func (t *Table) Write(name string) error { return writeJSON(name, t) }

// Record keeps the figures as those of before, of a commit, in place of earlier ones of the same rows.
func (t *Table) Record(name, commit string) error {
	if t.Before.Values == nil {
		t.Before.Values = make(map[string]Figure)
	}
	t.Before.Commit = commit
	t.Before.Machine = fmt.Sprintf("%s, load average up to %.1f", t.Note, t.Load)
	for _, r := range t.Rows {
		t.Before.Values[r.key()] = r.Now
	}
	return writeJSON(name, t.Before)
}

func writeJSON(name string, x any) error {
	b, err := json.MarshalIndent(x, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, append(b, '\n'), 0o644)
}
