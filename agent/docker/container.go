package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/payperplay/payperplay/protocol"
	"github.com/payperplay/payperplay/protocol/failpoint"
)

// Container is what the engine says about one of ours.
type Container struct {
	ID       string
	Server   string
	Epoch    int64
	Revision int64
	Attempt  int64
	Spec     protocol.Spec
	Status   string // "created", "running", "paused", "exited", "dead", …
	Running  bool
	ExitCode int
	OOM      bool
	Problem  string // why the engine could not start it
	PID      int
	IP       netip.Addr
	Password string // of RCON
	Started  time.Time
	Finished time.Time
}

// Create makes the container; it does not run yet. A container of the same name, left by an agent that died, gives way unless it runs.
func (c *Client) Create(ctx context.Context, r Run) (id string, err error) {
	cfg, host, net, err := c.config(r)
	if err != nil {
		return "", err
	}
	ctx, cancel, err := c.begin(ctx, slow, "making the container")
	if err != nil {
		return "", err
	}
	defer cancel()
	if err := failpoint.Hit("docker.create.before"); err != nil {
		return "", err
	}
	name := fmt.Sprintf("ppp-%s-%s-%d-%d", c.tag, r.Spec.Server, r.Grant.Epoch, r.Attempt)
	made, err := c.api.ContainerCreate(ctx, cfg, host, net, nil, name)
	if err != nil && strings.Contains(err.Error(), "already in use") {
		if err := c.api.ContainerRemove(ctx, name, container.RemoveOptions{RemoveVolumes: true}); err != nil && !IsGone(err) {
			return "", c.explain(err, "removing a container left behind")
		}
		made, err = c.api.ContainerCreate(ctx, cfg, host, net, nil, name)
	}
	if err != nil {
		return "", c.explain(err, "making the container")
	}
	return made.ID, failpoint.Hit("docker.create.after")
}

// Start runs a made container.
func (c *Client) Start(ctx context.Context, id string) error {
	ctx, cancel, err := c.begin(ctx, slow, "starting the container")
	if err != nil {
		return err
	}
	defer cancel()
	if err := failpoint.Hit("docker.start.before"); err != nil {
		return err
	}
	if err := c.api.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		return c.explain(err, "starting the container")
	}
	return failpoint.Hit("docker.start.after")
}

// Signal sends "SIGTERM" or "SIGKILL". A container that does not run is fine.
func (c *Client) Signal(ctx context.Context, id, signal string) error {
	ctx, cancel, err := c.begin(ctx, quick, "sending "+signal)
	if err != nil {
		return err
	}
	defer cancel()
	if err := failpoint.Hit("docker.signal.before"); err != nil {
		return err
	}
	err = c.api.ContainerKill(ctx, id, signal)
	if err == nil || IsGone(err) || strings.Contains(err.Error(), "is not running") {
		return failpoint.Hit("docker.signal.after")
	}
	return c.explain(err, "sending "+signal)
}

// Remove removes a container, killing it if it runs; one that is not there is fine.
func (c *Client) Remove(ctx context.Context, id string) error {
	ctx, cancel, err := c.begin(ctx, slow, "removing the container")
	if err != nil {
		return err
	}
	defer cancel()
	if err := failpoint.Hit("docker.remove.before"); err != nil {
		return err
	}
	err = c.api.ContainerRemove(ctx, id, container.RemoveOptions{RemoveVolumes: true, Force: true})
	if err == nil || IsGone(err) || strings.Contains(err.Error(), "is already in progress") {
		return failpoint.Hit("docker.remove.after")
	}
	return c.explain(err, "removing the container")
}

// Inspect reads one container. A missing one is a NotFound fault.
func (c *Client) Inspect(ctx context.Context, id string) (Container, error) {
	ctx, cancel, err := c.begin(ctx, quick, "looking at the container")
	if err != nil {
		return Container{}, err
	}
	defer cancel()
	in, err := c.api.ContainerInspect(ctx, id)
	if err != nil {
		return Container{}, c.explain(err, "looking at the container")
	}
	c.health.answered()
	return read(in), nil
}

// List reads all containers of this node, running or not; server narrows it, empty means all.
func (c *Client) List(ctx context.Context, server string) ([]Container, error) {
	list, cancel, err := c.begin(ctx, quick, "listing containers")
	if err != nil {
		return nil, err
	}
	defer cancel()
	found, err := c.api.ContainerList(list, container.ListOptions{All: true, Filters: c.mine(server)})
	if err != nil {
		return nil, c.explain(err, "listing containers")
	}
	var out []Container
	for _, f := range found {
		if f.Labels[LabelProbe] != "" {
			continue
		}
		one, err := c.Inspect(ctx, f.ID)
		if IsGone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

func read(in container.InspectResponse) Container {
	c := Container{ID: in.ID}
	if l := in.Config; l != nil {
		c.Server = l.Labels[LabelServer]
		c.Epoch, _ = strconv.ParseInt(l.Labels[LabelEpoch], 10, 64)
		c.Revision, _ = strconv.ParseInt(l.Labels[LabelRevision], 10, 64)
		c.Attempt, _ = strconv.ParseInt(l.Labels[LabelAttempt], 10, 64)
		_ = json.Unmarshal([]byte(l.Labels[LabelSpec]), &c.Spec)
		for _, e := range l.Env {
			if v, ok := strings.CutPrefix(e, "RCON_PASSWORD="); ok {
				c.Password = v
			}
		}
	}
	if s := in.State; s != nil {
		c.Status, c.Running, c.ExitCode, c.OOM, c.Problem, c.PID = s.Status, s.Running, s.ExitCode, s.OOMKilled, s.Error, s.Pid
		c.Started, c.Finished = moment(s.StartedAt), moment(s.FinishedAt)
	}
	if in.NetworkSettings != nil {
		for _, n := range in.NetworkSettings.Networks {
			if ip, err := netip.ParseAddr(n.IPAddress); err == nil {
				c.IP = ip
			}
		}
	}
	return c
}

// moment reads the engine's time; its zero is year 1.
func moment(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() < 2000 {
		return time.Time{}
	}
	return t.UTC()
}
