package controller

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/renameio/v2"

	"github.com/payperplay/payperplay/controller/fault"
	"github.com/payperplay/payperplay/controller/tunnel"
)

// localAgent keeps an agent running on the controller's own machine. The agent is a process of its own, in a session of its own:
// it outlives the controller, as on any other node, and a controller that comes back finds it running.
type localAgent struct {
	binary, data string
	args         []string
	pins         []string
	tunnel       *tunnel.Tunnel
	app          *App
	log          *slog.Logger
}

const (
	localName    = "local"
	restartAfter = 5 * time.Second
)

func newLocalAgent(a *App, t *tunnel.Tunnel, pins []string) (*localAgent, error) {
	binary, err := findAgent(a.cfg.AgentBinary)
	if err != nil {
		return nil, err
	}
	data, err := filepath.Abs(filepath.Join(a.cfg.Data, "local-agent"))
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	return &localAgent{binary: binary, data: data, args: a.cfg.AgentArgs, pins: pins, tunnel: t, app: a, log: a.log.With("room", "local-agent")}, nil
}

// findAgent looks where a release and a build have it.
func findAgent(named string) (string, error) {
	candidates := []string{named}
	if named == "" {
		candidates = nil
		if self, err := os.Executable(); err == nil {
			candidates = append(candidates, filepath.Join(filepath.Dir(self), "agent"))
		}
		if p, err := exec.LookPath("agent"); err == nil {
			candidates = append(candidates, p)
		}
	}
	for _, c := range candidates {
		if st, err := os.Stat(c); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return filepath.Abs(c)
		}
	}
	return "", fault.New(fault.Invalid, "--local-agent: there is no agent program ("+strings.Join(candidates, ", ")+")", "build it with 'make build', or name it with --agent-binary")
}

func (l *localAgent) pidFile() string { return filepath.Join(l.data, "agent.pid") }

// running gives the process id of the agent if it lives: the pid file names it and the process is that program.
func (l *localAgent) running() int {
	b, err := os.ReadFile(l.pidFile())
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid <= 1 {
		return 0
	}
	cmdline, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil || !slices.Contains(strings.Split(string(cmdline), "\x00"), l.data) {
		return 0
	}
	return pid
}

// run starts the agent whenever it is not running, until ctx ends. It never stops it: games and their console history go on.
func (l *localAgent) run(ctx context.Context) error {
	for {
		if l.running() == 0 {
			if err := l.start(ctx); err != nil && ctx.Err() == nil {
				l.log.Warn("the local agent could not be started", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(restartAfter):
		}
	}
}

func (l *localAgent) start(ctx context.Context) error {
	args := []string{"run", "--data", l.data, "--controller", dialable(l.app.TunnelAddr())}
	for _, pin := range l.pins {
		args = append(args, "--ca-pin", pin)
	}
	if !l.enrolled() {
		t, err := l.tunnel.CreateToken(ctx, "operator", tunnel.TokenRequest{Name: localName})
		if err != nil {
			return err
		}
		args = append(args, "--token", t.Secret, "--name", t.Name)
	}
	args = append(args, l.args...)
	logFile, err := os.OpenFile(filepath.Join(l.data, "agent.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer logFile.Close()
	cmd := exec.Command(l.binary, args...) //nolint:noctx // it must outlive this process
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := renameio.WriteFile(l.pidFile(), []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o600); err != nil {
		return errors.Join(err, cmd.Process.Kill())
	}
	l.log.Info("local agent started", "pid", cmd.Process.Pid, "data", l.data)
	go func() { _ = cmd.Wait() }() // reap it, should it end before this process
	return nil
}

// enrolled tells whether the agent has an identity already.
func (l *localAgent) enrolled() bool {
	_, err := os.Stat(filepath.Join(l.data, "identity.json"))
	return err == nil
}
