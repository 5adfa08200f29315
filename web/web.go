// Package web serves the browser's user interface, which npm builds from web/ui into web/dist and this package embeds.
//
// Nothing here knows the API: the handler answers every path below / that the API does not take. Files whose name
// holds a hash are cached for ever, the page itself is checked on each visit, and a path without a file is a place
// inside the app and gets the page.
package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed all:dist
var dist embed.FS

// csp is kept in a file because the development server of web/ui must send the very same words.
//
//go:embed csp.txt
var csp string

// notBuilt is what a binary built without the UI shows. It loads nothing, so it passes the same policy.
const notBuilt = `<!doctype html><html lang="en"><meta charset="utf-8"><title>PayPerPlay</title>
<h1>The web UI is not in this build</h1>
<p>The controller runs, but web/dist was empty when it was built. Run <code>make web</code>, build the controller again, and reload this page.</p>
<p>Everything is also there on the command line: <code>controller --help</code>.</p></html>
`

// ContentSecurityPolicy returns the policy each page is sent with.
func ContentSecurityPolicy() string { return strings.TrimSpace(csp) }

// Handler serves the app: its page on every path that is not a file.
func Handler() http.Handler { return &site{files: built(), page: "index.html"} }

// Docs serves the API documentation page, which reads /api/openapi.json from the same host.
func Docs() http.Handler { return &site{files: built(), page: "docs.html", only: true} }

func built() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // cannot happen: "dist" is a valid path
	}
	return sub
}

type site struct {
	files fs.FS
	page  string // served where the path is not a file
	only  bool   // every path is the page
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setPolicy(w.Header())
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "This path only answers GET.", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	switch {
	case s.only:
		s.servePage(w, r)
	case isFile(name):
		s.serveFile(w, r, name)
	default:
		s.servePage(w, r)
	}
}

// isFile tells files from places inside the app. Server names hold no dots, so a dot means a file; what is below
// assets/ or api/ never falls back to the page, because a script or a program would choke on HTML.
func isFile(name string) bool {
	return strings.HasPrefix(name, "assets/") || name == "api" || strings.HasPrefix(name, "api/") ||
		strings.Contains(name[strings.LastIndex(name, "/")+1:], ".")
}

func (s *site) serveFile(w http.ResponseWriter, r *http.Request, name string) {
	if strings.HasSuffix(name, ".gz") || strings.HasPrefix(path.Base(name), ".") {
		http.NotFound(w, r)
		return
	}
	body, err := fs.ReadFile(s.files, name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	if strings.HasPrefix(name, "assets/") {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		w.Header().Set("Cache-Control", "no-cache")
	}
	s.send(w, r, name, body)
}

func (s *site) servePage(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-cache")
	body, err := fs.ReadFile(s.files, s.page)
	if errors.Is(err, fs.ErrNotExist) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(notBuilt)) // the reader has gone: nobody to tell
		return
	}
	if err != nil {
		http.Error(w, "The page could not be read.", http.StatusInternalServerError)
		return
	}
	s.send(w, r, s.page, body)
}

// send writes a file, compressed when the build left a .gz beside it and the browser takes it.
func (s *site) send(w http.ResponseWriter, r *http.Request, name string, body []byte) {
	head := w.Header()
	head.Set("Content-Type", contentType(name))
	tag := etag(body)
	if packed, err := fs.ReadFile(s.files, name+".gz"); err == nil {
		head.Set("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Get("Accept-Encoding")) {
			head.Set("Content-Encoding", "gzip")
			tag, body = etag(packed), packed
		}
	}
	head.Set("ETag", tag)
	if sameTag(r.Header.Get("If-None-Match"), tag) {
		head.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	head.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // the reader has gone: nobody to tell
	}
}

func etag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + hex.EncodeToString(sum[:12]) + `"`
}

func sameTag(header, tag string) bool {
	for each := range strings.SplitSeq(header, ",") {
		each = strings.TrimPrefix(strings.TrimSpace(each), "W/")
		if each == tag || each == "*" {
			return true
		}
	}
	return false
}

// acceptsGzip reads the Accept-Encoding header; "gzip;q=0" is a refusal.
func acceptsGzip(header string) bool {
	for each := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(each, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		value, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
		if !ok {
			return true
		}
		q, err := strconv.ParseFloat(value, 64)
		return err == nil && q > 0
	}
	return false
}

func contentType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8" // the machine's mime table may say otherwise, and nosniff is strict
	case ".webmanifest":
		return "application/manifest+json"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

func setPolicy(h http.Header) {
	h.Set("Content-Security-Policy", ContentSecurityPolicy())
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
}
