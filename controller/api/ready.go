package api

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/upkeep"
)

// Limits says how near everything that grows is to its limit: upkeep.
type Limits interface {
	Readings(ctx context.Context) []upkeep.Reading
}

// Check is one part that /readyz asks. While one fails, the controller is not ready.
type Check struct {
	Name string
	Ask  func(context.Context) error
}

// ready is the answer of /readyz.
type ready struct {
	Ready  bool         `json:"ready"`
	Checks []readyCheck `json:"checks,omitempty"`
}

// readyCheck is one part, or one limit. A limit never makes the controller unready: it is ok unless something does not work.
type readyCheck struct {
	Name    string       `json:"name"`
	OK      bool         `json:"ok"`
	Level   upkeep.Level `json:"level"`             // ok, warn (act soon), fail
	Value   string       `json:"value,omitempty"`   // where it stands
	Limit   string       `json:"limit,omitempty"`   // where it should not get
	Problem string       `json:"problem,omitempty"` // what is wrong
	Next    string       `json:"next,omitempty"`    // what to do about it
}

func (a *API) healthz(c echo.Context, _ Actor) error { return c.String(http.StatusOK, "ok\n") }

func (a *API) readyz(c echo.Context, _ Actor) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), 3*time.Second)
	defer cancel()
	out := ready{Ready: true}
	for _, check := range a.Checks {
		r := readyCheck{Name: check.Name, OK: true, Level: upkeep.OK}
		if err := check.Ask(ctx); err != nil {
			r.OK, r.Level, r.Problem, r.Next, out.Ready = false, upkeep.Fail, fault.Message(err), fault.Next(err), false
		}
		out.Checks = append(out.Checks, r)
	}
	status := http.StatusOK
	if !out.Ready {
		status = http.StatusServiceUnavailable
	}
	if !boolQuery(c, "verbose") {
		out.Checks = nil
		return c.JSON(status, out)
	}
	out.Checks = append(out.Checks, a.limits(ctx)...)
	if !a.private(c.Request()) { // strangers learn which part is ill, not how large the disk is
		for i := range out.Checks {
			out.Checks[i].Value, out.Checks[i].Limit, out.Checks[i].Next = "", "", ""
			if out.Checks[i].Level != upkeep.OK || !out.Checks[i].OK {
				out.Checks[i].Problem = "ask the operator"
			}
		}
	}
	if c.QueryParam("format") == "text" {
		return c.String(status, out.text())
	}
	return c.JSON(status, out)
}

func (a *API) limits(ctx context.Context) []readyCheck {
	if a.Limits == nil {
		return nil
	}
	var out []readyCheck
	for _, r := range a.readings.recent(ctx, a.Limits, a.Now()) {
		out = append(out, readyCheck{Name: r.Name, OK: r.Level != upkeep.Fail, Level: r.Level, Value: r.Value, Limit: r.Limit, Problem: r.Text, Next: r.Next})
	}
	return out
}

// readingsFor is how long readings are shown again: they cost many reads of the store, and strangers may ask for them.
const readingsFor = 3 * time.Second

// recentReadings keeps the last readings. The zero value has none.
type recentReadings struct {
	mu  sync.Mutex
	at  time.Time
	got []upkeep.Reading
}

// recent gives readings not older than readingsFor. Who comes while they are taken waits for them. What a caller who has gone
// read by half is not kept.
func (r *recentReadings) recent(ctx context.Context, from Limits, now time.Time) []upkeep.Reading {
	r.mu.Lock()
	defer r.mu.Unlock()
	if age := now.Sub(r.at); r.got != nil && age >= 0 && age < readingsFor {
		return r.got
	}
	got := from.Readings(ctx)
	if ctx.Err() == nil {
		r.at, r.got = now, got
	}
	return got
}

// text is the answer as lines for people.
func (r ready) text() string {
	var b strings.Builder
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "%-4s %s", c.Level, c.Name)
		if c.Value != "" {
			fmt.Fprintf(&b, ": %s", c.Value)
		}
		if c.Limit != "" {
			fmt.Fprintf(&b, " (limit: %s)", c.Limit)
		}
		b.WriteByte('\n')
		if c.Problem != "" {
			fmt.Fprintf(&b, "     %s\n", c.Problem)
		}
		if c.Next != "" {
			fmt.Fprintf(&b, "     next: %s\n", c.Next)
		}
	}
	if r.Ready {
		b.WriteString("ready\n")
	} else {
		b.WriteString("not ready\n")
	}
	return b.String()
}

// warnings are the limits that somebody should look at.
func (a *API) warnings(ctx context.Context) []client.Warning {
	var out []client.Warning
	for _, c := range a.limits(ctx) {
		if c.Level != upkeep.OK {
			out = append(out, client.Warning{Name: c.Name, Level: string(c.Level), Message: c.Problem, Next: c.Next})
		}
	}
	return out
}

// private tells whether the caller is this very machine, without a proxy between, or shows the operator's token.
func (a *API) private(r *http.Request) bool {
	ip := net.ParseIP(sourceOf(r))
	if ip != nil && ip.IsLoopback() && r.Header.Get("X-Forwarded-For") == "" && r.Header.Get("Forwarded") == "" {
		return true
	}
	_, err := a.auth.identify(r)
	return err == nil
}
