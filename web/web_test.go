package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func fixture() fstest.MapFS {
	return fstest.MapFS{
		"index.html":            {Data: []byte("<!doctype html>app")},
		"docs.html":             {Data: []byte("<!doctype html>docs")},
		"assets/app-abc.js":     {Data: []byte("let a = 1")},
		"assets/app-abc.js.gz":  {Data: []byte("packed")},
		"assets/style-abc.css":  {Data: []byte("a{}")},
		"favicon.svg":           {Data: []byte("<svg/>")},
		".gitkeep":              {Data: []byte("")},
		"assets/picture-1.webp": {Data: []byte("x")},
	}
}

func get(t *testing.T, h http.Handler, method, path string, header map[string]string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	for k, v := range header {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestServe(t *testing.T) {
	h := &site{files: fixture(), page: "index.html"}
	docs := &site{files: fixture(), page: "docs.html", only: true}
	gz := map[string]string{"Accept-Encoding": "br, gzip"}
	tests := []struct {
		name, method, path string
		handler            http.Handler
		header             map[string]string
		status             int
		body, kind, cache  string
		encoding           string
	}{
		{name: "page", path: "/", status: 200, body: "<!doctype html>app", kind: "text/html; charset=utf-8", cache: "no-cache"},
		{name: "place in the app", path: "/servers/survival/console", status: 200, body: "<!doctype html>app", cache: "no-cache"},
		{name: "hashed file", path: "/assets/app-abc.js", status: 200, body: "let a = 1", kind: "text/javascript; charset=utf-8", cache: "public, max-age=31536000, immutable"},
		{name: "packed", path: "/assets/app-abc.js", header: gz, status: 200, body: "packed", kind: "text/javascript; charset=utf-8", encoding: "gzip"},
		{name: "packed refused", path: "/assets/app-abc.js", header: map[string]string{"Accept-Encoding": "gzip;q=0"}, status: 200, body: "let a = 1"},
		{name: "no packed copy", path: "/assets/style-abc.css", header: gz, status: 200, body: "a{}", kind: "text/css; charset=utf-8"},
		{name: "file beside the page", path: "/favicon.svg", status: 200, body: "<svg/>", kind: "image/svg+xml", cache: "no-cache"},
		{name: "missing asset is not the page", path: "/assets/gone.js", status: 404},
		{name: "unknown api path is not the page", path: "/api/nothing", status: 404},
		{name: "hidden file", path: "/.gitkeep", status: 404},
		{name: "packed file by name", path: "/assets/app-abc.js.gz", status: 404},
		{name: "climbing out", path: "/assets/../../web.go", status: 404},
		{name: "post", method: "POST", path: "/", status: 405},
		{name: "head", method: "HEAD", path: "/", status: 200, body: ""},
		{name: "docs", path: "/api/docs", handler: docs, status: 200, body: "<!doctype html>docs"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.method == "" {
				tt.method = "GET"
			}
			if tt.handler == nil {
				tt.handler = h
			}
			res := get(t, tt.handler, tt.method, tt.path, tt.header)
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != tt.status {
				t.Fatalf("status %d, want %d", res.StatusCode, tt.status)
			}
			if tt.status == 200 && string(body) != tt.body {
				t.Errorf("body %q, want %q", body, tt.body)
			}
			for header, want := range map[string]string{"Content-Type": tt.kind, "Cache-Control": tt.cache, "Content-Encoding": tt.encoding} {
				if want != "" && res.Header.Get(header) != want {
					t.Errorf("%s %q, want %q", header, res.Header.Get(header), want)
				}
			}
			if tt.encoding == "" && res.Header.Get("Content-Encoding") != "" {
				t.Errorf("unexpected encoding %q", res.Header.Get("Content-Encoding"))
			}
		})
	}
}

func TestETag(t *testing.T) {
	h := &site{files: fixture(), page: "index.html"}
	tag := get(t, h, "GET", "/", nil).Header.Get("ETag")
	if tag == "" {
		t.Fatal("no ETag")
	}
	if got := get(t, h, "GET", "/", map[string]string{"If-None-Match": `"other", W/` + tag}).StatusCode; got != 304 {
		t.Errorf("status %d, want 304", got)
	}
	if got := get(t, h, "GET", "/", map[string]string{"If-None-Match": `"other"`}).StatusCode; got != 200 {
		t.Errorf("status %d, want 200", got)
	}
}

// TestS14Policy: every answer, also an error, carries a policy under which injected text cannot become code.
func TestS14Policy(t *testing.T) {
	for _, files := range []fstest.MapFS{fixture(), {}} {
		h := &site{files: files, page: "index.html"}
		for _, path := range []string{"/", "/assets/app-abc.js", "/assets/none.js", "/api/x"} {
			header := get(t, h, "GET", path, nil).Header
			policy := header.Get("Content-Security-Policy")
			for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
				if !strings.Contains(policy, want) {
					t.Errorf("%s: policy lacks %s: %s", path, want, policy)
				}
			}
			for _, bad := range []string{"unsafe", "*", "http:", "https:"} {
				if strings.Contains(policy, bad) {
					t.Errorf("%s: policy holds %s: %s", path, bad, policy)
				}
			}
			if header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: no nosniff", path)
			}
		}
	}
}

func TestNotBuilt(t *testing.T) {
	res := get(t, &site{files: fstest.MapFS{}, page: "index.html"}, "GET", "/", nil)
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), "make web") {
		t.Errorf("status %d, body %s", res.StatusCode, body)
	}
}

// TestBuilt looks at the real build when there is one: no address of another host, no inline code.
func TestBuilt(t *testing.T) {
	res := get(t, Handler(), "GET", "/", nil)
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode == http.StatusServiceUnavailable {
		t.Skip("web/dist is empty; run make web to check the build too")
	}
	page := string(body)
	for _, bad := range []string{"http://", "https://", "<style", "style=", "onclick", "javascript:"} {
		if strings.Contains(page, bad) {
			t.Errorf("index.html holds %s", bad)
		}
	}
	for rest := page; ; {
		_, after, ok := strings.Cut(rest, `"/assets/`)
		if !ok {
			break
		}
		name, tail, _ := strings.Cut(after, `"`)
		rest = tail
		if got := get(t, Handler(), "GET", "/assets/"+name, nil).StatusCode; got != 200 {
			t.Errorf("/assets/%s: status %d", name, got)
		}
	}
}
