package check_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/payperplay/payperplay/controller/cloud/fakehetzner"
	"github.com/payperplay/payperplay/controller/cloud/fakehetzner/check"
)

func TestWrapFindsWhatIsWrong(t *testing.T) {
	if check.File() == "" && os.Getenv("CI") != "true" {
		t.Skip("the description is absent")
	}
	spec, err := check.Load(check.File())
	if err != nil {
		t.Fatal(err)
	}
	cloud, err := fakehetzner.New(fakehetzner.Options{})
	if err != nil {
		t.Fatal(err)
	}
	answer := func(status int, body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		})
	}
	const page = `"meta":{"pagination":{"page":1,"per_page":25,"previous_page":null,"next_page":null,"last_page":1,"total_entries":0}}`
	for name, x := range map[string]struct {
		h                  http.Handler
		method, path, body string
		want               string // part of the complaint; empty = none
	}{
		"good list":       {cloud.Handler(), "GET", "/v1/servers", "", ""},
		"good refusal":    {cloud.Handler(), "GET", "/v1/servers/1", "", ""},
		"no such path":    {cloud.Handler(), "GET", "/v1/nothing", "", ""},
		"empty list":      {answer(200, `{"servers":[],`+page+`}`), "GET", "/v1/servers", "", ""},
		"no pages":        {answer(200, `{"servers":[]}`), "GET", "/v1/servers", "", "meta"},
		"half a server":   {answer(200, `{"servers":[{"id":1}],`+page+`}`), "GET", "/v1/servers", "", "missing"},
		"strange status":  {answer(200, `{"action":{"id":1,"status":"weird"}}`), "GET", "/v1/actions/1", "", "status"},
		"error no code":   {answer(404, `{"error":{"message":"x"}}`), "GET", "/v1/servers/1", "", "code"},
		"wrong order":     {answer(201, `{}`), "POST", "/v1/servers", `{"name":"x"}`, "server_type"},
		"made up path":    {answer(200, `{}`), "GET", "/v1/nothing", "", "not in the description"},
		"not of the API":  {answer(200, `[]`), "GET", "/_fake/faults", "", ""},
		"wrong number":    {answer(200, `{"servers":[],`+page+`}`), "GET", "/v1/servers?page=x", "", "page"},
		"unknown success": {answer(202, `{}`), "GET", "/v1/servers", "", "status"},
	} {
		t.Run(name, func(t *testing.T) {
			var said []string
			h := spec.Wrap(x.h, func(err error) { said = append(said, err.Error()) })
			r := httptest.NewRequest(x.method, x.path, strings.NewReader(x.body))
			r.Header.Set("Authorization", "Bearer fake-token")
			if x.body != "" {
				r.Header.Set("Content-Type", "application/json")
			}
			h.ServeHTTP(httptest.NewRecorder(), r)
			all := strings.Join(said, "\n")
			if (x.want == "") != (all == "") || !strings.Contains(all, x.want) {
				t.Errorf("it said %q, want %q", all, x.want)
			}
		})
	}
}
