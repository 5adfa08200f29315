package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/payperplay/payperplay/controller/api/client"
	"github.com/payperplay/payperplay/protocol"
)

// Failpoints that only whole daemons pass. What rooms pass alone is killed in their own tests (docs/guards.md).
var (
	agentCalls = []string{
		"docker.network.before", "docker.network.after", "docker.unbridge.before", "docker.unbridge.after", "docker.signal.before", "docker.signal.after",
		"docker.remove.before", "docker.remove.after",
		"agent.tunnel.dial.before", "agent.tunnel.dial.after", "agent.tunnel.hello.before", "agent.tunnel.hello.after",
		"agent.tunnel.report.before", "agent.tunnel.report.after", "docker.create.before", "docker.create.after", "docker.start.before",
		"docker.start.after", "host.firewall.before", "host.firewall.after", "rpc.call.before", "rpc.call.after", "rpc.serve.before", "rpc.serve.after",
	}
	controllerCalls = []string{
		"lifecycle.order.before", "lifecycle.order.after", "lifecycle.start.before", "lifecycle.start.after", "rpc.call.before", "rpc.call.after",
		"rpc.serve.before", "rpc.serve.after", "tunnel.hello.before", "tunnel.hello.after", "tunnel.report.before", "tunnel.report.after",
	}
	joinCalls = []string{"agent.tunnel.join.after", "tunnel.join.before", "tunnel.join.after"}
)

// TestF01F02KilledAtEachCall kills the agent, then the controller, at each of their calls while a server is restarted. Whatever was under
// way, the server runs in the end, in one container, and takes the next order. Half of the points, before one call and after the next; all
// of them with PPP_SOAK.
func TestF01F02KilledAtEachCall(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("game")
	for _, kill := range []struct {
		p      *proc
		points []string
	}{{r.agent, agentCalls}, {r.controller, controllerCalls}} {
		for i, point := range kill.points {
			if os.Getenv("PPP_SOAK") == "" && i%2 != i/2%2 {
				continue
			}
			began := time.Now()
			if strings.HasPrefix(point, "docker.unbridge.") {
				r.must("server", "create", "other", "--template", "testserver", "--memory", "64MiB", "--start", "--wait")
			}
			r.dieAt(kill.p, point, func() { r.provoke(point) })
			r.orderAgain(point)
			if s := r.runsOnce("game", time.Minute); s.Restarts > 0 {
				t.Errorf("killed at %s, the game has crashed %d times", point, s.Restarts)
			}
			t.Logf("%s %s: running again after %s", kill.p.name, point, time.Since(began).Round(10*time.Millisecond))
		}
	}
}

// TestF01F02KilledWhileJoining kills the agent and the controller at each call of an enrolment: one token makes one node.
func TestF01F02KilledWhileJoining(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.agent.end(syscall.SIGTERM)
	first := r.agent
	defer func() { r.agent = first }()
	for i, point := range joinCalls {
		var join client.Token
		name := fmt.Sprintf("late-%d", i)
		r.cliJSON(&join, "node", "token", "create", "--name", name)
		args := slices.Clone(first.args)
		for flag, value := range map[string]string{"--data": filepath.Join(r.dir, name), "--token": join.Token, "--name": name} {
			args[slices.Index(args, flag)+1] = value
		}
		late := &proc{t: t, name: "agent", log: filepath.Join(r.dir, "agent.log"), args: args}
		if dying := r.controller; strings.HasPrefix(point, "tunnel.") {
			r.dieAt(dying, point, late.start)
		} else {
			r.dieAt(late, point, func() {})
		}
		r.eventually(30*time.Second, name+" is connected", func() (bool, string) {
			nodes, err := r.client.Nodes(t.Context())
			at := slices.IndexFunc(nodes, func(n client.Node) bool { return n.Name == name })
			return err == nil && len(nodes) == i+2 && at >= 0 && nodes[at].Connected, fmt.Sprint(nodes, err)
		})
		late.end(syscall.SIGTERM)
	}
}

// provoke orders what leads past a failpoint: a restart, where nothing else is needed. The daemon may die before it answers.
func (r *rig) provoke(point string) {
	ctx := r.t.Context()
	switch what, _, _ := strings.Cut(strings.TrimPrefix(point, "docker."), "."); what {
	case "network":
		_, _ = r.client.CreateServer(ctx, client.CreateServer{Name: "other", Template: "testserver", MemoryBytes: 64 << 20, Start: true}, "")
	case "unbridge":
		_, _ = r.client.DeleteServer(ctx, "other")
	case "signal":
		_, _ = r.client.Kill(ctx, "game")
	default:
		_, _ = r.client.Restart(ctx, "game")
	}
}

// orderAgain looks at what provoke ordered, and has only the game run again, as before it.
func (r *rig) orderAgain(point string) {
	switch point {
	case "docker.network.before", "docker.network.after":
		r.waitState("other", time.Minute, "running")
		r.must("server", "delete", "other", "--yes")
		r.gone("other")
	case "docker.unbridge.before", "docker.unbridge.after":
		r.gone("other")
	case "docker.signal.before", "docker.signal.after":
		r.waitState("game", time.Minute, "stopped")
		r.must("server", "start", "game", "--wait")
	}
}

func (r *rig) gone(name string) {
	r.t.Helper()
	r.eventually(time.Minute, name+" is gone", func() (bool, string) {
		_, err := r.client.Server(r.t.Context(), name)
		return protocol.CodeOf(err) == protocol.NotFound, fmt.Sprint(err)
	})
}

// dieAt runs a daemon until a failpoint kills it, and starts it again. act is done while it lives.
func (r *rig) dieAt(p *proc, point string, act func()) {
	r.t.Helper()
	p.end(syscall.SIGTERM)
	p.env = []string{"PPP_FAILPOINTS=" + point + "=kill@1"}
	p.start()
	if p == r.controller {
		dead := p.exited
		for range 100 { // until it listens or is dead
			if _, err := r.client.Nodes(r.t.Context()); err == nil {
				break
			}
			select {
			case <-dead:
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	act()
	select {
	case <-p.exited:
	case <-time.After(20 * time.Second):
		r.t.Errorf("%s did not pass %s", p.name, point)
		p.end(syscall.SIGTERM)
	}
	p.env = nil
	p.start()
}

// runsOnce waits until a server runs as ordered, with nothing under way, and its node has one container of it.
func (r *rig) runsOnce(name string, limit time.Duration) (s client.Server) {
	r.t.Helper()
	r.eventually(limit, name+" runs once", func() (bool, string) {
		var err error
		if s, err = r.client.Server(r.t.Context(), name); err != nil {
			return false, err.Error()
		}
		if s.State != "running" || s.Op != nil {
			return false, s.State + ": " + s.Explain
		}
		n := len(r.containers())
		return n == 1, fmt.Sprintf("%d containers", n)
	})
	return s
}
