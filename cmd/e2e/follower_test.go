package e2e

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/api/client"
)

// follower collects what "server logs --follow -o json" prints, in a process of its own.
type follower struct {
	cmd   *exec.Cmd
	lines chan client.Line
}

func (r *rig) follow(name string, args ...string) *follower {
	r.t.Helper()
	cmd := exec.Command(bin("controller"), append([]string{"server", "logs", name, "--follow", "-o", "json"}, args...)...)
	cmd.Env = append(os.Environ(), "PAYPERPLAY_ENDPOINT=http://"+r.http, "PAYPERPLAY_TOKEN_FILE="+filepath.Join(r.dir, "controller", "operator.token"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	cmd.Stderr = io.Discard
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	f := &follower{cmd: cmd, lines: make(chan client.Line, 1<<20)}
	go func() {
		defer close(f.lines)
		dec := json.NewDecoder(out)
		for {
			var l client.Line
			if dec.Decode(&l) != nil {
				return
			}
			f.lines <- l
		}
	}()
	r.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return f
}

// until collects lines up to the first that contains text.
func (f *follower) until(t *testing.T, limit time.Duration, text string) []client.Line {
	t.Helper()
	var got []client.Line
	timeout := time.After(limit)
	for {
		select {
		case l, open := <-f.lines:
			if !open {
				t.Fatalf("the follow ended before %q; %d lines", text, len(got))
			}
			got = append(got, l)
			if strings.Contains(l.Text, text) {
				return got
			}
		case <-timeout:
			last := ""
			if len(got) > 0 {
				last = got[len(got)-1].Text
			}
			t.Fatalf("no line with %q within %v; %d lines, the last: %s", text, limit, len(got), last)
		}
	}
}

// checkNumbered says whether the lines "prefix N" among got count up without a hole or a double, and Seq likewise.
func checkNumbered(t *testing.T, got []client.Line, prefix string) {
	t.Helper()
	last, seq := -1, int64(0)
	for _, l := range got {
		if seq != 0 && l.Seq != seq+1 {
			t.Errorf("seq %d follows %d (%s)", l.Seq, seq, l.Text)
		}
		seq = l.Seq
		if l.Kind == "gap" {
			t.Errorf("a gap at ≤ 1,000 lines/s: %s", l.Text)
		}
		_, rest, ok := strings.Cut(l.Text, prefix)
		if !ok {
			continue
		}
		digits := strings.TrimSpace(rest)
		n, err := strconv.Atoi(digits)
		if err != nil {
			continue
		}
		if last >= 0 && n != last+1 {
			t.Errorf("%s%d follows %s%d", prefix, n, prefix, last)
		}
		last = n
	}
	if last < 1 {
		t.Errorf("no line with %q", prefix)
	}
}
