package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/controller/store/postgres/postgrestest"
)

const root = "../.."

// nextPorts gives each rig of this process ports of its own, below the kernel's ephemeral range.
var nextPorts atomic.Int32

// bin is where a built program is; PPP_E2E_BIN names another directory than build/.
func bin(name string) string {
	if dir := os.Getenv("PPP_E2E_BIN"); dir != "" {
		return filepath.Join(dir, name)
	}
	return filepath.Join(root, "build", name)
}

// proc is a daemon under test.
type proc struct {
	t      *testing.T
	name   string
	args   []string
	env    []string
	log    string
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process is gone
}

func (p *proc) start() {
	p.t.Helper()
	f, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer f.Close()
	p.cmd = exec.Command(bin(p.name), p.args...)
	p.cmd.Env = append(os.Environ(), p.env...)
	p.cmd.Stdout, p.cmd.Stderr = f, f
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	cmd, exited := p.cmd, make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	p.exited = exited
}

// end signals the process and waits until it is gone.
func (p *proc) end(sig syscall.Signal) {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(sig)
	select {
	case <-p.exited:
	case <-time.After(20 * time.Second):
		p.t.Errorf("%s did not end after %v", p.name, sig)
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
	p.cmd = nil
}

// gone waits until the process has ended by itself.
func (p *proc) gone(within time.Duration) bool {
	select {
	case <-p.exited:
		return true
	case <-time.After(within):
		return false
	}
}

func (p *proc) signal(sig syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

// rig is one controller, one agent and the way between them.
type rig struct {
	t                 *testing.T
	dir               string
	controller, agent *proc
	link              *link // between agent and controller
	http              string
	client            *client.Client
	ports             [2]int
}

// newRig starts a controller and an enrolled agent, and takes everything away at the end of the test.
func newRig(t *testing.T) *rig {
	t.Helper()
	return newRigWith(t, nil)
}

// newRigWith gives the agent more arguments.
func newRigWith(t *testing.T, agentArgs []string) *rig {
	t.Helper()
	return newRigOn(t, "", agentArgs)
}

// onEngines runs a test on each engine of the store.
func onEngines(t *testing.T, test func(t *testing.T, store string)) {
	t.Helper()
	needE2E(t)
	t.Run("bolt", func(t *testing.T) { t.Parallel(); test(t, "") })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); test(t, postgrestest.Database(t)) })
}

func needE2E(t *testing.T) {
	t.Helper()
	if os.Getenv("PPP_E2E") == "" {
		t.Skip("end-to-end tests run with scripts/e2e (it prepares Docker, images and programs)")
	}
}

// newRigOn keeps the controller's state at the address store; empty: in its own file.
func newRigOn(t *testing.T, store string, agentArgs []string) *rig {
	t.Helper()
	needE2E(t)
	n := int(nextPorts.Add(1))
	if k, err := strconv.Atoi(os.Getenv("PPP_E2E_RIG")); err == nil {
		n += k // several runs of these tests on one machine
	}
	base := 20000 + n*40
	r := &rig{t: t, dir: t.TempDir(), http: fmt.Sprintf("127.0.0.1:%d", base), ports: [2]int{base + 10, base + 30}}
	tunnel := fmt.Sprintf("127.0.0.1:%d", base+1)
	r.controller = &proc{t: t, name: "controller", log: filepath.Join(r.dir, "controller.log"),
		args: []string{"serve", "--data", filepath.Join(r.dir, "controller"), "--http", r.http, "--tunnel", tunnel, "--log-level", "debug"}}
	if store != "" {
		r.controller.env = []string{"PAYPERPLAY_STORE=" + store}
	}
	t.Cleanup(r.down)
	r.controller.start()
	r.waitReady()
	token, err := os.ReadFile(filepath.Join(r.dir, "controller", "operator.token"))
	if err != nil {
		t.Fatal(err)
	}
	if r.client, err = client.New(client.Options{Endpoint: "http://" + r.http, Token: strings.TrimSpace(string(token))}); err != nil {
		t.Fatal(err)
	}
	r.link = newLink(t, tunnel)
	var join client.Token
	r.cliJSON(&join, "node", "token", "create", "--name", "node-1")
	r.agent = &proc{t: t, name: "agent", log: filepath.Join(r.dir, "agent.log"), args: append([]string{
		"run", "--data", filepath.Join(r.dir, "agent"), "--controller", r.link.addr(), "--ca-pin", join.Pins[0], "--token", join.Token, "--name", "node-1",
		"--memory", "4GiB", "--ports", fmt.Sprintf("%d-%d", r.ports[0], r.ports[1]), "--bridge-pool", fmt.Sprintf("10.%d.0.0/16", 100+n), "--log-level", "debug"}, agentArgs...)}
	r.agent.start()
	r.eventually(30*time.Second, "the node is connected", func() (bool, string) {
		nodes, err := r.client.Nodes(t.Context())
		return err == nil && len(nodes) == 1 && nodes[0].Connected, fmt.Sprint(nodes, err)
	})
	return r
}

func (r *rig) down() {
	if r.agent != nil {
		r.agent.end(syscall.SIGTERM)
		out, err := exec.Command(bin("agent"), "cleanup", "--data", filepath.Join(r.dir, "agent")).CombinedOutput()
		if err != nil {
			r.t.Errorf("cleanup: %v\n%s", err, out)
		}
	}
	r.controller.end(syscall.SIGTERM)
	if r.link != nil {
		r.link.close()
	}
	if r.t.Failed() {
		r.tail("controller.log")
		r.tail("agent.log")
	}
}

func (r *rig) tail(file string) {
	b, err := os.ReadFile(filepath.Join(r.dir, file))
	if err != nil {
		return
	}
	lines := strings.Split(string(b), "\n")
	r.t.Logf("---- %s ----\n%s", file, strings.Join(lines[max(0, len(lines)-60):], "\n"))
}

func (r *rig) waitReady() {
	r.t.Helper()
	r.eventually(20*time.Second, "the controller is ready", func() (bool, string) {
		req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, "http://"+r.http+"/readyz", nil)
		if err != nil {
			return false, err.Error()
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false, err.Error()
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK, resp.Status
	})
}

// eventually polls until ok, or fails with the last state it saw.
func (r *rig) eventually(limit time.Duration, what string, ok func() (bool, string)) {
	r.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		done, state := ok()
		if done {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("not within %v: %s (last: %s)", limit, what, state)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// result is how a command ended.
type result struct {
	out, err string
	code     int
}

// cli runs one command line of the controller, as a person would.
func (r *rig) cli(args ...string) result {
	r.t.Helper()
	return r.cliEnv(nil, args...)
}

func (r *rig) cliEnv(env []string, args ...string) result {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin("controller"), args...)
	cmd.Env = append(os.Environ(), "PAYPERPLAY_ENDPOINT=http://"+r.http, "PAYPERPLAY_TOKEN_FILE="+filepath.Join(r.dir, "controller", "operator.token"), "HOME="+r.dir)
	cmd.Env = append(cmd.Env, env...)
	var out, errb bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errb
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	return result{out.String(), errb.String(), cmd.ProcessState.ExitCode()}
}

// must runs a command line that has to work and gives what it printed.
func (r *rig) must(args ...string) string {
	r.t.Helper()
	res := r.cli(args...)
	if res.code != 0 {
		r.t.Fatalf("controller %s: exit %d\n%s%s", strings.Join(args, " "), res.code, res.out, res.err)
	}
	return res.out
}

func (r *rig) cliJSON(into any, args ...string) {
	r.t.Helper()
	out := r.must(append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		r.t.Fatalf("controller %s: %v in %s", strings.Join(args, " "), err, out)
	}
}

func (r *rig) server(name string) client.Server {
	r.t.Helper()
	s, err := r.client.Server(r.t.Context(), name)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// waitState waits for one of the states of a server, over restarts of the controller.
func (r *rig) waitState(name string, limit time.Duration, states ...string) client.Server {
	r.t.Helper()
	var s client.Server
	r.eventually(limit, name+" is "+strings.Join(states, " or "), func() (bool, string) {
		var err error
		if s, err = r.client.Server(r.t.Context(), name); err != nil {
			return false, err.Error()
		}
		return slices.Contains(states, s.State), s.State + ": " + s.Explain
	})
	return s
}

// containers lists this rig's containers, running ones only.
func (r *rig) containers() []string {
	r.t.Helper()
	nodes, err := r.client.Nodes(r.t.Context())
	if err != nil || len(nodes) == 0 {
		r.t.Fatalf("nodes: %v", err)
	}
	out, err := exec.Command("docker", "ps", "-q", "--no-trunc", "--filter", "label=payperplay.node="+nodes[0].ID).Output()
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// read gives a file of the rig's directory.
func (r *rig) read(file string) string {
	r.t.Helper()
	b, err := os.ReadFile(filepath.Join(r.dir, file))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(b)
}
