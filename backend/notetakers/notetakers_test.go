package notetakers

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestHint(t *testing.T) {
	sharp := time.Date(2026, 11, 30, 10, 0, 3, 0, time.UTC)
	odd := time.Date(2026, 11, 30, 10, 7, 3, 0, time.UTC)
	for _, c := range []struct {
		name string
		k    Knock
		want string
	}{
		{"a grandmother", Knock{Name: "Grandma", At: sharp}, ""},
		{"without a camera", Knock{Name: "Ada", Bare: true, At: odd}, ""},
		{"without a camera, on time", Knock{Name: "Ada", Bare: true, At: sharp}, Punctual},
		{"a little early", Knock{Name: "Ada", Bare: true, At: sharp.Add(-10 * time.Second)}, Punctual},
		{"in a time zone of three quarters", Knock{Name: "Ada", Bare: true, At: sharp.In(time.FixedZone("", 5*3600+45*60))}, Punctual},
		{"a driven browser", Knock{Name: "Ada", Automated: true, At: odd}, Automated},
		{"a known name", Knock{Name: "Ada's Notetaker", At: odd}, ByName},
		{"in wide letters", Knock{Name: "ＯｔｔｅｒＰｉｌｏｔ", At: odd}, ByName},
		{"a company's", Knock{Name: "Fireflies.ai Notetaker (Bob)", Automated: true, At: sharp}, ByName},
		{"no word of its own", Knock{Name: "Ricciotta", At: odd}, ""},
		{"an animal", Knock{Name: "Otter", At: odd}, ""},
		{"nobody", Knock{At: odd}, ""},
	} {
		if got := Hint(c.k); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestSources checks that each phrase says where it was read.
func TestSources(t *testing.T) {
	var data struct {
		Phrases []struct{ Text, Source string }
	}
	if err := json.Unmarshal(known, &data); err != nil || len(data.Phrases) < 10 {
		t.Fatalf("%d phrases, %v", len(data.Phrases), err)
	}
	seen := map[string]bool{}
	for _, p := range data.Phrases {
		source, err := url.Parse(p.Source)
		if err != nil || source.Scheme != "https" || p.Text == "" || p.Text != strings.ToLower(p.Text) || seen[p.Text] {
			t.Errorf("%+v: %v", p, err)
		}
		seen[p.Text] = true
	}
}
