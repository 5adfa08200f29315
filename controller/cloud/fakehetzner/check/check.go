// Package check holds a handler of the Hetzner Cloud API, and those who talk to it, to the published OpenAPI description. Only tests import
// it: it brings kin-openapi with it.
//
// The description is not ours to ship; it is looked for at ../shared/data beside the repository, and refreshed from
// https://docs.hetzner.cloud/cloud.spec.json. Where it is absent nothing is checked, but under CI that is a failure.
package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
)

// T is what is needed of a *testing.T.
type T interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Spec is the description, ready to check with.
type Spec struct {
	router routers.Router
}

// File finds the description from the working directory upwards; "" if it is absent.
func File() string {
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
			file := filepath.Join(dir, "..", "shared", "data", "hetzner-cloud-openapi.json")
			if _, err := os.Stat(file); err != nil {
				return ""
			}
			return file
		}
		if filepath.Dir(dir) == dir {
			break
		}
		dir = filepath.Dir(dir)
	}
	return ""
}

// Load reads a description.
func Load(file string) (*Spec, error) {
	doc, err := openapi3.NewLoader().LoadFromFile(file)
	if err != nil {
		return nil, err
	}
	doc.Servers = openapi3.Servers{{URL: "/v1"}}
	for _, item := range doc.Paths.Map() {
		item.Servers = nil // else no request is for any of them
		for _, op := range item.Operations() {
			for status, r := range op.Responses.Map() {
				if upper := strings.ToUpper(status); upper != status { // written 4xx there, which OpenAPI does not know
					op.Responses.Delete(status)
					op.Responses.Set(upper, r)
				}
			}
		}
	}
	router, err := legacy.NewRouter(doc, openapi3.DisableExamplesValidation(), openapi3.DisableSchemaPatternValidation())
	if err != nil {
		return nil, err
	}
	return &Spec{router: router}, nil
}

// loaded reads it once for all tests of a program: under the race detector it takes seconds. It never changes.
var loaded = sync.OnceValues(func() (*Spec, error) { return Load(File()) })

// Wrap checks each request to h and each reply below /v1/, and tells t what is wrong. Anything else goes through.
func Wrap(t T, h http.Handler) http.Handler {
	t.Helper()
	file := File()
	if file == "" {
		if os.Getenv("CI") == "true" {
			t.Fatalf("../shared/data/hetzner-cloud-openapi.json is absent")
		}
		t.Logf("nothing is checked: ../shared/data/hetzner-cloud-openapi.json is absent")
		return h
	}
	spec, err := loaded()
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return spec.Wrap(h, func(err error) { t.Errorf("%v", err) })
}

// Wrap does so with a description that is loaded, for many handlers. report may be called from several goroutines.
func (s *Spec) Wrap(h http.Handler, report func(error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/v1/") {
			h.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		route, params, err := s.router.FindRoute(r)
		known := err == nil
		in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: options()}
		var wrong error
		if known {
			r.Body = io.NopCloser(bytes.NewReader(idsAsText(body)))
			wrong = openapi3filter.ValidateRequest(r.Context(), in)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r) // what cuts the connection panics, past us
		name := r.Method + " " + r.URL.RequestURI()
		switch {
		case !known && rec.Code < 300:
			report(fmt.Errorf("%s: is not in the description, and was done", name))
		case known:
			// What was refused as invalid may well be so.
			if wrong != nil && rec.Code < 300 {
				report(fmt.Errorf("%s: the request: %w: %.500s", name, wrong, body))
			}
			out := &openapi3filter.ResponseValidationInput{
				RequestValidationInput: in, Status: rec.Code, Header: rec.Header(), Body: io.NopCloser(bytes.NewReader(rec.Body.Bytes())), Options: options(),
			}
			if err := openapi3filter.ValidateResponse(r.Context(), out); err != nil {
				report(fmt.Errorf("%s: the reply of status %d: %w: %.500s", name, rec.Code, err, rec.Body.Bytes()))
			}
		}
		for k, v := range rec.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	})
}

// idsAsText writes ids as text where the description wants an id or a name. The official client writes numbers there, and the API takes both.
func idsAsText(body []byte) []byte {
	var in map[string]any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if d.Decode(&in) != nil {
		return body
	}
	for _, field := range []string{"image", "server_type", "location"} {
		if n, ok := in[field].(json.Number); ok {
			in[field] = n.String()
		}
	}
	if keys, ok := in["ssh_keys"].([]any); ok {
		for i, k := range keys {
			keys[i] = fmt.Sprint(k)
		}
	}
	out, err := json.Marshal(in)
	if err != nil {
		return body
	}
	return out
}

func options() *openapi3filter.Options {
	return &openapi3filter.Options{MultiError: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true}
}
