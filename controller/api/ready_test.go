package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/store"
	"github.com/payperplay/payperplay/controller/upkeep"
)

type readings []upkeep.Reading

func (r readings) Readings(context.Context) []upkeep.Reading { return r }

// healthy is an API with one part and three limits, whose /readyz is real.
func healthy(t *testing.T) *API {
	t.Helper()
	a, _ := bare(t)
	a.Checks = []Check{{Name: "store", Ask: func(context.Context) error { return nil }}}
	a.Limits = readings{
		{Name: "disk", Level: upkeep.Warn, Value: "2 GiB free of 100 GiB", Limit: "at least 5 GiB free", Text: "the disk of /data is nearly full", Next: "free space before changes are refused"},
		{Name: "writes", Level: upkeep.Fail, Value: "refused", Text: "the store could not be written", Next: "restart the controller"},
		{Name: "events", Level: upkeep.OK, Value: "12", Limit: "1000000"},
	}
	a.echo.GET("/ready", func(c echo.Context) error { return a.readyz(c, Actor{}) })
	return a
}

func TestReadyz(t *testing.T) {
	const operator = "Bearer " + testToken
	broken := func(a *API) {
		a.Checks[0].Ask = func(context.Context) error {
			return fault.Wrap(errors.New("secret"), fault.Unavailable, "it is gone", "bring it back")
		}
	}
	for _, test := range []struct {
		name, path, auth string
		change           func(*API)
		code             int
		want             string
	}{
		{"plain", "/ready", operator, nil, 200, `{"ready":true}` + "\n"},
		{"plain, a limit is no reason not to serve", "/ready", "", nil, 200, `{"ready":true}` + "\n"},
		{"plain, broken", "/ready", "", broken, 503, `{"ready":false}` + "\n"},
		{"verbose as text", "/ready?verbose&format=text", operator, nil, 200, `ok   store
warn disk: 2 GiB free of 100 GiB (limit: at least 5 GiB free)
     the disk of /data is nearly full
     next: free space before changes are refused
fail writes: refused
     the store could not be written
     next: restart the controller
ok   events: 12 (limit: 1000000)
ready
`},
		{"verbose as text, broken", "/ready?verbose&format=text", operator, func(a *API) { broken(a); a.Limits = nil }, 503, `fail store
     it is gone
     next: bring it back
not ready
`},
		{"strangers see names and levels only", "/ready?verbose&format=text", "", nil, 200, `ok   store
warn disk
     ask the operator
fail writes
     ask the operator
ok   events
ready
`},
		{"strangers see no problem of a part either", "/ready?verbose&format=text", "", func(a *API) { broken(a); a.Limits = nil }, 503, `fail store
     ask the operator
not ready
`},
		{"verbose", "/ready?verbose", operator, func(a *API) { a.Limits = a.Limits.(readings)[:1] }, 200,
			`{"ready":true,"checks":[{"name":"store","ok":true,"level":"ok"},{"name":"disk","ok":true,"level":"warn","value":"2 GiB free of 100 GiB","limit":"at least 5 GiB free","problem":"the disk of /data is nearly full","next":"free space before changes are refused"}]}` + "\n"},
	} {
		a := healthy(t)
		if test.change != nil {
			test.change(a)
		}
		rec := request(a, http.MethodGet, test.path, "", "Authorization", test.auth)
		if rec.Code != test.code || rec.Body.String() != test.want {
			t.Errorf("%s: %d\n%s\nwant %d\n%s", test.name, rec.Code, rec.Body, test.code, test.want)
		}
	}
}

// counted counts how often it is asked.
type counted struct {
	readings
	n *int
}

func (c counted) Readings(ctx context.Context) []upkeep.Reading {
	*c.n++
	return c.readings.Readings(ctx)
}

// TestReadingsAreShownAgain: for three seconds nobody makes the store be read again; what was read by half is not kept.
func TestReadingsAreShownAgain(t *testing.T) {
	a := healthy(t)
	now, n := time.Unix(1000, 0), 0
	a.Now = func() time.Time { return now }
	a.Limits = counted{a.Limits.(readings), &n}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, step := range []struct {
		ctx  context.Context
		pass time.Duration
		want int
	}{{gone, 0, 1}, {t.Context(), 0, 2}, {t.Context(), 0, 2}, {t.Context(), 2 * time.Second, 2}, {t.Context(), time.Second, 3}, {t.Context(), -time.Hour, 4}} {
		now = now.Add(step.pass)
		if got := a.limits(step.ctx); len(got) != 3 || n != step.want {
			t.Errorf("%s later: %d limits, read %d times, want %d", step.pass, len(got), n, step.want)
		}
	}
}

// slowBackup is a store whose backup takes until it is told.
type slowBackup struct {
	store.DB
	begun, end chan struct{}
}

func (s slowBackup) Backup(_ context.Context, w io.Writer) (int64, error) {
	close(s.begun)
	<-s.end
	n, err := io.WriteString(w, "whole")
	return int64(n), err
}

// TestOneBackupAtATime: a second one is told to wait, and when the first has ended there may be a next.
func TestOneBackupAtATime(t *testing.T) {
	a, _ := bare(t)
	a.echo.GET("/backup", func(c echo.Context) error { return a.backupStore(c, Actor{Name: "operator"}) })
	get := func() *httptest.ResponseRecorder { return request(a, http.MethodGet, "/backup", "") }
	whole, slow := a.DB, slowBackup{a.DB, make(chan struct{}), make(chan struct{})}
	a.DB = slow
	first := make(chan *httptest.ResponseRecorder)
	go func() { first <- get() }()
	<-slow.begun
	if rec := get(); rec.Code != http.StatusConflict || !strings.Contains(rec.Body.String(), "try again") {
		t.Errorf("the second: %d %s", rec.Code, rec.Body)
	}
	close(slow.end)
	if rec := <-first; rec.Code != http.StatusOK || rec.Body.String() != "whole" {
		t.Errorf("the first: %d %s", rec.Code, rec.Body)
	}
	a.DB = whole
	if rec := get(); rec.Code != http.StatusOK {
		t.Errorf("the next: %d %s", rec.Code, rec.Body)
	}
}

func TestWarnings(t *testing.T) {
	a := healthy(t)
	got := a.warnings(t.Context())
	want := []client.Warning{
		{Name: "disk", Level: "warn", Message: "the disk of /data is nearly full", Next: "free space before changes are refused"},
		{Name: "writes", Level: "fail", Message: "the store could not be written", Next: "restart the controller"},
	}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%+v", got)
	}
}

func TestCompactWithoutAFile(t *testing.T) {
	a, _ := bare(t)
	a.echo.POST("/compact", func(c echo.Context) error { return a.compactStore(c, Actor{Name: "operator"}) })
	if rec := request(a, http.MethodPost, "/compact", ""); rec.Code != http.StatusPreconditionFailed {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}
