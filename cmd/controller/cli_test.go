package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

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
	for _, bad := range []string{"memory", "=x", "memory=lots", "cpus=-1", "cpus=many"} {
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
