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
	tokens       tokens
	controller   string        // HOST:PORT it dials
	every        time.Duration // between looks; an agent that ends at once is started ever more slowly, up to pauseMost
	log          *slog.Logger
}

// tokens makes join tokens: the tunnel.
type tokens interface {
	CreateToken(ctx context.Context, actor string, req tunnel.TokenRequest) (tunnel.Token, error)
}

const (
	localName    = "local"
	restartAfter = 5 * time.Second
	pauseMost    = time.Minute
)

func newLocalAgent(a *App, t tokens, pins []string) (*localAgent, error) {
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
	return &localAgent{binary: binary, data: data, args: a.cfg.AgentArgs, pins: pins, tokens: t,
		controller: dialable(a.TunnelAddr()), every: restartAfter, log: a.log.With("room", "local-agent")}, nil
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

// running gives the process id of the agent if it lives: the one the pid file names, or, when the controller was killed
// before it wrote that file, the one that runs with this data directory.
func (l *localAgent) running() int {
	if b, err := os.ReadFile(l.pidFile()); err == nil {
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && l.isAgent(pid) {
			return pid
		}
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0
	}
	for _, p := range processes {
		if pid, err := strconv.Atoi(filepath.Base(p)); err == nil && l.isAgent(pid) {
			if err := l.writePID(pid); err != nil {
				l.log.Warn("the local agent's pid file could not be written", "err", err)
			}
			return pid
		}
	}
	return 0
}

// isAgent tells whether the process is this agent: process ids are used again, command lines with our data directory are not.
func (l *localAgent) isAgent(pid int) bool {
	if pid <= 1 {
		return false
	}
	cmdline, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return false
	}
	words := strings.Split(string(cmdline), "\x00")
	i := slices.Index(words, "run")
	return i > 0 && len(words) > i+2 && words[i+1] == "--data" && words[i+2] == l.data
}

func (l *localAgent) writePID(pid int) error {
	return renameio.WriteFile(l.pidFile(), []byte(strconv.Itoa(pid)+"\n"), 0o600)
}

// run starts the agent whenever it is not running, until ctx ends. It never stops it: games and their console history go on.
func (l *localAgent) run(ctx context.Context) error {
	pause := l.every
	for {
		wait := l.every
		if l.running() == 0 {
			if err := l.start(ctx); err != nil && ctx.Err() == nil {
				l.log.Warn("the local agent could not be started", "err", err)
			}
			wait, pause = pause, min(2*pause, pauseMost)
		} else {
			pause = l.every
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func (l *localAgent) start(ctx context.Context) error {
	args := []string{"run", "--data", l.data, "--controller", l.controller}
	for _, pin := range l.pins {
		args = append(args, "--ca-pin", pin)
	}
	if !l.enrolled() {
		t, err := l.tokens.CreateToken(ctx, "operator", tunnel.TokenRequest{Name: localName})
		if err != nil {
			return err
		}
		args = append(args, "--token", t.Secret, "--name", t.Name)
	}
	args = append(args, l.args...)
	logName := filepath.Join(l.data, "agent.log")
	logFile, err := os.OpenFile(logName, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer logFile.Close()
	cmd := exec.Command(l.binary, args...) //nolint:noctx // it must outlive this process
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.Env = withoutSecrets(os.Environ())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := l.writePID(cmd.Process.Pid); err != nil {
		return errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	l.log.Info("local agent started", "pid", cmd.Process.Pid, "data", l.data)
	go func() { // reap it, should it end before this process
		err := cmd.Wait()
		l.log.Warn("the local agent ended; it will be started again", "pid", cmd.Process.Pid, "end", cmd.ProcessState.String(), "err", err, "log", logName)
	}()
	return nil
}

// withoutSecrets leaves out of an environment what is the controller's alone: where its store is, and the keys to it and to
// the CA.
func withoutSecrets(env []string) []string {
	return slices.DeleteFunc(env, func(v string) bool {
		return slices.ContainsFunc([]string{"PG", "PAYPERPLAY_STORE", "PAYPERPLAY_CA_PASSPHRASE"}, func(p string) bool { return strings.HasPrefix(v, p) })
	})
}

// enrolled tells whether the agent has an identity already.
func (l *localAgent) enrolled() bool {
	_, err := os.Stat(filepath.Join(l.data, "identity.json"))
	return err == nil
}
