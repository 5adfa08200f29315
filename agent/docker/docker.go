// Package docker runs servers' containers on a Docker engine. It is the only package that imports the Docker client, and a container
// is called a container only here and in agent/supervisor.
//
// Every object it makes carries the labels payperplay.cluster, .node and .server, and every list is filtered by cluster and node,
// so that several agents can share an engine. What a container may do is decided in config.go alone. Every call ends by a deadline.
// Docker's archive API ("docker cp") is never called.
package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/payperplay/payperplay/protocol"
)

// Labels of our objects.
const (
	LabelCluster  = "payperplay.cluster"
	LabelNode     = "payperplay.node"
	LabelServer   = "payperplay.server"
	LabelEpoch    = "payperplay.epoch"
	LabelRevision = "payperplay.revision"
	LabelAttempt  = "payperplay.attempt"
	LabelSpec     = "payperplay.spec" // the whole spec, so that an agent that lost its journal can adopt the container
)

// Deadlines of calls. A hung engine must show within 15 s.
const (
	quick = 10 * time.Second // inspect, list, kill
	slow  = 60 * time.Second // create, start, remove, network: they wait for disks and iptables
)

// Options say which engine and whose objects.
type Options struct {
	Host    string // "unix:///var/run/docker.sock"; empty = DOCKER_HOST, else that socket
	Cluster string
	Node    string
	Name    string // of the node, for people; empty = Node
	Program string // what Probe runs: a static program that knows `probe`; empty = this one
	Logger  *slog.Logger
	Metrics prometheus.Registerer
}

// Client talks to one engine for one node. Its methods may be called from any goroutine.
type Client struct {
	api     *client.Client
	spoken  atomic.Bool       // the API version is agreed on
	turn    chan struct{}     // held by who agrees on it
	labels  map[string]string // cluster and node, on every object
	name    string            // of the node, for people
	program string            // of Probe
	tag     string
	files   int64 // limit of open files of a container
	log     *slog.Logger
	health  health
}

// New prepares the client; the engine is not called yet.
func New(o Options) (*Client, error) {
	if o.Cluster == "" || o.Node == "" {
		return nil, errors.New("docker: Cluster and Node are needed")
	}
	api, err := dial(o.Host)
	if err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Name == "" {
		o.Name = o.Node
	}
	c := &Client{api: api, turn: make(chan struct{}, 1), log: o.Logger, name: o.Name, program: o.Program, files: fileLimit(), tag: Tag(o.Cluster, o.Node), labels: map[string]string{LabelCluster: o.Cluster, LabelNode: o.Node}}
	if o.Metrics != nil {
		o.Metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "payperplay_agent_docker_up", Help: "1 while the Docker engine answers."},
			func() float64 {
				if c.Healthy() == nil {
					return 1
				}
				return 0
			}))
	}
	return c, nil
}

func dial(host string) (*client.Client, error) {
	opts := []client.Opt{client.WithHostFromEnv()}
	if host != "" {
		opts[0] = client.WithHost(host)
	}
	api, err := client.NewClientWithOpts(opts...)
	if err != nil {
		return nil, protocol.Faultf(protocol.Invalid, "give --docker-host as unix:///var/run/docker.sock", "the Docker address %q cannot be used: %v", host, err)
	}
	return api, nil
}

// fileLimit is what a container may have open: no more than this machine allows, or the runtime cannot set it.
func fileLimit() int64 {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil || r.Max >= mostFiles {
		return mostFiles
	}
	return int64(r.Max)
}

// Close drops idle connections.
func (c *Client) Close() error { return c.api.Close() }

// begin gives a call its deadline and, once, agrees with the engine on an API version. (The client's own negotiation waits for
// one call after the other when the engine hangs.)
func (c *Client) begin(ctx context.Context, limit time.Duration, doing string) (context.Context, context.CancelFunc, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	if err := c.agree(ctx); err != nil {
		cancel()
		return nil, nil, c.explain(err, doing)
	}
	return ctx, cancel, nil
}

func (c *Client) agree(ctx context.Context) error {
	if c.spoken.Load() {
		return nil
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if c.spoken.Load() {
		return nil
	}
	pong, err := c.api.Ping(ctx)
	if err != nil {
		return err
	}
	c.api.NegotiateAPIVersionPing(pong)
	c.spoken.Store(true)
	return nil
}

// Tag gives the short name of a node's objects: names of bridges, containers and firewall chains begin with it.
func Tag(cluster, node string) string {
	sum := sha256.Sum256([]byte(cluster + "\x00" + node))
	return hex.EncodeToString(sum[:])[:5]
}

// mine is the filter of every list.
func (c *Client) mine(server string) filters.Args {
	f := filters.NewArgs(filters.Arg("label", LabelCluster+"="+c.labels[LabelCluster]), filters.Arg("label", LabelNode+"="+c.labels[LabelNode]))
	if server != "" {
		f.Add("label", LabelServer+"="+server)
	}
	return f
}

// explain turns an error of the engine into a Fault that a person can use.
func (c *Client) explain(err error, doing string) error {
	var f *protocol.Fault
	switch {
	case err == nil || errors.As(err, &f):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		c.health.failed()
		return protocol.Faultf(protocol.Timeout, "look at the Docker service on the node: journalctl -u docker", "Docker is unresponsive: %s took too long", doing)
	case errors.Is(err, context.Canceled):
		return err
	case client.IsErrConnectionFailed(err):
		c.health.failed()
		return protocol.Faultf(protocol.Unavailable, "start Docker on the node: systemctl start docker", "Docker does not run on the node (%s)", c.api.DaemonHost())
	case errdefs.IsNotFound(err):
		return protocol.Faultf(protocol.NotFound, "", "%s: %v", doing, err)
	case strings.Contains(err.Error(), "port is already allocated"), strings.Contains(err.Error(), "address already in use"):
		return protocol.Faultf(protocol.Conflict, "stop what uses the port on the node, or move the agent's --ports", "%s: the port is in use by something else on the node", doing)
	case strings.Contains(err.Error(), "no space left on device"):
		return protocol.Faultf(protocol.ReadOnly, "free space on the node's disk", "%s: the node's disk is full", doing)
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}

// IsGone tells whether err says that the object is not there.
func IsGone(err error) bool {
	return errdefs.IsNotFound(err) || protocol.CodeOf(err) == protocol.NotFound
}

// Cluster gives the cluster whose objects these are.
func (c *Client) Cluster() string { return c.labels[LabelCluster] }

// Name gives the node's name for people.
func (c *Client) Name() string { return c.name }

// Node gives the node whose objects these are.
func (c *Client) Node() string { return c.labels[LabelNode] }
