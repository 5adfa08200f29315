package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/protocol"
)

func TestPatchOf(t *testing.T) {
	p, err := patchOf([]string{"memory=2GiB", "cpus=1.5", "version=1.21.4", "MOTD=a=b", "SEED="})
	if err != nil {
		t.Fatal(err)
	}
	if *p.MemoryBytes != 2<<30 || *p.CPUMillis != 1500 || *p.Version != "1.21.4" || *p.Env["MOTD"] != "a=b" {
		t.Errorf("%+v", p)
	}
	if v, has := p.Env["SEED"]; !has || v != nil {
		t.Error("SEED= does not take the setting away")
	}
	for _, bad := range []string{"memory", "=x", "memory=lots", "memory=0", "disk=0", "cpus=-1", "cpus=many", "cpus=NaN", "cpus=Inf", "cpus=1e30", "cpus=0"} {
		if _, err := patchOf([]string{bad}); protocol.CodeOf(err) != protocol.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestWhen(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{"": {}, "90m": now.Add(-90 * time.Minute), "2026-11-21T10:00:00Z": now.Add(-2 * time.Hour)} {
		if got, err := when("since", text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
	for _, bad := range []string{"yesterday", "-5m", "12:00"} {
		if _, err := when("since", bad, now); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// TestS14TerminalIsSafe: what a game prints can not steer the terminal.
func TestS14TerminalIsSafe(t *testing.T) {
	for in, want := range map[string]string{
		"plain":              "plain",
		"\x1b[31mred\x1b[0m": "red",
		"\x1b]0;title\x07x":  "]0;title�x",
		"a\rb\bc":            "a�b�c",
		"\u009b31mC1":        "�31mC1",
		"\x1b[999":           "",
		"über 雪":             "über 雪",
	} {
		if got := plain(stripEscapes(in)); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestExitCodes(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("PAYPERPLAY_ENDPOINT", "http://127.0.0.1:1")
	for line, want := range map[string]int{
		"version":                 0,
		"completion bash":         0,
		"server --help":           0,
		"sever":                   2,
		"server list --nonsense":  2,
		"server list":             1,
		"server show":             2,
		"event list --since noon": 2,
	} {
		if got := run(t.Context(), strings.Fields(line)); got != want {
			t.Errorf("%q: exit %d, want %d", line, got, want)
		}
	}
}

func TestContexts(t *testing.T) {
	t.Setenv("PAYPERPLAY_CONTEXT_FILE", t.TempDir()+"/cli.yaml")
	t.Setenv("PAYPERPLAY_ENDPOINT", "")
	t.Setenv("PAYPERPLAY_TOKEN", "")
	t.Setenv("PAYPERPLAY_TOKEN_FILE", "")
	exec := func(args ...string) (string, error) {
		var out, errb bytes.Buffer
		root := newRoot(strings.NewReader(""), &out, &errb)
		root.SetArgs(args)
		err := root.ExecuteContext(t.Context())
		return out.String(), err
	}
	if _, err := exec("context", "add", "home", "--endpoint", "http://home:8080", "--token", "t1"); err != nil {
		t.Fatal(err)
	}
	if _, err := exec("context", "add", "work", "--endpoint", "http://work:8080", "--token", "t2"); err != nil {
		t.Fatal(err)
	}
	if out, err := exec("context", "list"); err != nil || !strings.Contains(out, "*  work") || strings.Contains(out, "t1") {
		t.Errorf("%v\n%s", err, out)
	}
	c := &cli{context: "home"}
	if conn, err := c.connection(); err != nil || conn.Endpoint != "http://home:8080" || conn.Token != "t1" {
		t.Errorf("%+v %v", conn, err)
	}
	c = &cli{}
	if conn, err := c.connection(); err != nil || conn.Endpoint != "http://work:8080" {
		t.Errorf("the current one: %+v %v", conn, err)
	}
	// A token goes only where it belongs.
	for name, f := range map[string]struct {
		cli             cli
		env             string
		endpoint, token string
	}{
		"another endpoint gets no saved token":  {cli{endpoint: "http://evil:1"}, "", "http://evil:1", ""},
		"a named context beats the environment": {cli{context: "home"}, "envtoken", "http://home:8080", "t1"},
		"the environment beats the current one": {cli{}, "envtoken", "http://work:8080", "envtoken"},
		"a flag beats all":                      {cli{context: "home", token: "flag"}, "envtoken", "http://home:8080", "flag"},
		"flags with a named context":            {cli{context: "home", endpoint: "http://evil:1"}, "", "http://evil:1", ""},
	} {
		t.Setenv("PAYPERPLAY_TOKEN", f.env)
		if conn, err := f.cli.connection(); err != nil || conn.Endpoint != f.endpoint || conn.Token != f.token {
			t.Errorf("%s: %+v %v", name, conn, err)
		}
	}
	t.Setenv("PAYPERPLAY_TOKEN", "")
	if _, err := exec("context", "use", "nowhere"); protocol.CodeOf(err) != protocol.Invalid {
		t.Errorf("use of an unknown context: %v", err)
	}
	if _, err := exec("context", "delete", "work"); err != nil {
		t.Fatal(err)
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{-time.Second: "0 s", 3 * time.Second: "3 s", 5 * time.Minute: "5 min", 30 * time.Hour: "30 h", 72 * time.Hour: "3 days"} {
		if got := span(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

// TestEmptyNames: a script whose variable is empty must not hit the list instead of one server.
func TestEmptyNames(t *testing.T) {
	for _, line := range [][]string{{"server", "show", ""}, {"server", "delete", "", "--yes"}, {"node", "revoke", "", "--yes"}, {"server", "exec", "", "--", "list"}} {
		if code := run(t.Context(), line); code != 2 {
			t.Errorf("%q: exit code %d", line, code)
		}
	}
}

// TestWaitConditions: when a wait is over, well or not.
func TestWaitConditions(t *testing.T) {
	soon := time.Now().Add(time.Minute)
	type verdict struct{ done, failed bool }
	for name, c := range map[string]struct {
		s              client.Server
		running, stops verdict
	}{
		"running":              {client.Server{Desired: "running", Observed: "running", State: "running"}, verdict{true, false}, verdict{false, true}},
		"starting":             {client.Server{Desired: "running", Observed: "starting", State: "starting"}, verdict{}, verdict{false, true}},
		"no room":              {client.Server{Desired: "running", Observed: "absent", State: "waiting"}, verdict{}, verdict{false, true}},
		"crashed, tries again": {client.Server{Desired: "running", Observed: "crashed", State: "crashed", RetryAt: &soon}, verdict{}, verdict{false, true}},
		"crashed for good":     {client.Server{Desired: "running", Observed: "crashed", State: "crashed"}, verdict{false, true}, verdict{false, true}},
		"failed":               {client.Server{Desired: "running", Observed: "failed", State: "failed"}, verdict{false, true}, verdict{false, true}},
		"node is away":         {client.Server{Desired: "running", Observed: "unknown", State: "unknown"}, verdict{}, verdict{false, true}},
		"stopping":             {client.Server{Desired: "stopped", Observed: "stopping", State: "stopping"}, verdict{false, true}, verdict{}},
		"stopped":              {client.Server{Desired: "stopped", Observed: "stopped", State: "stopped"}, verdict{false, true}, verdict{true, false}},
		"never ran":            {client.Server{Desired: "stopped", Observed: "absent", State: "stopped"}, verdict{false, true}, verdict{true, false}},
		"stopped, node away":   {client.Server{Desired: "stopped", Observed: "unknown", State: "unknown"}, verdict{false, true}, verdict{}},
		"deleted meanwhile":    {client.Server{Desired: "deleted", Observed: "stopping", State: "deleting"}, verdict{false, true}, verdict{}},
	} {
		check := func(what string, cond condition, want verdict) {
			if done, err := cond(c.s); done != want.done || (err != nil) != want.failed {
				t.Errorf("%s, %s: done %v, error %v", name, what, done, err)
			}
		}
		check("becameRunning", becameRunning, c.running)
		check("becameStopped", becameStopped, c.stops)
	}
}

// TestPrintLineIsYAML: what is followed line by line is YAML as a whole.
func TestPrintLineIsYAML(t *testing.T) {
	var out bytes.Buffer
	c := &cli{out: &out, output: "yaml"}
	if err := c.writeLines([]client.Line{{Seq: 1, Text: "> list: \x1b[1m <&> \u2028"}, {Seq: 2, Text: "x"}}, false); err != nil {
		t.Fatal(err)
	}
	var got []logLine
	if err := yaml.Unmarshal(out.Bytes(), &got); err != nil || len(got) != 2 || got[0].Text != "> list: \x1b[1m <&> \u2028" {
		t.Errorf("%v %+v\n%s", err, got, out.String())
	}
}
