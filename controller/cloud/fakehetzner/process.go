package fakehetzner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// ProcessOptions is what machines that are processes need.
type ProcessOptions struct {
	Root       string       // directory for the disks of the machines, one below it each
	Agent      string       // the agent's program; empty = what user-data downloads
	Args       []string     // more flags for every agent, after all others
	Env        []string     // of every agent, beside this process's own
	DockerHost string       // empty = the agent's default
	PortFrom   int          // of the first machine; default 26500
	Ports      int          // per machine; default 25
	Bridges    netip.Prefix // machines' bridge pools are its /24s; default 10.224.0.0/11
	Client     *http.Client // for downloads
	Restart    time.Duration
	Logger     *slog.Logger
}

// ProcessBooter makes a machine a process of this computer: an agent started as the machine's user-data says, with its files below a
// directory of its own. It dials from the machine's public address, which is one of 127.0.0.0/8, and says which machine it is, by
// PAYPERPLAY_SOURCE_ADDRESS and PAYPERPLAY_MACHINE_ID. Ports, bridges and boot id are the machine's own, for all share one Docker engine.
type ProcessBooter struct {
	opt ProcessOptions
	log *slog.Logger

	mu    sync.Mutex
	slots map[string]int // of each machine's disk: its share of ports and bridges
}

var _ interface {
	Booter
	Wiper
} = (*ProcessBooter)(nil)

// NewProcessBooter checks the options.
func NewProcessBooter(o ProcessOptions) (*ProcessBooter, error) {
	if o.Root == "" {
		return nil, errors.New("fakehetzner: machines need a directory for their disks")
	}
	if o.PortFrom == 0 {
		o.PortFrom = 26500
	}
	if o.Ports == 0 {
		o.Ports = 25
	}
	if !o.Bridges.IsValid() {
		o.Bridges = netip.MustParsePrefix("10.224.0.0/11")
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: 2 * time.Minute}
	}
	if o.Restart == 0 {
		o.Restart = time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if !o.Bridges.Addr().Is4() || o.Bridges.Bits() > 24 {
		return nil, fmt.Errorf("fakehetzner: %s has no room for a /24 per machine", o.Bridges)
	}
	var err error
	if o.Root, err = filepath.Abs(o.Root); err != nil {
		return nil, err
	}
	if o.Agent != "" { // the agent's directory is its disk
		if o.Agent, err = filepath.Abs(o.Agent); err != nil {
			return nil, err
		}
	}
	return &ProcessBooter{opt: o, log: o.Logger, slots: map[string]int{}}, os.MkdirAll(o.Root, 0o755)
}

// slot is the lowest that no disk has.
func (b *ProcessBooter) slot(id string) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n, ok := b.slots[id]; ok {
		return n, nil
	}
	taken := map[int]bool{}
	for _, n := range b.slots {
		taken[n] = true
	}
	n := 0
	for taken[n] {
		n++
	}
	if most := min((65536-b.opt.PortFrom)/b.opt.Ports, 1<<(24-b.opt.Bridges.Bits())); n >= most {
		return 0, fmt.Errorf("ports and bridges are for %d machines", most)
	}
	b.slots[id] = n
	return n, nil
}

// Boot follows the user-data on the first boot, and starts the agent on each.
func (b *ProcessBooter) Boot(ctx context.Context, m Machine) (func(), error) {
	slot, err := b.slot(m.ID)
	if err != nil {
		return nil, err
	}
	u, err := parseUserData(m.UserData)
	if err != nil {
		return nil, err
	}
	disk := filepath.Join(b.opt.Root, m.ID)
	if err := os.MkdirAll(disk, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(disk)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	program := b.opt.Agent
	if _, err := root.Stat("booted"); errors.Is(err, fs.ErrNotExist) { // as cloud-init: once per machine
		if err := u.write(root); err != nil {
			return nil, err
		}
		if program == "" {
			if err := b.fetch(ctx, root, u); err != nil {
				return nil, err
			}
		}
		if err := root.MkdirAll(filepath.Dir(serialFile), 0o755); err != nil {
			return nil, err
		}
		if err := root.WriteFile(serialFile, []byte(m.ID+"\n"), 0o444); err != nil {
			return nil, err
		}
		if err := root.WriteFile("booted", nil, 0o600); err != nil {
			return nil, err
		}
	}
	if program == "" {
		program = filepath.Join(disk, agentFile)
	}
	if err := root.WriteFile("boot-id", []byte(newBootID()+"\n"), 0o600); err != nil {
		return nil, err
	}
	if err := root.MkdirAll(dataDir, 0o700); err != nil {
		return nil, err
	}
	args, err := b.args(root, u, m, slot, disk)
	if err != nil {
		return nil, err
	}
	out, err := os.OpenFile(filepath.Join(disk, "agent.log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return b.supervise(ctx, program, args, m, disk, out)
}

// supervise keeps the agent running, as systemd does, until ctx ends or the power is cut: then its containers go, too.
func (b *ProcessBooter) supervise(ctx context.Context, program string, args []string, m Machine, disk string, out *os.File) (func(), error) {
	running, cut := context.WithCancel(ctx)
	command := func(ctx context.Context, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Stdout, cmd.Stderr, cmd.Dir = out, out, disk
		cmd.Env = slices.Concat(os.Environ(), b.opt.Env, []string{"PAYPERPLAY_MACHINE_ID=" + m.ID, "PAYPERPLAY_SOURCE_ADDRESS=" + text(m.Address)})
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a ^C at the terminal is for the fake alone
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
		return cmd
	}
	first := command(running, args...)
	err := first.Start()
	for n := 0; n < 50 && errors.Is(err, syscall.ETXTBSY); n++ { // another boot forked while the download was open for writing
		select {
		case <-running.Done():
		case <-time.After(20 * time.Millisecond):
		}
		first = command(running, args...)
		err = first.Start()
	}
	if err != nil {
		cut()
		_ = out.Close()
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = out.Close() }()
		for cmd := first; ; {
			err := cmd.Wait()
			if running.Err() != nil {
				break
			}
			b.log.Warn("an agent has ended", "machine", m.Name, "err", err, "log", out.Name())
			select {
			case <-running.Done():
			case <-time.After(b.opt.Restart):
			}
			if running.Err() != nil {
				break
			}
			cmd = command(running, args...)
			if err := cmd.Start(); err != nil {
				b.log.Error("an agent cannot be started again", "machine", m.Name, "err", err)
				<-running.Done()
				break
			}
		}
		b.kill(ctx, command, disk)
	}()
	return func() { cut(); <-done }, nil
}

// kill ends what runs in containers, which a real machine's power cut would. Nothing is there before the agent has joined.
func (b *ProcessBooter) kill(ctx context.Context, command func(context.Context, ...string) *exec.Cmd, disk string) {
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	args := []string{"cleanup", "--data=" + filepath.Join(disk, dataDir)}
	if b.opt.DockerHost != "" {
		args = append(args, "--docker-host="+b.opt.DockerHost)
	}
	if err := command(short, args...).Run(); err != nil {
		b.log.Debug("containers were not cleaned up", "disk", disk, "err", err)
	}
}

// Wipe throws a machine's disk away.
func (b *ProcessBooter) Wipe(id string) {
	b.mu.Lock()
	delete(b.slots, id)
	b.mu.Unlock()
	if err := os.RemoveAll(filepath.Join(b.opt.Root, id)); err != nil {
		b.log.Warn("a disk cannot be removed", "machine", id, "err", err)
	}
}
