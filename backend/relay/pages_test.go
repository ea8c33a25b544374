package relay

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
)

func TestPages(t *testing.T) {
	s := openRelay(t, nil)
	c := client(t, s)
	base := "http://" + s.hostPort()
	const js = "/assets/app-Ab12_-9z.js"
	for _, tc := range []struct {
		name, path, accept, coding, body, cache, kind string
	}{
		{"index", "/", "", "", string(testPages["index.html"].Data), "no-cache", "text/html; charset=utf-8"},
		{"svg", "/favicon.svg", "gzip, br", "", "<svg/>", "no-cache", "image/svg+xml"},
		{"plain", js, "", "", string(testPages["assets/app-Ab12_-9z.js"].Data), "public, max-age=31536000, immutable", "text/javascript; charset=utf-8"},
		{"brotli", js, "gzip, deflate, br, zstd", "br", "brotli of app", "public, max-age=31536000, immutable", "text/javascript; charset=utf-8"},
		{"gzip", js, "gzip;q=0.5", "gzip", "gzip of app", "public, max-age=31536000, immutable", "text/javascript; charset=utf-8"},
		{"no brotli, please", js, "br;q=0, gzip", "gzip", "gzip of app", "public, max-age=31536000, immutable", "text/javascript; charset=utf-8"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := get(t, c, base+tc.path, func(r *http.Request) { r.Header.Set("Accept-Encoding", tc.accept) })
			h := got.header
			if got.status != http.StatusOK || string(got.body) != tc.body || h.Get("Content-Encoding") != tc.coding ||
				h.Get("Cache-Control") != tc.cache || h.Get("Content-Type") != tc.kind || h.Get("Vary") != "Accept-Encoding" {
				t.Errorf("%d %v %q", got.status, h, got.body)
			}
			again := get(t, c, base+tc.path, func(r *http.Request) {
				r.Header.Set("Accept-Encoding", tc.accept)
				r.Header.Set("If-None-Match", `"x", W/`+h.Get("Etag"))
			})
			if again.status != http.StatusNotModified || len(again.body) != 0 {
				t.Errorf("again: %d, %d bytes", again.status, len(again.body))
			}
		})
	}
	t.Run("compressed here", func(t *testing.T) {
		got := get(t, c, base+"/j/x", func(r *http.Request) { r.Header.Set("Accept-Encoding", "gzip") })
		if got.header.Get("Content-Encoding") != "gzip" {
			t.Fatal("not compressed")
		}
		z, err := gzip.NewReader(bytes.NewReader(got.body))
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := io.ReadAll(z); err != nil || !bytes.Equal(plain, testPages["index.html"].Data) {
			t.Error("not the page", err)
		}
	})
}

func TestLoadPages(t *testing.T) {
	big := fstest.MapFS{"index.html": {Data: []byte("x")}, "big.png": {Data: make([]byte, largestPages)}}
	if _, err := loadPages(big); err == nil {
		t.Error("pages without bounds")
	}
	if p, err := loadPages(nil); p != nil || err != nil {
		t.Errorf("no pages: %v, %v", p, err)
	}
	p, err := loadPages(fstest.MapFS{"index.html": {Data: []byte("x")}, "lone.gz": {Data: []byte("y")}, "e.css": {}})
	if err != nil || p["lone.gz"] == nil || p["e.css"] == nil {
		t.Errorf("%v, %v", p, err)
	}
}

func TestIsHashed(t *testing.T) {
	for name, want := range map[string]bool{
		"assets/index-B1x_y-9Z.js": true, "assets/index.B1xy99ZZ.css": true, "assets/logo.svg": false,
		"index.html": false, "favicon-12345678.svg": false, "assets/a-1234567.js": false,
	} {
		if isHashed.MatchString(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

func FuzzAcceptEncoding(f *testing.F) {
	for _, s := range []string{"", "br", "gzip, br;q=0", "br;q=x", "*", "br ; Q = 0.3", ";;,,", "br;q=1;q=0"} {
		f.Add(s, `W/"x"`)
	}
	f.Fuzz(func(t *testing.T, header, etags string) {
		if accepts(header, "br") && !strings.Contains(strings.ToLower(header), "br") {
			t.Errorf("%q accepts br", header)
		}
		matches(etags, `"x"`)
	})
}

// TestAddressesInTransitLeadToThePage asks for addresses' paths as mail scanners
// and chats change them.
func TestAddressesInTransitLeadToThePage(t *testing.T) {
	pages := pages{indexPage: {}}
	for _, path := range []string{
		"/", "/j/ID", "/j/ID/", "/j/ID#SECRET", "/j/ID/#SECRET", "/j/ID%23SECRET", "/j//ID", "//j/ID", "/J/ID", "/j%2FID%23SECRET", "/j%252FID", "/j/a/b/c",
	} {
		if pages.find(path) == nil {
			t.Errorf("%s is not found", path)
		}
	}
	for _, path := range []string{"/j", "/jj/ID", "/k/ID", "/assets/x.js", "/x/j/ID", "/j%2EID"} {
		if pages.find(path) != nil {
			t.Errorf("%s is found", path)
		}
	}
}
