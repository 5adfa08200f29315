package agent

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/payperplay/payperplay/agent/docker"
	"github.com/payperplay/payperplay/agent/host"
	"github.com/payperplay/payperplay/agent/supervisor"
	"github.com/payperplay/payperplay/protocol"
)

// late stands for the rooms that need to know which node this is, which only enrolment tells. Calls that come earlier wait.
type late struct {
	ready chan struct{}
	named atomic.Bool // enrolled: the rooms are being made

	mu      sync.Mutex
	facts   protocol.NodeFacts
	servers *supervisor.Supervisor
	machine *host.Host
}

var _ protocol.Runtime = (*late)(nil)

func newLate() *late { return &late{ready: make(chan struct{})} }

// first describes the machine, before any room is there.
func (l *late) first(facts protocol.NodeFacts, data string) {
	facts = host.Describe(facts, data, docker.BridgePrefix(""))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.facts = facts
}

// probe adds the engine for the enrolment. A machine that is enrolled is asked once its rooms are there.
func (l *late) probe(ctx context.Context, dockerHost string) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	e, err := docker.Probe(ctx, dockerHost)
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.facts.Docker, l.facts.Degraded = e.Version, e.Degraded
}

func (l *late) bind(s *supervisor.Supervisor, h *host.Host) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.servers, l.machine = s, h
	close(l.ready)
}

func (l *late) wait(ctx context.Context) error {
	select {
	case <-l.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// firstLook is how long the first look at engine and firewall may take.
const firstLook = 4 * time.Second

// known says that this machine is enrolled, so that the rooms will be there soon.
func (l *late) known() { l.named.Store(true) }

// Facts gives what is known of the machine now. For a hello it waits a moment for the first look at the engine; for the
// enrolment, before any room is there, it does not.
func (l *late) Facts() protocol.NodeFacts {
	if l.named.Load() {
		select {
		case <-l.ready:
		case <-time.After(firstLook + time.Second):
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.machine == nil {
		return l.facts
	}
	return l.machine.Facts()
}

// Outdated passes the controller's epochs on.
func (l *late) Outdated(ctx context.Context, epochs map[string]int64) error {
	if err := l.wait(ctx); err != nil {
		return err
	}
	return l.servers.Outdated(ctx, epochs)
}

// Start implements protocol.Runtime.
func (l *late) Start(ctx context.Context, req protocol.StartRequest) (protocol.StartReply, error) {
	if err := l.wait(ctx); err != nil {
		return protocol.StartReply{}, err
	}
	return l.servers.Start(ctx, req)
}

// Stop implements protocol.Runtime.
func (l *late) Stop(ctx context.Context, req protocol.StopRequest) (protocol.StopReply, error) {
	if err := l.wait(ctx); err != nil {
		return protocol.StopReply{}, err
	}
	return l.servers.Stop(ctx, req)
}

// Kill implements protocol.Runtime.
func (l *late) Kill(ctx context.Context, req protocol.KillRequest) (protocol.KillReply, error) {
	if err := l.wait(ctx); err != nil {
		return protocol.KillReply{}, err
	}
	return l.servers.Kill(ctx, req)
}

// Remove implements protocol.Runtime.
func (l *late) Remove(ctx context.Context, req protocol.RemoveRequest) (protocol.RemoveReply, error) {
	if err := l.wait(ctx); err != nil {
		return protocol.RemoveReply{}, err
	}
	return l.servers.Remove(ctx, req)
}

// Inventory implements protocol.Runtime.
func (l *late) Inventory(ctx context.Context, req protocol.InventoryRequest) (protocol.Inventory, error) {
	if err := l.wait(ctx); err != nil {
		return protocol.Inventory{}, err
	}
	return l.servers.Inventory(ctx, req)
}

// Sample is part of protocol.Host.
func (l *late) Sample(ctx context.Context, req protocol.SampleRequest) (protocol.Sample, error) {
	if err := l.wait(ctx); err != nil {
		return protocol.Sample{}, err
	}
	return l.machine.Sample(ctx, req)
}

// Check is part of protocol.Host.
func (l *late) Check(ctx context.Context, req protocol.CheckRequest) (protocol.CheckReply, error) {
	if err := l.wait(ctx); err != nil {
		return protocol.CheckReply{}, err
	}
	return l.machine.Check(ctx, req)
}
