package hetzner_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/payperplay/payperplay/controller/cloud/fakehetzner"
	"github.com/payperplay/payperplay/controller/cloud/hetzner"
)

// shop is a provider's price list that tests can change, spoken to without a socket, so that time may be virtual.
type shop struct {
	mu       sync.Mutex
	requests map[string]int
	broken   string // status and code of every answer
	replies  map[string]any
	holdUp   chan struct{} // if not nil, answers wait for it
}

type obj = map[string]any

func newShop(t *testing.T) *shop {
	t.Helper()
	fake, err := fakehetzner.New(fakehetzner.Options{Token: goodToken})
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{requests: map[string]int{}, replies: map[string]any{}}
	for _, path := range []string{"/pricing", "/locations", "/server_types", "/datacenters"} {
		r := httptest.NewRequest(http.MethodGet, "/v1"+path, http.NoBody)
		r.Header.Set("Authorization", "Bearer "+goodToken)
		rec := httptest.NewRecorder()
		fake.Handler().ServeHTTP(rec, r)
		var v any
		if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil || rec.Code != http.StatusOK {
			t.Fatalf("%s: %d, %v", path, rec.Code, err)
		}
		s.replies[path] = v
	}
	return s
}

func (s *shop) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	path := strings.TrimPrefix(r.URL.Path, "/v1")
	s.requests[path]++
	broken, reply, hold := s.broken, s.replies[path], s.holdUp
	s.mu.Unlock()
	if hold != nil {
		<-hold
	}
	rec := httptest.NewRecorder()
	rec.Header().Set("Content-Type", "application/json")
	status, code, fails := strings.Cut(broken, " ")
	switch {
	case broken == "cut":
		return nil, errors.New("the connection was cut")
	case fails:
		n := 0
		_, _ = fmt.Sscan(status, &n)
		rec.WriteHeader(n)
		_ = json.NewEncoder(rec).Encode(obj{"error": obj{"code": code, "message": "broken"}})
	case reply == nil:
		rec.WriteHeader(http.StatusNotFound)
		_ = json.NewEncoder(rec).Encode(obj{"error": obj{"code": "not_found", "message": "there is none"}})
	default:
		_ = json.NewEncoder(rec).Encode(reply)
	}
	return rec.Result(), nil
}

func (s *shop) set(broken string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = broken
}

func (s *shop) count(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[path]
}

// rows are the things of a reply.
func (s *shop) rows(path string) []any {
	return s.replies[path].(obj)[strings.TrimPrefix(path, "/")].([]any)
}

func (s *shop) open(t *testing.T) (*hetzner.Driver, *safeBuffer) {
	t.Helper()
	w := &world{url: "http://127.0.0.1:1/v1", log: &safeBuffer{}}
	return w.open(t, hetzner.Options{HTTPClient: &http.Client{Transport: s}}), w.log
}
