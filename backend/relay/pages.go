package relay

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// indexPage is the guest page.
const indexPage = "index.html"

// largestPages bounds the guest page with all that it loads, in bytes.
const largestPages = 32 << 20

// pages holds the guest page and what it loads, in memory, so a request can't
// name any other file.
type pages map[string]*page

type page struct {
	contentType string
	immutable   bool      // its name holds a hash of its content
	forms       []variant // the smallest first; the last is plain
}

// variant is a page in one content coding (RFC 9110 section 8.4).
type variant struct {
	coding string // "br", "gzip" or "" for plain
	etag   string
	body   []byte
}

// contentTypes are the types of the files that a guest page consists of.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".mjs": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".json": "application/json", ".map": "application/json",
	".webmanifest": "application/manifest+json", ".txt": "text/plain; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png", ".ico": "image/x-icon", ".webp": "image/webp",
	".jpg": "image/jpeg", ".woff2": "font/woff2", ".mp3": "audio/mpeg", ".ogg": "audio/ogg",
	".wav": "audio/wav", ".wasm": "application/wasm",
}

// isHashed matches the names that bundlers give to files by their content.
var isHashed = regexp.MustCompile(`^assets/.*[-.][A-Za-z0-9_-]{8,}\.[a-z0-9]+$`)

// loadPages reads all pages once. It compresses text that has no compressed form
// beside it. A nil fsys means no pages.
func loadPages(fsys fs.FS) (pages, error) {
	if fsys == nil {
		return nil, nil
	}
	files, total := map[string][]byte{}, 0
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if strings.HasPrefix(d.Name(), ".") && name != "." {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			return nil
		}
		b, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		if total += len(b); total > largestPages {
			return fmt.Errorf("more than %d bytes", largestPages)
		}
		files[name] = b
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("relay: guest page: %w", err)
	}
	if files[indexPage] == nil {
		return nil, errors.New("relay: guest page: no " + indexPage)
	}
	out := make(pages, len(files))
	for name, plain := range files {
		if base, ok := compressedName(name); ok && files[base] != nil {
			continue
		}
		p := &page{contentType: contentTypes[path.Ext(name)], immutable: isHashed.MatchString(name)}
		if p.contentType == "" {
			p.contentType = "application/octet-stream"
		}
		if b := files[name+".br"]; b != nil {
			p.forms = append(p.forms, newVariant("br", b))
		}
		if b := files[name+".gz"]; b != nil {
			p.forms = append(p.forms, newVariant("gzip", b))
		} else if b := gzipped(p.contentType, plain); b != nil {
			p.forms = append(p.forms, newVariant("gzip", b))
		}
		p.forms = append(p.forms, newVariant("", plain))
		out[name] = p
	}
	return out, nil
}

func compressedName(name string) (base string, ok bool) {
	if base, ok = strings.CutSuffix(name, ".br"); ok {
		return base, true
	}
	return strings.CutSuffix(name, ".gz")
}

// gzipped returns text compressed, or nil if that saves nothing.
func gzipped(contentType string, plain []byte) []byte {
	if !strings.HasPrefix(contentType, "text/") && !strings.HasPrefix(contentType, "application/") &&
		contentType != contentTypes[".svg"] || len(plain) < 512 {
		return nil
	}
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil
	}
	if _, err := w.Write(plain); err != nil {
		return nil
	}
	if err := w.Close(); err != nil || b.Len() >= len(plain) {
		return nil
	}
	return b.Bytes()
}

func newVariant(coding string, body []byte) variant {
	sum := sha256.Sum256(body)
	return variant{coding: coding, body: body, etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
}

// find maps a request's path to a page. Every link is the same page, which reads
// the path and the fragment itself. An address that came through a mail scanner
// or a chat may hold anything behind /j/, even the secret: see [isLink].
func (p pages) find(urlPath string) *page {
	name := strings.TrimPrefix(urlPath, "/")
	if name == "" || isLink(urlPath) {
		name = indexPage
	}
	return p[name]
}

// linkPath matches the path of an address whose slashes may be doubled or
// encoded, even more than once.
var linkPath = regexp.MustCompile(`(?i)^/+j(?:/|%(?:25)*2f)`)

// isLink reports whether a path, decoded once, belongs to a link's address.
func isLink(urlPath string) bool { return linkPath.MatchString(urlPath) }

// serve answers GET and HEAD.
func (p pages) serve(w http.ResponseWriter, r *http.Request) {
	found := p.find(r.URL.Path)
	if found == nil {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	h := w.Header()
	if RunsWasm(r.URL.Path) {
		h.Set("Content-Security-Policy", WasmPolicy)
	}
	h.Set("Content-Type", found.contentType)
	h.Set("Vary", "Accept-Encoding")
	if found.immutable {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	form := found.forms[len(found.forms)-1]
	accepted := r.Header.Get("Accept-Encoding")
	for _, f := range found.forms {
		if f.coding == "" || accepts(accepted, f.coding) {
			form = f
			break
		}
	}
	if form.coding != "" {
		h.Set("Content-Encoding", form.coding)
	}
	h.Set("ETag", form.etag)
	if matches(r.Header.Get("If-None-Match"), form.etag) {
		h.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(form.body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(form.body) // fails with the guest's connection, which needs no more
	}
}

// accepts reads an Accept-Encoding (RFC 9110 section 12.5.3). It takes a coding
// only if it is named, because "*" is too rare to guess for.
func accepts(header, coding string) bool {
	for item := range strings.SplitSeq(header, ",") {
		name, parameters, _ := strings.Cut(item, ";")
		if !strings.EqualFold(strings.TrimSpace(name), coding) {
			continue
		}
		q, ok := strings.CutPrefix(strings.ToLower(strings.ReplaceAll(parameters, " ", "")), "q=")
		if !ok {
			return true
		}
		weight, err := strconv.ParseFloat(q, 64)
		return err == nil && weight > 0
	}
	return false
}

// matches reads an If-None-Match (RFC 9110 section 13.1.2).
func matches(header, etag string) bool {
	for item := range strings.SplitSeq(header, ",") {
		item = strings.TrimSpace(item)
		if item == "*" || strings.TrimPrefix(item, "W/") == etag {
			return true
		}
	}
	return false
}
