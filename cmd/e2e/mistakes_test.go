package e2e

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/api/client"
)

// TestMistakes: every mistake a person can make gets one clear line with the next step, exit code 1 or 2, and changes nothing.
func TestMistakes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.must("server", "create", "taken", "--template", "testserver")
	create := func(args ...string) []string { return append([]string{"server", "create"}, args...) }
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"unknown command", []string{"sever", "list"}, 2, "did you mean"},
		{"unknown subcommand", []string{"server", "strat", "x"}, 2, "did you mean"},
		{"unknown flag", []string{"server", "list", "--wat"}, 2, "unknown flag"},
		{"unknown output", []string{"server", "list", "-o", "xml"}, 2, "-o json"},
		{"missing name", []string{"server", "show"}, 2, "usage"},
		{"bad size", create("a", "--template", "testserver", "--memory", "lots"), 2, "512MiB"},
		{"no memory at all", create("a", "--template", "testserver", "--memory", "0"), 2, "more than 0"},
		{"too little memory", create("a", "--template", "paper", "--memory", "1MiB"), 2, "too little"},
		{"bad name", create("Bad_Name!", "--template", "testserver"), 2, "name"},
		{"unknown template", create("a", "--template", "testservr"), 1, "testserver"},
		{"unknown version", create("a", "--template", "testserver", "--version", "9.9"), 2, "1.12.2"},
		{"unknown setting", create("a", "--template", "testserver", "--env", "MOTDD=x"), 2, "MOTD"},
		{"bad setting", create("a", "--template", "testserver", "--env", "MAX_PLAYERS=many"), 2, "MAX_PLAYERS"},
		{"no KEY=VALUE", create("a", "--template", "testserver", "--env", "MOTD"), 2, "KEY=VALUE"},
		{"name taken", create("taken", "--template", "testserver"), 1, "taken"},
		{"unknown node", create("a", "--template", "testserver", "--node", "nowhere"), 1, "nowhere"},
		{"unknown server", []string{"server", "start", "nobody"}, 1, "nobody"},
		{"command to a stopped server", []string{"server", "exec", "taken", "--", "list"}, 1, "start the server first"},
		{"unknown node order", []string{"node", "cordon", "nowhere"}, 1, "nowhere"},
		{"token without a name", []string{"node", "token", "create"}, 2, "--name"},
		{"token for a name in use", []string{"node", "token", "create", "--name", "node-1"}, 1, "node-1"},
		{"bad event type", []string{"event", "list", "--type", "weather.rain"}, 2, "server"},
		{"bad time", []string{"event", "list", "--since", "yesterday"}, 2, "90m"},
		{"wrong token", []string{"server", "list", "--token", "nonsense"}, 1, "operator.token"},
		{"nobody there", []string{"server", "list", "--endpoint", "http://127.0.0.1:1"}, 1, "--endpoint"},
		{"endpoint that is none", []string{"server", "list", "--endpoint", "127.0.0.1"}, 2, "http://"},
		{"unknown context", []string{"server", "list", "--context", "moon"}, 2, "context"},
		{"port in use", []string{"serve", "--data", filepath.Join(r.dir, "other"), "--http", r.http, "--tunnel", "127.0.0.1:0"}, 2, "--http"},
		{"data in use", []string{"serve", "--data", filepath.Join(r.dir, "controller"), "--http", "127.0.0.1:0", "--tunnel", "127.0.0.1:0"}, 1, "controller.db"},
		{"bad strategy", []string{"serve", "--data", filepath.Join(r.dir, "other"), "--http", "127.0.0.1:0", "--tunnel", "127.0.0.1:0", "--strategy", "luck"}, 2, "best-fit"},
		{"catalogue missing", []string{"serve", "--data", filepath.Join(r.dir, "other"), "--templates", "/nowhere.json"}, 2, "/nowhere.json"},
		{"local agent missing", []string{"serve", "--data", filepath.Join(r.dir, "other"), "--http", "127.0.0.1:0", "--tunnel", "127.0.0.1:0", "--local-agent", "--agent-binary", "/nowhere"}, 2, "--agent-binary"},
	} {
		t.Run(c.name, func(t *testing.T) {
			res := r.cli(c.args...)
			oneClearLine(t, res, c.code, c.says)
		})
	}
	servers, err := r.client.Servers(t.Context())
	if err != nil || len(servers) != 1 || servers[0].State != "stopped" {
		t.Errorf("the mistakes changed something: %v %v", servers, err)
	}
}

func oneClearLine(t *testing.T, res result, code int, says string) {
	t.Helper()
	text := strings.TrimSpace(res.err)
	switch {
	case res.code != code:
		t.Errorf("exit %d, want %d: %s", res.code, code, text)
	case strings.Contains(text, "\n"):
		t.Errorf("more than one line:\n%s", text)
	case !strings.Contains(strings.ToLower(text), strings.ToLower(says)):
		t.Errorf("%q does not say %q", text, says)
	case strings.Contains(text, "internal error") || strings.Contains(text, "%!"):
		t.Errorf("no line for people: %s", text)
	}
}

// TestAgentMistakes: the same for the agent.
func TestAgentMistakes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var join client.Token
	r.cliJSON(&join, "node", "token", "create", "--name", "node-2")
	var short client.Token
	r.cliJSON(&short, "node", "token", "create", "--name", "node-3", "--ttl", "1s")
	pin := join.Pins[0]
	wrongPin := "sha256:" + strings.Repeat("00", 32)
	used := strings.Split(strings.Join(r.agent.args, " "), "--token ")[1]
	used = strings.Fields(used)[0]
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close() // nobody listens there now
	time.Sleep(time.Until(short.Expires) + 100*time.Millisecond)
	n := 0
	run := func(args ...string) result {
		n++
		full := append([]string{"run", "--data", filepath.Join(r.dir, fmt.Sprint("mistake", n))}, args...)
		cmd := exec.Command("timeout", append([]string{"15", filepath.Join(root, "build", "agent")}, full...)...)
		var errb strings.Builder
		cmd.Stderr = &errb
		err := cmd.Run()
		_ = err // the exit code tells
		lines := strings.Split(strings.TrimSpace(errb.String()), "\n")
		return result{err: lines[len(lines)-1], code: cmd.ProcessState.ExitCode()}
	}
	at := []string{"--controller", r.link.addr()}
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"no controller", []string{"--ca-pin", pin, "--token", join.Token}, 2, "--controller"},
		{"no pin", append(at, "--token", join.Token), 2, "--ca-pin"},
		{"bad pin", append(at, "--ca-pin", "md5:1", "--token", join.Token), 2, "sha256:"},
		{"no token", append(at, "--ca-pin", pin), 2, "token"},
		{"bad ports", append(at, "--ca-pin", pin, "--token", join.Token, "--ports", "9-1"), 2, "--ports"},
		{"bad memory", append(at, "--ca-pin", pin, "--token", join.Token, "--memory", "much"), 2, "512MiB"},
		{"bad pool", append(at, "--ca-pin", pin, "--token", join.Token, "--bridge-pool", "10.0.0.0/33"), 2, "--bridge-pool"},
		{"wrong CA", append(at, "--ca-pin", wrongPin, "--token", join.Token), 1, "pin"},
		{"used token", append(at, "--ca-pin", pin, "--token", used), 1, "token"},
		{"nonsense token", append(at, "--ca-pin", pin, "--token", "ppj_nonsense"), 1, "token"},
		{"expired token", append(at, "--ca-pin", pin, "--token", short.Token), 1, "expired"},
	} {
		t.Run(c.name, func(t *testing.T) { oneClearLine(t, run(c.args...), c.code, c.says) })
	}
	nodes, err := r.client.Nodes(t.Context())
	if err != nil || len(nodes) != 1 {
		t.Errorf("the mistakes made nodes: %v %v", nodes, err)
	}
}
