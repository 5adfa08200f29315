package simulate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/payperplay/payperplay/agent/docker"
	"github.com/payperplay/payperplay/agent/supervisor"
	"github.com/payperplay/payperplay/protocol"
)

// volumes are agent/volume's on a simulated disk.
type volumes struct {
	d *disk
	p *process
}

var _ supervisor.Volumes = volumes{}

func (v volumes) change(what string, fn func(c *content) error) error {
	done, err := v.p.io("volume " + what)
	if err != nil {
		return err
	}
	v.d.mu.Lock()
	err = fn(&v.d.now)
	v.d.sync()
	v.d.mu.Unlock()
	if err != nil {
		return err
	}
	return done()
}

// Prepare follows the rules of agent/volume: only a fresh start makes a volume, and an epoch never falls.
func (v volumes) Prepare(server string, epoch int64, fresh bool, _, _ int) error {
	return v.change("prepare", func(c *content) error {
		have, ok := c.Volumes[server]
		switch {
		case !ok && !fresh:
			return protocol.Faultf(protocol.NotFound, "restore a snapshot", "the volume of server %s has no identity file", server)
		case ok && have.Epoch > epoch:
			return protocol.Faultf(protocol.Stale, "", "the volume of server %s is of epoch %d, the grant only of %d", server, have.Epoch, epoch)
		case ok && have.Epoch < epoch && !fresh:
			return protocol.Faultf(protocol.Stale, "move or restore the server again", "the volume of server %s is of epoch %d, the grant of %d", server, have.Epoch, epoch)
		}
		if v.d.full > 0 && !ok {
			v.p.m.w.truth.excuse(server, "the node's disk was full")
			return errFull
		}
		have.Epoch = epoch
		c.Volumes[server] = have
		return nil
	})
}

func (v volumes) Data(server string) string { return "/simulated/volumes/" + server + "/data" }

func (v volumes) Remove(server string) error {
	return v.change("remove", func(c *content) error { delete(c.Volumes, server); return nil })
}

func (v volumes) Quarantine(server string, epoch int64, now time.Time) (string, error) {
	name := fmt.Sprintf("%s-%d-%d", server, epoch, now.Unix())
	err := v.change("quarantine", func(c *content) error {
		if have, ok := c.Volumes[server]; ok {
			c.Quarantine[name] = have
			delete(c.Volumes, server)
		}
		return nil
	})
	return name, err
}

func (v volumes) List() ([]string, error) {
	v.d.mu.Lock()
	defer v.d.mu.Unlock()
	var out []string
	for server := range v.d.now.Volumes {
		out = append(out, server)
	}
	slices.Sort(out)
	return out, v.p.alive()
}

func (v volumes) Identity(server string) (protocol.Identity, error) {
	v.d.mu.Lock()
	defer v.d.mu.Unlock()
	have, ok := v.d.now.Volumes[server]
	if !ok {
		return protocol.Identity{}, protocol.Faultf(protocol.NotFound, "", "the volume of server %s has no identity file", server)
	}
	return protocol.Identity{Cluster: cluster, Server: server, Epoch: have.Epoch}, v.p.alive()
}

func (v volumes) Sweep(time.Time) ([]string, error) { return nil, nil }

// worldWrite is the game's: it is in the page cache until somebody syncs.
func (d *disk) worldWrite(server string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if v, ok := d.now.Volumes[server]; ok {
		v.Writes++
		d.now.Volumes[server] = v
	}
}

// consoles stand for agent/console: lines that matter to the supervisor reach it, nothing is kept.
type consoles struct{ p *process }

var (
	_ supervisor.Console  = (*consoles)(nil)
	_ supervisor.Commands = (*consoles)(nil)
)

func (c *consoles) Attach(context.Context, string, *docker.Terminal, int64, int64) error { return nil }
func (c *consoles) Drain(context.Context, string) error                                  { return nil }
func (c *consoles) Remove(string) error                                                  { return nil }
func (c *consoles) System(string, string)                                                {}
func (c *consoles) LastLines(string, int) []protocol.Line                                { return nil }
func (c *consoles) SetRCON(string, string, string)                                       {}

func (c *consoles) Watch(server string, fn func(protocol.Line)) (cancel func()) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	c.p.listen[server] = fn
	return func() {
		c.p.mu.Lock()
		defer c.p.mu.Unlock()
		delete(c.p.listen, server)
	}
}

// Tell gives a command to the game's input.
func (c *consoles) Tell(ctx context.Context, server, command string) error {
	e := c.p.m.engine
	return client{e, c.p}.call(ctx, "stdin", time.Millisecond, func() error {
		g := e.running(server)
		if g == nil {
			return protocol.Faultf(protocol.Precondition, "", "server %s does not run", server)
		}
		if command == "stop" {
			e.m.w.truth.mayEnd(g.run, "stop command")
			e.ask(g)
		}
		return nil
	})
}

func (c *consoles) Ask(context.Context, string, string) (string, error) {
	return "", protocol.Faultf(protocol.Precondition, "", "no RCON")
}

// health is what the controller asks a machine for.
type health struct{ p *process }

func (h health) Sample(context.Context, protocol.SampleRequest) (protocol.Sample, error) {
	return protocol.Sample{At: time.Now().UTC()}, h.p.alive()
}

func (h health) Check(ctx context.Context, _ protocol.CheckRequest) (protocol.CheckReply, error) {
	ok := h.p.m.engine.hang.pass(ctx)
	out := protocol.CheckReply{OK: ok, Docker: "simulated", Now: time.Now().UTC()}
	if !ok {
		out.Problems = []string{"Docker is unresponsive"}
	}
	return out, h.p.alive()
}

// noConsole answers what this simulation has no console for.
type noConsole struct{ protocol.Console }
